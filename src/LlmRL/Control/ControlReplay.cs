using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>Computes a minibatch of a control stage again at which it stopped, quantity after quantity; see <see cref="Replay"/>.</summary>
internal static class ControlReplay
{
    /// <summary>Replays a batch.</summary>
    /// <param name="folder">Where it lies, with the networks as they were.</param>
    /// <param name="saved">What was read of it.</param>
    /// <param name="stage">Its stage.</param>
    /// <param name="say">Receives the findings, line by line.</param>
    /// <returns>Whether something was not finite again.</returns>
    public static bool Run(string folder, SavedBatch saved, ControlStage stage, Action<string> say)
    {
        var steps = saved.Steps ?? throw new BadInputException($"stage '{saved.Stage}' of the saved recipe is of another kind than the batch.");
        var check = new FiniteCheck(say);
        using var agent = new ControlAgent(stage, key: 0);
        agent.Load(folder);
        say($"{saved.Stage}, step {saved.Step}: {saved.Reason}");
        foreach (var (name, network) in agent.Networks)
            check.Weights(name, network.Parameters);
        foreach (var (name, values) in new[] { ("observations", steps.Observations), ("log π_old", steps.OldLogProbs), ("values", steps.OldValues), ("returns", steps.Returns), ("advantages", steps.Advantages) })
            check.Check(name, values ?? []);
        using var scope = NewDisposeScope();
        var all = ControlBatch.Of(steps);
        foreach (var rows in Enumerable.Range(0, steps.Actions.Length).Select(row => (long)row).Chunk(saved.MicroBatchTokens))
            Part(stage, agent, all.Select(rows, all.Share), $"steps {rows[0]} to {rows[^1]}", check);
        foreach (var (name, network) in agent.Networks)
            check.Gradients(name, network.Parameters);
        return check.Conclude();
    }

    private static void Part(ControlStage stage, ControlAgent agent, ControlBatch batch, string where, FiniteCheck check)
    {
        var algorithm = stage.Algorithm;
        batch.Forward(agent.Policy);
        check.Check($"log π of {where}", batch.LogProbs);
        check.Check($"entropy of {where}", batch.Entropies);
        check.Check($"the policy's loss of {where}", algorithm.PolicyLosses(batch));
        ControlLoop.PolicyLoss(stage, batch).backward();
        if (agent.Value is null)
            return;
        batch.ForwardValues(agent.Value);
        check.Check($"V of {where}", batch.Values!);
        check.Check($"the value network's loss of {where}", algorithm.ValueLosses(batch));
        ControlLoop.ValueLoss(algorithm, batch).backward();
    }
}
