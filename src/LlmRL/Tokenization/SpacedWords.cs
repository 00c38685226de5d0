namespace LlmRL.Tokenization;

/// <summary>Words that begin with SentencePiece's visible space.</summary>
internal static class SpacedWords
{
    /// <summary>U+2581, which stands for a space.</summary>
    public const char Space = '\u2581';

    /// <summary>The end of the word that starts at a place: its leading spaces, then everything up to the next space.</summary>
    public static int End(ReadOnlySpan<char> text, int start)
    {
        var rest = text[start..];
        var letters = rest.IndexOfAnyExcept(Space);
        if (letters < 0)
            return text.Length;
        var next = rest[letters..].IndexOf(Space);
        return next < 0 ? text.Length : start + letters + next;
    }

    /// <summary>Whether a token lies within one word: where all do, nothing ever merges across the start of a word.</summary>
    public static bool IsWithinOne(ReadOnlySpan<char> token) => End(token, 0) == token.Length;
}
