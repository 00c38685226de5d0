using System.Runtime.InteropServices;

namespace LlmRL.Tokenization;

/// <summary>
/// Ids of words met before. Direct-mapped: a slot is replaced by one reference write, so threads need no lock.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rarely met twice.</summary>
    public const int MaxLength = 32;

    private const int Bits = 16;
    private readonly Entry?[] _entries = new Entry?[1 << Bits];

    public static ulong Hash(ReadOnlySpan<char> word)
    {
        var bytes = MemoryMarshal.AsBytes(word);
        var hash = (ulong)word.Length * 0x9E3779B97F4A7C15UL;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes));
        var tail = 0UL;
        for (var i = 0; i < bytes.Length; i += 2)
            tail = (tail << 16) | MemoryMarshal.Read<ushort>(bytes[i..]);
        return Mix(hash ^ tail);
    }

    /// <summary>Appends the word's ids where they are known.</summary>
    public bool TryAppend(ReadOnlySpan<char> word, ulong hash, List<int> ids)
    {
        var entry = Volatile.Read(ref _entries[hash >> (64 - Bits)]);
        if (entry is null || entry.Hash != hash || !word.SequenceEqual(entry.Word))
            return false;
        if (entry.Ids is [var single])
            ids.Add(single);
        else
            ids.AddRange(entry.Ids.AsSpan());
        return true;
    }

    public void Add(ReadOnlySpan<char> word, ulong hash, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _entries[hash >> (64 - Bits)], new Entry(hash, word.ToString(), ids.ToArray()));

    private static ulong Mix(ulong value)
    {
        var high = Math.BigMul(value ^ 0x2545F4914F6CDD1DUL, 0x9E3779B97F4A7C15UL, out var low);
        return high ^ low;
    }

    private sealed record Entry(ulong Hash, string Word, int[] Ids);
}
