using System.Runtime.CompilerServices;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Merges by their pair of ids: an open-addressing hash table that is filled once and then only read.</summary>
internal sealed class PairTable
{
    private readonly Entry[] _entries;
    private readonly int _shift;

    public PairTable(int count)
    {
        var bits = Math.Max(4, 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)Math.Max(1, count) * 2));
        _entries = new Entry[1 << bits];
        Array.Fill(_entries, new Entry(ulong.MaxValue, int.MaxValue, -1));
        _shift = 64 - bits;
    }

    /// <summary>Adds a merge; the first one of a pair counts.</summary>
    public void TryAdd(int left, int right, int rank, int merged)
    {
        ref var entry = ref Slot(Key(left, right));
        if (entry.Merged < 0)
            entry = new Entry(Key(left, right), rank, merged);
    }

    /// <summary>The rank of the merge of two ids, or <see cref="int.MaxValue"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Rank(int left, int right) => Slot(Key(left, right)).Rank;

    /// <summary>The id that two ids merge to, or -1.</summary>
    public int Merged(int left, int right) => Slot(Key(left, right)).Merged;

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private ref Entry Slot(ulong key)
    {
        var entries = _entries;
        var index = (int)((key * 0x9E3779B97F4A7C15UL) >> _shift);
        while (entries[index].Key != key && entries[index].Merged >= 0)
            index = (index + 1) & (entries.Length - 1);
        return ref entries[index];
    }

    private readonly record struct Entry(ulong Key, int Rank, int Merged);
}
