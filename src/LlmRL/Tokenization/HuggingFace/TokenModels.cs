using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Turns a pre-tokenized piece into ids.</summary>
internal interface ITokenModel
{
    Vocabulary Vocabulary { get; }

    void Encode(string piece, List<int> ids);
}

/// <summary>A piece is a token, or unknown.</summary>
internal sealed class WordLevelModel(Vocabulary vocabulary, int unknownId) : ITokenModel
{
    public Vocabulary Vocabulary => vocabulary;

    public void Encode(string piece, List<int> ids)
    {
        var id = vocabulary.Find(piece);
        if (id >= 0)
            ids.Add(id);
        else if (unknownId >= 0)
            ids.Add(unknownId);
    }
}

/// <summary>BERT's greedy longest match; continuations carry a prefix (<c>##</c>).</summary>
internal sealed class WordPieceModel(Vocabulary vocabulary, int unknownId, string prefix, int maxCharacters) : ITokenModel
{
    public Vocabulary Vocabulary => vocabulary;

    public void Encode(string piece, List<int> ids)
    {
        var first = ids.Count;
        for (var start = 0; start < piece.Length;)
        {
            var (id, end) = CodePointCount(piece) > maxCharacters ? (-1, 0) : Longest(piece, start);
            if (id < 0)
            {
                CollectionsMarshal.SetCount(ids, first);
                ids.Add(unknownId);
                return;
            }

            ids.Add(id);
            start = end;
        }
    }

    private (int Id, int End) Longest(string piece, int start)
    {
        for (var end = piece.Length; end > start; end--)
        {
            var part = piece.AsSpan(start, end - start);
            var id = start == 0 ? vocabulary.Find(part) : vocabulary.Find(string.Concat(prefix, part));
            if (id >= 0)
                return (id, end);
        }

        return (-1, 0);
    }

    private static int CodePointCount(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
            count++;
        return count;
    }
}

/// <summary>What a BPE model has beside its vocabulary and merges.</summary>
internal sealed record BpeOptions
{
    public int UnknownId { get; init; } = -1;

    /// <summary>Whether neighbouring unknown characters make one token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>Whether an unknown character becomes <c>&lt;0xNN&gt;</c> tokens.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether a piece that is a token is taken whole, whatever the merges say (Llama 3).</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Prefix of every character of a word but the first.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Suffix of the last character of a word.</summary>
    public string Suffix { get; init; } = "";
}

/// <summary>Byte-pair encoding over characters.</summary>
internal sealed class BpeModel(Vocabulary vocabulary, PairTable merges, BpeOptions options) : ITokenModel, IWordEncoder
{
    private readonly int[]? _byteIds = options.ByteFallback ? FallbackIds(vocabulary) : null;
    private readonly WordCache? _cache = WordsAreApart(vocabulary, options) ? new WordCache() : null;

    public Vocabulary Vocabulary => vocabulary;

    public PairTable Merges => merges;

    public BpeOptions Options => options;

    public void Encode(string piece, List<int> ids)
    {
        if (options.IgnoreMerges && vocabulary.Find(piece) is >= 0 and var whole)
        {
            ids.Add(whole);
            return;
        }

        if (_cache is null)
            EncodeWord(piece, ids);
        else
            _cache.EncodeSpaced(piece, this, ids);
    }

    // Cutting at spaces is sound where no token reaches over one, and a word's ids do not depend on its neighbours.
    private static bool WordsAreApart(Vocabulary vocabulary, BpeOptions options) =>
        options.Prefix.Length + options.Suffix.Length == 0 && vocabulary.Find([SpacedWords.Space]) >= 0
        && vocabulary.Texts.All(text => SpacedWords.IsWithinOne(text));

    public void EncodeWord(ReadOnlySpan<char> piece, List<int> ids)
    {
        var symbols = ArrayPool<int>.Shared.Rent((3 * piece.Length) + 1);
        var count = Characters(piece, symbols);
        count = BpeMerger.Merge(symbols.AsSpan(0, count), merges);
        ids.AddRange(symbols.AsSpan(0, count));
        ArrayPool<int>.Shared.Return(symbols);
    }

    private int Characters(ReadOnlySpan<char> piece, int[] symbols)
    {
        var count = 0;
        var unknownBefore = false;
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0, width; i < piece.Length; i += width)
        {
            width = i + 1 < piece.Length && char.IsSurrogatePair(piece[i], piece[i + 1]) ? 2 : 1;
            var character = piece.Slice(i, width);
            var id = Find(character, i == 0, i + width == piece.Length);
            var isUnknown = false;
            if (id >= 0)
            {
                symbols[count++] = id;
            }
            else if (_byteIds is not null)
            {
                var length = Encoding.UTF8.GetBytes(character, bytes);
                foreach (var b in bytes[..length])
                    symbols[count++] = _byteIds[b];
            }
            else if (options.UnknownId >= 0)
            {
                isUnknown = true;
                if (!(unknownBefore && options.FuseUnknown))
                    symbols[count++] = options.UnknownId;
            }

            unknownBefore = isUnknown;
        }

        return count;
    }

    private int Find(ReadOnlySpan<char> character, bool isFirst, bool isLast)
    {
        var prefix = isFirst ? "" : options.Prefix;
        var suffix = isLast ? options.Suffix : "";
        return prefix.Length + suffix.Length == 0 ? vocabulary.Find(character) : vocabulary.Find(string.Concat(prefix, character, suffix));
    }

    /// <summary>Appends the byte tokens of a text's UTF-8.</summary>
    /// <param name="text">The text.</param>
    /// <param name="fallbackIds">See <see cref="FallbackIds"/>.</param>
    /// <param name="ids">Where to.</param>
    public static void AppendBytes(ReadOnlySpan<char> text, int[] fallbackIds, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var b in bytes[..rune.EncodeToUtf8(bytes)])
                ids.Add(fallbackIds[b]);
        }
    }

    /// <summary>Ids of the 256 byte tokens, or null where one is missing.</summary>
    public static int[]? FallbackIds(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (var b = 0; b < 256; b++)
        {
            ids[b] = vocabulary.Find($"<0x{b:X2}>");
            if (ids[b] < 0)
                return null;
        }

        return ids;
    }
}
