using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// Sequences of differing lengths laid end to end: N tokens in all, no padding. Every layer but attention sees them as N rows; attention pads
/// (on the right, so that the causal mask suffices) and unpads through the index tensors here. Sequences that are said to belong together, samples of one prompt
/// or the answers of a pair, share the rows of their common beginning: what comes before a token alone decides what the model makes of it.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    // A shorter common beginning is not worth a group of its own.
    private const int ShortestPrefix = 4;
    private readonly (int PrefixRow, int PrefixLength, int OwnRow)[] places;

    /// <summary>Packs sequences.</summary>
    /// <param name="sequences">B sequences of token ids, none empty.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="groups">A number for each sequence: those with the same one may share rows. Null: none do.</param>
    public TokenBatch(IReadOnlyList<int[]> sequences, Device? device = null, IReadOnlyList<int>? groups = null)
    {
        Sequences = sequences;
        for (var b = 0; b < sequences.Count; b++)
        {
            if (sequences[b].Length == 0)
                throw new ArgumentException($"sequence {b} is empty");
            MaxLength = Math.Max(MaxLength, sequences[b].Length);
        }

        places = new (int, int, int)[sequences.Count];
        // Only the CPU's kernels read shared rows; elsewhere they would be taken apart again at every pass.
        var shares = groups is not null && device is null or { type: DeviceType.CPU };
        var members = Enumerable.Range(0, sequences.Count).GroupBy(b => shares ? groups![b] : b);
        Groups = [.. members.SelectMany(group => Place([.. group]))];
        var ids = new long[Count];
        var positions = new long[Count];
        for (var b = 0; b < sequences.Count; b++)
        {
            for (var t = 0; t < sequences[b].Length; t++)
            {
                ids[Row(b, t)] = sequences[b][t];
                positions[Row(b, t)] = t;
            }
        }

        Ids = OnDevice(ids, device);
        Positions = OnDevice(positions, device);
        IsRectangular = !HasSharedPrefixes && sequences.Count * MaxLength == Count;
        if (IsRectangular || HasSharedPrefixes)
            return;
        var padded = new long[sequences.Count * MaxLength];
        var unpadded = new long[Count];
        for (var b = 0; b < sequences.Count; b++)
        {
            for (var t = 0; t < sequences[b].Length; t++)
                (padded[b * MaxLength + t], unpadded[Row(b, t)]) = (Row(b, t), b * MaxLength + t);
        }

        PadIndex = OnDevice(padded, device);
        UnpadIndex = OnDevice(unpadded, device);
    }

    /// <summary>The sequences.</summary>
    public IReadOnlyList<int[]> Sequences { get; }

    /// <summary>N: number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Length of the longest sequence.</summary>
    public int MaxLength { get; }

    /// <summary>Whether any sequences share rows.</summary>
    public bool HasSharedPrefixes => Groups.Any(group => group.PrefixLength > 0);

    /// <summary>Whether all sequences have the same length and rows of their own, so that attention needs no padding.</summary>
    public bool IsRectangular { get; }

    /// <summary>Token ids, (N), int64.</summary>
    public Tensor Ids { get; }

    /// <summary>Position of each token in its sequence, (N), int64.</summary>
    public Tensor Positions { get; }

    /// <summary>Row of each cell of the padded (B, MaxLength) batch, 0 at padding; null when rectangular or when rows are shared.</summary>
    public Tensor? PadIndex { get; }

    /// <summary>Cell of each row in the padded batch, (N); null when rectangular or when rows are shared.</summary>
    public Tensor? UnpadIndex { get; }

    /// <summary>Which rows attend to which.</summary>
    internal IReadOnlyList<SequenceGroup> Groups { get; }

    /// <summary>The row of a token.</summary>
    /// <param name="sequence">Which sequence.</param>
    /// <param name="position">Its place there.</param>
    public int Row(int sequence, int position)
    {
        var (prefixRow, prefixLength, ownRow) = places[sequence];
        return position < prefixLength ? prefixRow + position : ownRow + position - prefixLength;
    }

    /// <summary>The same sequences without shared rows, and where each row of this batch is there.</summary>
    public (TokenBatch Batch, Tensor Rows) Unshared()
    {
        var plain = new TokenBatch(Sequences, Ids.device);
        var rows = new long[Count];
        // From the last one on, so that a shared row is found with the first sequence that has it.
        for (var b = Sequences.Count - 1; b >= 0; b--)
        {
            for (var t = 0; t < Sequences[b].Length; t++)
                rows[Row(b, t)] = plain.Row(b, t);
        }

        return (plain, OnDevice(rows, Ids.device));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
        PadIndex?.Dispose();
        UnpadIndex?.Dispose();
    }

    /// <summary>Gives the sequences of a group their rows: the common beginning's, then each one's own, of which every sequence has at least one.</summary>
    private List<SequenceGroup> Place(int[] group)
    {
        var prefix = group.Length > 1 ? group.Min(b => Math.Min(Sequences[b].Length - 1, Sequences[b].AsSpan().CommonPrefixLength(Sequences[group[0]]))) : 0;
        if (prefix < ShortestPrefix)
            prefix = 0;
        var prefixRow = Count;
        Count += prefix;
        var members = new List<(int Row, int Length)>(group.Length);
        foreach (var b in group)
        {
            places[b] = (prefixRow, prefix, Count);
            members.Add((Count, Sequences[b].Length - prefix));
            Count += Sequences[b].Length - prefix;
        }

        return prefix > 0 ? [new SequenceGroup(prefixRow, prefix, [.. members])] : [.. members.Select(member => new SequenceGroup(member.Row, 0, [member]))];
    }

    internal static Tensor OnDevice(long[] values, Device? device)
    {
        var onCpu = tensor(values).DetachFromDisposeScope();
        if (device is null || device.type == DeviceType.CPU)
            return onCpu;
        using (onCpu)
            return onCpu.to(device).DetachFromDisposeScope();
    }
}

/// <summary>Rows that attend to one another: a common beginning, and sequences that go on from it, which see it and themselves.</summary>
/// <param name="PrefixRow">First row of the common beginning.</param>
/// <param name="PrefixLength">Its length; 0 where there is none.</param>
/// <param name="Members">First row and length of what each sequence has for itself.</param>
internal sealed record SequenceGroup(int PrefixRow, int PrefixLength, (int Row, int Length)[] Members);
