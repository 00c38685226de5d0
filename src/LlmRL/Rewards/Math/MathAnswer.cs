using System.Text.RegularExpressions;

namespace LlmRL.Rewards;

/// <summary>An answer as it was understood: mathematics, or else text.</summary>
internal abstract partial record MathAnswer
{
    /// <summary>Understands an answer; null for an empty one.</summary>
    public static MathAnswer? Parse(string text)
    {
        if (text.Length > MathText.MaxAnswer)
            return new TextAnswer(text);
        var clean = MathText.Clean(text);
        if (clean.Length == 0)
            return null;
        if (NumberWords.Value(MathText.Unwrap(text)) is { } counted)
            return new NodeAnswer(new NumberNode(counted));
        if (!IsWord(clean) && !IsPhrase(clean))
        {
            var node = clean.Contains("\\pm", StringComparison.Ordinal) ? PlusMinus(clean) : MathParser.Parse(clean);
            if (node is not null)
                return new NodeAnswer(node);
        }

        return new TextAnswer(MathText.Unwrap(text));
    }

    private static TupleNode? PlusMinus(string clean)
    {
        var plus = MathParser.Parse(clean.Replace("\\pm", "+", StringComparison.Ordinal));
        var minus = MathParser.Parse(clean.Replace("\\pm", "-", StringComparison.Ordinal));
        return plus is null || minus is null ? null : new TupleNode(' ', [plus, minus], ' ');
    }

    // "odd" is a word, not o·d·d.
    private static bool IsWord(string text) => text.Length >= 3 && text.All(c => char.IsAsciiLetter(c) || c == ' ')
        && text is not ("inf" or "infinity");

    // "so it is -7" is a phrase, not s·o·i·t·i·s − 7; but "sin ab" and "3 and ab" are not.
    private static bool IsPhrase(string text) => Words().Match(Quoted().Replace(text, " ")) is { Success: true } match
        && !MathParser.IsKnownWord(match.Groups[1].Value) && !MathParser.IsKnownWord(match.Groups[2].Value);

    [GeneratedRegex(@"\\text\{[^{}]*\}", RegexOptions.NonBacktracking)]
    private static partial Regex Quoted();

    [GeneratedRegex(@"(?<![\\a-zA-Z])([a-zA-Z]{2,}) +([a-zA-Z]{2,})(?![a-zA-Z])")]
    private static partial Regex Words();
}

internal sealed record TextAnswer(string Text) : MathAnswer
{
    /// <summary>Lower case, without punctuation, articles, LaTeX's commands and surplus white space.</summary>
    public string Normalized { get; } = Normalize(Text);

    private static string Normalize(string text)
    {
        text = text.ToLowerInvariant().Replace("\\text", " ", StringComparison.Ordinal).Replace("\\mathrm", " ", StringComparison.Ordinal);
        var words = new string([.. text.Select(c => char.IsLetterOrDigit(c) || "+-*/^=<>_\\|".Contains(c) ? c : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Where(word => word is not ("the" or "a" or "an")));
    }
}

internal sealed record NodeAnswer(MathNode Node) : MathAnswer;
