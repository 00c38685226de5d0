using System.Runtime.InteropServices;

namespace LlmRL.Tokenization;

/// <summary>Encodes a word of a text by itself.</summary>
internal interface IWordEncoder
{
    void EncodeWord(ReadOnlySpan<char> word, List<int> ids);
}

/// <summary>
/// Ids of words met before. Direct-mapped: a slot is replaced by one reference write, so threads need no lock.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rarely met twice.</summary>
    private const int MaxLength = 32;

    private const int Bits = 16;
    private readonly Entry?[] _entries = new Entry?[1 << Bits];

    /// <summary>Encodes a text word by word, cut before SentencePiece's visible spaces.</summary>
    public void EncodeSpaced(ReadOnlySpan<char> text, IWordEncoder encoder, List<int> ids)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = SpacedWords.End(text, start);
            Encode(text[start..end], encoder, ids);
            start = end;
        }
    }

    /// <summary>Appends the word's ids: those it had before, or those that the encoder gives.</summary>
    public void Encode(ReadOnlySpan<char> word, IWordEncoder encoder, List<int> ids)
    {
        if (word.Length > MaxLength)
        {
            encoder.EncodeWord(word, ids);
            return;
        }

        var hash = Hash(word);
        if (TryAppend(word, hash, ids))
            return;
        var first = ids.Count;
        encoder.EncodeWord(word, ids);
        Add(word, hash, CollectionsMarshal.AsSpan(ids)[first..]);
    }

    private static ulong Hash(ReadOnlySpan<char> word)
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
    private bool TryAppend(ReadOnlySpan<char> word, ulong hash, List<int> ids)
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

    private void Add(ReadOnlySpan<char> word, ulong hash, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _entries[hash >> (64 - Bits)], new Entry(hash, word.ToString(), ids.ToArray()));

    private static ulong Mix(ulong value)
    {
        var high = Math.BigMul(value ^ 0x2545F4914F6CDD1DUL, 0x9E3779B97F4A7C15UL, out var low);
        return high ^ low;
    }

    private sealed record Entry(ulong Hash, string Word, int[] Ids);
}
