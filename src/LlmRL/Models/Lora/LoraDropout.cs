using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Lora;

/// <summary>
/// Dropout of what adapters read: x ← 0 with probability p, else x/(1 − p). The draw of a feature is a pure function of the key, the sequence's tokens, the position and the
/// weight, so that it is the same in the forward and the backward pass, in whatever micro-batch the sequence is, and after a resumed run's restart.
/// </summary>
internal static unsafe class LoraDropout
{
    /// <summary>Knuth's golden-ratio step, and the multipliers of MurmurHash3's finalizer.</summary>
    private const uint Step = 0x9E3779B9, First = 0x85EBCA6B, Second = 0xC2B2AE35;

    /// <summary>A key for each token of a batch, (N).</summary>
    public static ulong[] RowKeys(ulong key, IReadOnlyList<int[]> sequences)
    {
        var keys = new ulong[sequences.Sum(sequence => sequence.Length)];
        var row = 0;
        foreach (var sequence in sequences)
        {
            var own = key;
            foreach (var token in sequence)
                own = CounterRandom.Key(own, (ulong)token);
            for (var position = 0; position < sequence.Length; position++)
                keys[row++] = CounterRandom.Key(own, (ulong)position);
        }

        return keys;
    }

    /// <summary>Drops features of some rows; source and target may be the same.</summary>
    /// <param name="rowKeys">Keys of the rows.</param>
    /// <param name="weight">Which weight reads them: a number of its own.</param>
    /// <param name="probability">p.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="target">(rows, width).</param>
    /// <param name="width">Features.</param>
    public static void Apply(ReadOnlySpan<ulong> rowKeys, int weight, double probability, float* x, float* target, int width)
    {
        var (threshold, scale) = (Vector512.Create((uint)(probability * 4294967296.0)), Vector512.Create((float)(1 / (1 - probability))));
        foreach (var rowKey in rowKeys)
        {
            var key = CounterRandom.Key(rowKey, (ulong)weight);
            var counter = Vector512.Create((uint)(key >> 32)) + Lanes.Index.AsUInt32() * Step;
            for (var i = 0; i < width; i += Lanes.Width, counter += Vector512.Create(unchecked(Lanes.Width * Step)))
            {
                var kept = Vector512.GreaterThanOrEqual(Bits(counter, (uint)key), threshold).AsSingle();
                Lanes.Store(Lanes.Load(x + i, width - i) * scale & kept, target + i, width - i);
            }

            x += width;
            target += width;
        }
    }

    private static Vector512<uint> Bits(Vector512<uint> counter, uint key)
    {
        var h = counter ^ Vector512.Create(key);
        h = (h ^ (h >>> 16)) * First;
        h = (h ^ (h >>> 13)) * Second;
        return h ^ (h >>> 16);
    }
}
