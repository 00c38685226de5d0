using LlmRL.Losses;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>
/// Steps of a rollout as the losses see them: one step a row, (N, 1), so that no cell is padding. The tensors with gradient are <see cref="LogProbs"/>,
/// <see cref="Entropies"/> and <see cref="Values"/>; all others are constants. Tensors belong to the dispose scope in which the batch was made.
/// </summary>
public sealed class ControlBatch
{
    private ControlBatch(Tensor observations, Tensor actions, Tensor oldLogProbs, Tensor advantages, Tensor? oldValues, Tensor? returns)
    {
        (Observations, Actions, OldLogProbs, Advantages) = (observations, actions, oldLogProbs, advantages);
        (OldValues, Returns) = (oldValues, returns);
        Mask = new ResponseMask(ones_like(oldLogProbs));
    }

    /// <summary>What the agent saw, (N, O).</summary>
    public Tensor Observations { get; }

    /// <summary>a, (N, 1).</summary>
    public Tensor Actions { get; }

    /// <summary>log π_old(a|s), (N, 1).</summary>
    public Tensor OldLogProbs { get; }

    /// <summary>A, (N, 1).</summary>
    public Tensor Advantages { get; }

    /// <summary>V at sampling time, (N, 1), or null.</summary>
    public Tensor? OldValues { get; }

    /// <summary>Targets of the value network, (N, 1), or null.</summary>
    public Tensor? Returns { get; }

    /// <summary>All steps count.</summary>
    public ResponseMask Mask { get; }

    /// <summary>What the whole minibatch holds: these rows may be a part of it. Sequences are segments.</summary>
    public BatchShare Share { get; private init; }

    /// <summary>log π(a|s) of the current policy, (N, 1), with gradient.</summary>
    public Tensor LogProbs { get; private set; } = null!;

    /// <summary>Entropy of the current policy, (N, 1), nats, with gradient.</summary>
    public Tensor Entropies { get; private set; } = null!;

    /// <summary>V(s) of the current value network, (N, 1), with gradient, or null before <see cref="ForwardValues"/>.</summary>
    public Tensor? Values { get; private set; }

    /// <summary>All steps of a rollout, segment after segment.</summary>
    public static ControlBatch Of(ControlRollout rollout)
    {
        var all = rollout.Segments;
        var count = rollout.StepCount;
        Tensor Column(IEnumerable<double> values) => tensor(values.Select(value => (float)value).ToArray(), [count, 1]);
        var hasValues = all.Any(segment => segment.Values.Length > 0);
        var observations = all.SelectMany(segment => segment.Observations).ToArray();
        return new ControlBatch(
            tensor(observations, [count, observations.Length / count]),
            tensor(all.SelectMany(segment => segment.Actions).Select(action => (long)action).ToArray(), [count, 1]),
            tensor(all.SelectMany(segment => segment.LogProbs).ToArray(), [count, 1]),
            Column(all.SelectMany(segment => segment.Advantages)),
            hasValues ? Column(all.SelectMany(segment => segment.Values)) : null,
            hasValues ? Column(all.SelectMany(segment => segment.Returns)) : null)
        {
            Share = new BatchShare(all.Count, count),
        };
    }

    /// <summary>A minibatch that was saved.</summary>
    internal static ControlBatch Of(SavedSteps saved)
    {
        var count = saved.Actions.Length;
        return new ControlBatch(
            tensor(saved.Observations, [count, saved.Observations.Length / count]), tensor(saved.Actions, [count, 1]), tensor(saved.OldLogProbs, [count, 1]), tensor(saved.Advantages, [count, 1]),
            saved.OldValues is { } values ? tensor(values, [count, 1]) : null, saved.Returns is { } returns ? tensor(returns, [count, 1]) : null)
        {
            Share = new BatchShare(saved.Segments, count),
        };
    }

    /// <summary>The rows as a file holds them.</summary>
    internal SavedSteps ToSaved() => new(
        Observations.data<float>().ToArray(), Actions.data<long>().ToArray(), OldLogProbs.data<float>().ToArray(), Advantages.data<float>().ToArray(),
        OldValues?.data<float>().ToArray(), Returns?.data<float>().ToArray(), Share.Sequences);

    /// <summary>Some of the rows.</summary>
    /// <param name="rows">Which.</param>
    /// <param name="share">What the minibatch that they are part of holds.</param>
    public ControlBatch Select(long[] rows, BatchShare share)
    {
        var index = tensor(rows);
        return new ControlBatch(
            Observations.index_select(0, index), Actions.index_select(0, index), OldLogProbs.index_select(0, index), Advantages.index_select(0, index),
            OldValues?.index_select(0, index), Returns?.index_select(0, index))
        {
            Share = share,
        };
    }

    /// <summary>Runs the policy; <see cref="LogProbs"/> and <see cref="Entropies"/> are filled.</summary>
    public void Forward(Mlp policy)
    {
        var logProbs = policy.Forward(Observations).log_softmax(-1);
        LogProbs = logProbs.gather(1, Actions);
        Entropies = -(logProbs.exp() * logProbs).sum(1, keepdim: true);
    }

    /// <summary>Runs the value network; <see cref="Values"/> is filled.</summary>
    public void ForwardValues(Mlp value) => Values = value.Forward(Observations);
}
