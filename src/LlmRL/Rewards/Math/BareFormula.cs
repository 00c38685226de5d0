namespace LlmRL.Rewards;

/// <summary>LaTeX that stands in a sentence without delimiters: "the result is \frac{1}{2}".</summary>
internal static class BareFormula
{
    // A formula of an answer has no more words, and each try costs a parse.
    private const int MaxWords = 12;
    private const int MaxLength = 200;

    /// <summary>The longest formula with a LaTeX command that ends the text; null where there is none.</summary>
    public static string? Last(string text)
    {
        text = text.TrimEnd('.', ' ', '!', '*', '\n');
        var words = text[Math.Max(text.LastIndexOf('\n') + 1, text.Length - MaxLength)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var start = words.Length;
        while (start > 0 && words.Length - start < MaxWords && !IsProse(words[start - 1]))
            start--;
        for (; start < words.Length; start++)
        {
            if (Formula(words[start..]) is { } formula)
                return formula;
        }

        return null;
    }

    /// <summary>The longest formula with a LaTeX command that begins the line; null where there is none.</summary>
    public static string? First(string line)
    {
        var words = line[..Math.Min(line.Length, MaxLength)].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var end = 0;
        while (end < Math.Min(words.Length, MaxWords) && !IsProse(words[end]))
            end++;
        for (; end > 0; end--)
        {
            if (Formula(words[..end]) is { } formula)
                return formula;
        }

        return null;
    }

    private static string? Formula(string[] words)
    {
        var text = string.Join(' ', words).TrimEnd(',', ';', '.');
        return text.Contains('\\') && AnswerExtractor.IsMath(text) ? text : null;
    }

    private static bool IsProse(string word)
    {
        var bare = word.Trim(',', '.', ':', ';', '*', '!', '?', '\'', '"');
        return bare is "a" or "I" || (bare.Length > 1 && bare.All(char.IsLetter) && !MathParser.IsKnownWord(bare));
    }
}
