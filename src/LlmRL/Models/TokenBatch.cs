using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// Sequences of differing lengths laid end to end: N tokens in all, no padding. Every layer but attention sees them as N rows; attention pads
/// (on the right, so that the causal mask suffices) and unpads through the index tensors here.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    /// <summary>Packs sequences.</summary>
    /// <param name="sequences">B sequences of token ids, none empty.</param>
    /// <param name="device">Where the tensors go.</param>
    public TokenBatch(IReadOnlyList<int[]> sequences, Device? device = null)
    {
        Sequences = sequences;
        Starts = new int[sequences.Count + 1];
        for (var b = 0; b < sequences.Count; b++)
        {
            if (sequences[b].Length == 0)
                throw new ArgumentException($"sequence {b} is empty");
            Starts[b + 1] = Starts[b] + sequences[b].Length;
            MaxLength = Math.Max(MaxLength, sequences[b].Length);
        }

        var ids = new long[Count];
        var positions = new long[Count];
        var padded = new long[sequences.Count * MaxLength];
        var unpadded = new long[Count];
        for (var b = 0; b < sequences.Count; b++)
        {
            for (var t = 0; t < sequences[b].Length; t++)
            {
                var n = Starts[b] + t;
                ids[n] = sequences[b][t];
                positions[n] = t;
                padded[b * MaxLength + t] = n;
                unpadded[n] = b * MaxLength + t;
            }
        }

        IsRectangular = padded.Length == Count;
        Ids = OnDevice(ids, device);
        Positions = OnDevice(positions, device);
        PadIndex = IsRectangular ? null : OnDevice(padded, device);
        UnpadIndex = IsRectangular ? null : OnDevice(unpadded, device);
    }

    /// <summary>The sequences.</summary>
    public IReadOnlyList<int[]> Sequences { get; }

    /// <summary>Row of each sequence's first token; one entry more than there are sequences, the last is N.</summary>
    public int[] Starts { get; }

    /// <summary>N: number of tokens.</summary>
    public int Count => Starts[^1];

    /// <summary>Length of the longest sequence.</summary>
    public int MaxLength { get; }

    /// <summary>Whether all sequences have the same length, so that attention needs no padding.</summary>
    public bool IsRectangular { get; }

    /// <summary>Token ids, (N), int64.</summary>
    public Tensor Ids { get; }

    /// <summary>Position of each token in its sequence, (N), int64.</summary>
    public Tensor Positions { get; }

    /// <summary>Row of each cell of the padded (B, MaxLength) batch, 0 at padding; null when rectangular.</summary>
    public Tensor? PadIndex { get; }

    /// <summary>Cell of each row in the padded batch, (N); null when rectangular.</summary>
    public Tensor? UnpadIndex { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
        PadIndex?.Dispose();
        UnpadIndex?.Dispose();
    }

    private static Tensor OnDevice(long[] values, Device? device)
    {
        var onCpu = tensor(values).DetachFromDisposeScope();
        if (device is null || device.type == DeviceType.CPU)
            return onCpu;
        using (onCpu)
            return onCpu.to(device).DetachFromDisposeScope();
    }
}
