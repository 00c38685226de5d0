using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Rollouts;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>
/// A micro-batch of trajectories as the losses see it: right-padded (B, T) tensors, T the longest completion. The tensors with gradient are
/// <see cref="LogProbs"/>, <see cref="Entropies"/> and <see cref="Values"/>; all others are constants.
/// </summary>
public sealed class PolicyBatch : IDisposable
{
    private readonly DisposeScope scope;
    private readonly TokenBatch tokens;
    private readonly RowSelection rows;
    private readonly Tensor targets, cells;

    /// <summary>Packs trajectories.</summary>
    /// <param name="trajectories">B trajectories.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="share">This micro-batch's part of the minibatch, see <see cref="BatchShare"/>.</param>
    public PolicyBatch(IReadOnlyList<Trajectory> trajectories, Device device, BatchShare share)
    {
        Trajectories = trajectories;
        Share = share;
        scope = NewDisposeScope();
        tokens = new TokenBatch([.. trajectories.Select(trajectory => trajectory.InputTokens())], device, SamePrompts(trajectories));
        Width = trajectories.Max(trajectory => trajectory.Length);
        var rowOf = new List<long>();
        var targetOf = new List<long>();
        var cellOf = new long[trajectories.Count * Width];
        var mask = new float[trajectories.Count * Width];
        for (var b = 0; b < trajectories.Count; b++)
        {
            for (var t = 0; t < trajectories[b].Length; t++)
            {
                cellOf[b * Width + t] = rowOf.Count;
                mask[b * Width + t] = trajectories[b].Counts ? 1 : 0;
                rowOf.Add(tokens.Row(b, trajectories[b].Prompt.Length - 1 + t));
                targetOf.Add(trajectories[b].Completion.Tokens[t]);
            }
        }

        rows = new RowSelection(tokens, rowOf);
        targets = tensor(targetOf.ToArray()).to(device);
        cells = tensor(cellOf).to(device);
        Mask = new ResponseMask(tensor(mask, [trajectories.Count, Width]).to(device));
        OldLogProbs = Pad(trajectory => trajectory.LogProbs);
        ReferenceLogProbs = trajectories[0].ReferenceLogProbs.Length > 0 ? Pad(trajectory => trajectory.ReferenceLogProbs) : null;
        Advantages = trajectories[0].Advantages.Length > 0 ? Pad(trajectory => trajectory.Advantages) : zeros_like(OldLogProbs);
        OldValues = trajectories[0].Values.Length > 0 ? Pad(trajectory => trajectory.Values) : null;
        Returns = trajectories[0].Returns.Length > 0 ? Pad(trajectory => trajectory.Returns) : null;
    }

    /// <summary>A number for each trajectory, equal where the prompts are.</summary>
    public static int[] SamePrompts(IReadOnlyList<Trajectory> trajectories)
    {
        var numbers = new Dictionary<int[], int>(PromptComparer.Instance);
        return [.. trajectories.Select(trajectory => numbers.TryGetValue(trajectory.Prompt, out var known) ? known : numbers[trajectory.Prompt] = numbers.Count)];
    }

    /// <summary>The trajectories, row by row.</summary>
    public IReadOnlyList<Trajectory> Trajectories { get; }

    /// <summary>T: the longest completion.</summary>
    public int Width { get; }

    /// <summary>What part of the minibatch these rows are.</summary>
    public BatchShare Share { get; }

    /// <summary>Which cells count.</summary>
    public ResponseMask Mask { get; }

    /// <summary>log π_old, (B, T).</summary>
    public Tensor OldLogProbs { get; }

    /// <summary>log π_ref, (B, T), or null.</summary>
    public Tensor? ReferenceLogProbs { get; }

    /// <summary>A_t, (B, T).</summary>
    public Tensor Advantages { get; }

    /// <summary>V at sampling time, (B, T), or null.</summary>
    public Tensor? OldValues { get; }

    /// <summary>Targets of the value network, (B, T), or null.</summary>
    public Tensor? Returns { get; }

    /// <summary>log π of the current policy, (B, T), with gradient.</summary>
    public Tensor LogProbs { get; internal set; } = null!;

    /// <summary>Entropy of the current policy at each position, (B, T), with gradient; null unless asked for.</summary>
    public Tensor? Entropies { get; internal set; }

    /// <summary>V of the current value network, (B, T), with gradient, or null.</summary>
    public Tensor? Values { get; internal set; }

    /// <summary>Sums named numbers over micro-batches for the log; a loss adds its own.</summary>
    public required BatchMetrics Metrics { get; init; }

    /// <summary>Runs the policy forward; <see cref="LogProbs"/> and <see cref="Entropies"/> are filled.</summary>
    /// <returns>What carries the loss's gradients back into the policy.</returns>
    public PolicyForward Forward(Transformer policy, double temperature)
    {
        var hidden = policy.Hidden(tokens, rows);
        var scores = TokenScores.Compute(policy, hidden.detach(), targets, temperature, entropy: true, trainable: policy.IsTrainable);
        LogProbs = ToCells(scores.LogProbs);
        Entropies = ToCells(scores.Entropies!);
        return new PolicyForward(hidden, scores);
    }

    /// <summary>Runs a value network forward; <see cref="Values"/> is filled, with an ordinary autograd graph.</summary>
    public void ForwardValues(Transformer value) => Values = ToCells(value.Scores(value.Hidden(tokens, rows)));

    /// <summary>Copies a (B, T) tensor back into one array per trajectory.</summary>
    public static void Unpad(Tensor padded, IReadOnlyList<Trajectory> trajectories, Action<Trajectory, float[]> store)
    {
        using var host = padded.detach().cpu().contiguous();
        var values = host.data<float>().ToArray();
        var width = (int)padded.size(1);
        for (var b = 0; b < trajectories.Count; b++)
            store(trajectories[b], values.AsSpan(b * width, trajectories[b].Length).ToArray());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        rows.Dispose();
        tokens.Dispose();
        scope.Dispose();
    }

    /// <summary>One value per completion token, trajectory after trajectory, as (B, T).</summary>
    internal Tensor ToCells(Tensor flat) => flat.index_select(0, cells).view(Trajectories.Count, Width);

    private Tensor Pad(Func<Trajectory, float[]> values)
    {
        var padded = new float[Trajectories.Count * Width];
        for (var b = 0; b < Trajectories.Count; b++)
            values(Trajectories[b]).CopyTo(padded.AsSpan(b * Width));
        return tensor(padded, [Trajectories.Count, Width]).to(Mask.Value.device);
    }
}

/// <summary>Prompts by their tokens.</summary>
internal sealed class PromptComparer : IEqualityComparer<int[]>
{
    /// <summary>The one there is.</summary>
    public static readonly PromptComparer Instance = new();

    /// <inheritdoc/>
    public bool Equals(int[]? x, int[]? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.AsSpan().SequenceEqual(y));

    /// <inheritdoc/>
    public int GetHashCode(int[] prompt)
    {
        var hash = default(HashCode);
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes<int>(prompt));
        return hash.ToHashCode();
    }
}

/// <summary>What part of a minibatch a micro-batch is, so that summed gradients equal those of the whole.</summary>
/// <param name="Sequences">Sequences of the minibatch.</param>
/// <param name="Tokens">Tokens of the minibatch that count.</param>
public readonly record struct BatchShare(int Sequences, long Tokens)
{
    /// <summary>That of a whole minibatch.</summary>
    public static BatchShare Of(IReadOnlyList<Trajectory> minibatch) =>
        new(minibatch.Count, minibatch.Where(trajectory => trajectory.Counts).Sum(trajectory => (long)trajectory.Length));

    /// <summary>What <see cref="Aggregations.Aggregate"/> divides by.</summary>
    public double For(Aggregation how) => how == Aggregation.TokenMean ? Math.Max(1, Tokens) : Sequences;
}

/// <summary>The policy's half of a forward pass; carries gradients of log-probabilities back into the weights.</summary>
public sealed class PolicyForward(Tensor hidden, TokenScores scores) : IDisposable
{
    /// <summary>Call after the loss's <c>backward()</c>: continues through the head and the transformer.</summary>
    public void Backward()
    {
        using var gradient = scores.Backward();
        hidden.backward([gradient]);
    }

    /// <inheritdoc/>
    public void Dispose() => scores.Dispose();
}

/// <summary>Weighted means of named numbers, collected over micro-batches and epochs of one step.</summary>
public sealed class BatchMetrics
{
    private readonly OrderedDictionary<string, (double Sum, double Weight)> sums = new(StringComparer.Ordinal);
    private readonly HashSet<string> maxima = new(StringComparer.Ordinal);

    /// <summary>Adds a value.</summary>
    /// <param name="name">The metric.</param>
    /// <param name="value">Its mean over some cells.</param>
    /// <param name="weight">How many cells.</param>
    public void Add(string name, double value, double weight)
    {
        var (sum, total) = sums.TryGetValue(name, out var old) ? old : default;
        sums[name] = (sum + value * weight, total + weight);
    }

    /// <summary>Adds everything that another collection holds, weight by weight.</summary>
    public void Add(BatchMetrics other)
    {
        foreach (var (name, (sum, weight)) in other.sums)
        {
            if (other.maxima.Contains(name))
                Max(name, sum);
            else
                Add(name, weight == 0 ? 0 : sum / weight, weight);
        }
    }

    /// <summary>Keeps the largest of the values given under a name.</summary>
    public void Max(string name, double value)
    {
        maxima.Add(name);
        sums[name] = (Math.Max(value, sums.TryGetValue(name, out var old) ? old.Sum : value), 1);
    }

    /// <summary>The means so far.</summary>
    public IEnumerable<KeyValuePair<string, double>> Means() => sums.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Weight == 0 ? 0 : pair.Value.Sum / pair.Value.Weight));

    /// <summary>The mean of one metric; 0 where it was never added.</summary>
    public double this[string name] => sums.TryGetValue(name, out var pair) && pair.Weight != 0 ? pair.Sum / pair.Weight : 0;
}
