using System.Buffers;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>A part of a text on its way to the model.</summary>
/// <param name="Text">The part.</param>
/// <param name="IsFirst">Whether it begins where the whole text begins.</param>
internal readonly record struct Piece(string Text, bool IsFirst);

/// <summary>Cuts pieces into smaller ones, and may respell them.</summary>
internal interface IPreTokenizer
{
    void Split(Piece piece, List<Piece> output);
}

/// <summary>Which side a match of a split pattern goes to.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>One after the other.</summary>
internal sealed class SequencePreTokenizer(IPreTokenizer[] steps) : IPreTokenizer
{
    public IPreTokenizer[] Steps => steps;

    public void Split(Piece piece, List<Piece> output)
    {
        List<Piece> current = [piece], next = [];
        foreach (var step in steps)
        {
            next.Clear();
            foreach (var part in current)
                step.Split(part, next);
            (current, next) = (next, current);
        }

        output.AddRange(current);
    }
}

/// <summary>Splits at a pattern's matches, or, inverted, at what lies between them.</summary>
internal sealed class SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool invert) : IPreTokenizer
{
    public SplitPattern Pattern => pattern;

    /// <summary>Whether a pattern whose matches cover the text makes each match a piece.</summary>
    public bool KeepsMatches => invert ? behavior == SplitBehavior.Removed : behavior == SplitBehavior.Isolated;

    public void Split(Piece piece, List<Piece> output) => Splitting.Cut(piece, pattern.Matches(piece.Text), behavior, invert, output);
}

/// <summary>Splits at code points that satisfy a condition.</summary>
internal sealed class ClassPreTokenizer(Func<CharClass, bool> condition, SplitBehavior behavior) : IPreTokenizer
{
    public static ClassPreTokenizer Whitespace => new(c => (c & CharClass.Space) != 0, SplitBehavior.Removed);

    public static ClassPreTokenizer Punctuation(SplitBehavior behavior) => new(c => (c & CharClass.Punctuation) != 0, behavior);

    public static ClassPreTokenizer Digits(bool individual) =>
        new(c => (c & CharClass.Number) != 0, individual ? SplitBehavior.Isolated : SplitBehavior.Contiguous);

    public void Split(Piece piece, List<Piece> output)
    {
        var matches = new List<(int, int)>();
        for (var i = 0; i < piece.Text.Length;)
        {
            if (condition(CharClasses.At(piece.Text, i, out var length)))
                matches.Add((i, i + length));
            i += length;
        }

        Splitting.Cut(piece, matches, behavior, invert: false, output);
    }
}

/// <summary>Hugging Face's <c>Whitespace</c>: runs of \w, runs of what is neither \w nor space.</summary>
internal sealed class WordPreTokenizer : IPreTokenizer
{
    public void Split(Piece piece, List<Piece> output)
    {
        var text = piece.Text;
        for (var i = 0; i < text.Length;)
        {
            var kind = Kind(CharClasses.At(text, i, out var length));
            var start = i;
            i += length;
            while (i < text.Length && Kind(CharClasses.At(text, i, out length)) == kind)
                i += length;
            if (kind != 0)
                output.Add(new Piece(text[start..i], piece.IsFirst && start == 0));
        }
    }

    private static int Kind(CharClass c) => CharClasses.IsWord(c) ? 1 : (c & CharClass.Space) != 0 ? 0 : 2;
}

/// <summary>SentencePiece's way with spaces: they become a visible character that begins a word.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : IPreTokenizer
{
    public void Split(Piece piece, List<Piece> output)
    {
        var text = piece.Text.Replace(' ', replacement);
        if (!text.StartsWith(replacement) && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.IsFirst)))
            text = replacement + text;
        if (!split)
        {
            output.Add(piece with { Text = text });
            return;
        }

        var matches = SplitPattern.ForLiteral(replacement.ToString()).Matches(text);
        Splitting.Cut(piece with { Text = text }, matches, SplitBehavior.MergedWithNext, invert: false, output);
    }
}

/// <summary>When <see cref="MetaspacePreTokenizer"/> puts a space before the text.</summary>
internal enum PrependScheme
{
    Always,
    First,
    Never,
}

/// <summary>Spells UTF-8 bytes in <see cref="ByteAlphabet"/>, after GPT-2's split where that is wanted.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : IPreTokenizer
{
    public bool AddPrefixSpace => addPrefixSpace;

    public bool UseRegex => useRegex;

    public void Split(Piece piece, List<Piece> output)
    {
        var text = addPrefixSpace && !piece.Text.StartsWith(' ') ? " " + piece.Text : piece.Text;
        if (!useRegex)
        {
            output.Add(piece with { Text = ByteLevel.Spell(text) });
            return;
        }

        for (var start = 0; start < text.Length;)
        {
            var end = Gpt2Scanner.Instance.End(text, start);
            output.Add(new Piece(ByteLevel.Spell(text.AsSpan(start, end - start)), piece.IsFirst && start == 0));
            start = end;
        }
    }
}

/// <summary>Text in the byte alphabet.</summary>
internal static class ByteLevel
{
    public static string Spell(ReadOnlySpan<char> text)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(System.Text.Encoding.UTF8.GetMaxByteCount(text.Length));
        var count = System.Text.Encoding.UTF8.GetBytes(text, bytes);
        var spelt = ByteAlphabet.Spell(bytes.AsSpan(0, count));
        ArrayPool<byte>.Shared.Return(bytes);
        return spelt;
    }
}

/// <summary>The five behaviours of a split.</summary>
internal static class Splitting
{
    public static void Cut(Piece piece, List<(int Start, int End)> matches, SplitBehavior behavior, bool invert, List<Piece> output)
    {
        var parts = Cover(piece.Text.Length, matches, invert);
        var merged = new List<(int Start, int End)>(parts.Count);
        var previousIsMatch = false;
        foreach (var (start, end, isMatch) in parts)
        {
            if (isMatch && behavior == SplitBehavior.Removed)
                continue;
            var joins = behavior switch
            {
                SplitBehavior.MergedWithPrevious => isMatch && !previousIsMatch,
                SplitBehavior.MergedWithNext => !isMatch && previousIsMatch,
                SplitBehavior.Contiguous => isMatch == previousIsMatch,
                _ => false,
            };
            if (joins && merged.Count > 0)
                merged[^1] = (merged[^1].Start, end);
            else
                merged.Add((start, end));
            previousIsMatch = isMatch;
        }

        foreach (var (start, end) in merged)
            output.Add(new Piece(piece.Text[start..end], piece.IsFirst && start == 0));
    }

    private static List<(int Start, int End, bool IsMatch)> Cover(int length, List<(int Start, int End)> matches, bool invert)
    {
        var parts = new List<(int, int, bool)>(2 * matches.Count + 1);
        var position = 0;
        foreach (var (start, end) in matches)
        {
            if (start > position)
                parts.Add((position, start, invert));
            parts.Add((start, end, !invert));
            position = end;
        }

        if (position < length)
            parts.Add((position, length, invert));
        return parts;
    }
}
