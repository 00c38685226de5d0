using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>Layers that are computed again in the backward pass (Chen et al. 2016, arXiv 1604.06174): the same kernels on the same rows, so that no gradient differs in a bit.</summary>
internal sealed unsafe partial class TransformerBackward
{
    /// <summary>
    /// A layer's phases where only layers' inputs are kept: between the halves, the layer below is computed again, in the memory that this one's activations were in. Those
    /// of the uppermost layer are still there from the forward pass.
    /// </summary>
    private void LayerAndAgain(int layer, int worker, ref Phases phases, TransformerForward again)
    {
        int below = layer - 1, products = _weightTasks[layer].Count, large = products + _inputs.AttentionTasks, backward = large + _panels.Tasks;
        while (phases.NextInOrder(backward + again.Panels.Tasks, out var task))
            if (task < products)
                _weightTasks[layer][task].Run(_scratch.Own(worker));
            else if (task < large)
                Attention(layer, task - products, worker);
            else if (task < backward)
                _panels.Run(task - large, attention: layer, rest: -1);
            else
                again.Panels.Run(task - backward, attention: below, rest: -1);
        phases.End();
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            LowerHalf(layer, tile, worker);
            if (below >= 0)
                again.BeginAgain(below, tile, worker);
        }

        phases.End();
        if (below < 0)
            return;
        int attention = _inputs.AttentionTasks, forward = attention + again.Panels.Tasks;
        while (phases.NextInOrder(forward + _panels.Tasks, out var task))
            if (task < attention)
                again.AttendAgain(below, task, worker);
            else if (task < forward)
                again.Panels.Run(task - attention, attention: -1, rest: below);
            else
                _panels.Run(task - forward, attention: -1, rest: below);
        phases.End();
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            again.FinishAgain(below, tile, worker);
            UpperHalf(below, tile, worker);
        }

        phases.End();
    }
}
