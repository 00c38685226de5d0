using System.Text.RegularExpressions;

namespace LlmRL.Rewards;

/// <summary>Finds the final answer in a solution. All patterns are linear in the text's length, and only the text's end is read.</summary>
internal static partial class AnswerExtractor
{
    // A model that goes on longer than this after its answer has not given one.
    private const int MaxText = 20_000;

    // Boxes this close to each other are one answer in several parts: \boxed{1}, \boxed{2} and \boxed{3}.
    private const int MaxGap = 20;

    // Longer boxes are compared letter by letter.
    private const int MaxRepeat = 100;

    private static readonly string[] BoxCommands = ["\\boxed", "\\fbox", "\\framebox"];

    /// <summary>The part of a text that is its final answer, as written; null where there is none.</summary>
    /// <param name="text">A solution, or an answer alone.</param>
    /// <param name="place">Where it may stand.</param>
    /// <param name="formulasOnly">Only formulas count, those within a line, not numbers in plain text.</param>
    public static string? Extract(string text, AnswerPlace place, bool formulasOnly = false)
    {
        text = Conclusion(text, out var tagged);
        if (Boxed(text) is { } boxed)
            return boxed;
        if (place == AnswerPlace.Boxed)
            return null;
        if (Marked(text) is { } marked)
            return marked;
        if (text.Length == 0 || (place == AnswerPlace.Marked && !tagged))
            return null;
        if (IsWhole(text))
            return text;
        return Stated(text, formulasOnly) ?? (formulasOnly ? LastFormula(text) : Last(text));
    }

    /// <summary>The letter of a gold answer to a multiple-choice question: <c>C</c>, <c>(C)</c>, <c>(C) Cecile</c>; null for other golds.</summary>
    public static char? GoldChoice(string gold)
    {
        if (gold.Length > MathText.MaxAnswer)
            return null;
        var match = GoldLetter().Match(Boxed(gold) is { } boxed ? boxed : MathText.Unwrap(gold));
        return match.Success ? match.Groups["letter"].ValueSpan[0] : null;
    }

    /// <summary>The letter of a multiple-choice answer; null where the text names none.</summary>
    public static char? Choice(string text)
    {
        text = Conclusion(text, out _);
        if (Boxed(text) is { } boxed)
            text = boxed;
        // Several letters side by side are no choice.
        if (text.Length <= 60 && SeveralLetters().IsMatch(text))
            return null;
        var bare = MathText.Unwrap(text).Trim('(', ')', '.', ' ', '*');
        if (bare.Length == 1 && char.IsAsciiLetter(bare[0]))
            return char.ToUpperInvariant(bare[0]);
        var statement = LastMatch(AnswerWord(), text);
        var match = statement is null ? null : LetterWord().Match(text, statement.Index + statement.Length);
        if (match is not { Success: true })
            match = LastMatch(LetterWord(), text);
        return match is { Success: true } ? match.ValueSpan[0] : null;
    }

    private static string Conclusion(string text, out bool tagged)
    {
        if (text.Length > MaxText)
            text = text[^MaxText..];
        var thought = text.LastIndexOf("</think>", StringComparison.Ordinal);
        if (thought >= 0)
            text = text[(thought + "</think>".Length)..];
        var close = text.LastIndexOf("</answer>", StringComparison.Ordinal);
        var open = text.LastIndexOf("<answer>", close < 0 ? Math.Max(0, text.Length - 1) : close, StringComparison.Ordinal);
        tagged = open >= 0;
        if (tagged)
            text = text[(open + "<answer>".Length)..(close > open ? close : text.Length)];
        return MathText.SingleBackslashes(text).Trim();
    }

    private static string? Boxed(string text)
    {
        var parts = new List<string>();
        var next = text.Length;
        for (var end = text.Length; end > 0;)
        {
            var at = text.LastIndexOf("box", end - 1, StringComparison.Ordinal);
            if (at < 0)
                break;
            end = at;
            if (BoxCommand(text, at) is not { } command)
                continue;
            at -= command.IndexOf("box", StringComparison.Ordinal);
            // A box around one already found adds nothing.
            if (Braced(text, at + command.Length) is not var (content, after) || (parts.Count > 0 && after > next))
                continue;
            if (parts.Count > 0 && Spacing().Replace(text[after..next], " ").Trim().Length > MaxGap)
                break;
            if (parts.Count == 0 || !Repeats(parts[0], content))
                parts.Insert(0, content);
            next = at;
            if (parts.Count == 32)
                break;
        }

        return parts.Count switch
        {
            0 => null,
            1 => parts[0],
            _ => string.Join(" , ", parts),
        };
    }

    // The command around the word "box" at a position.
    private static string? BoxCommand(string text, int at)
    {
        foreach (var name in BoxCommands)
        {
            var start = at - name.IndexOf("box", StringComparison.Ordinal);
            if (start >= 0 && string.CompareOrdinal(text, start, name, 0, name.Length) == 0)
                return name;
        }

        return null;
    }

    private static bool Repeats(string part, string content) => part == content
        || (part.Length + content.Length <= MaxRepeat && MathVerifier.Equal(part, content));

    private static (string Content, int After)? Braced(string text, int at)
    {
        while (at < text.Length && text[at] == ' ')
            at++;
        if (at >= text.Length)
            return null;
        if (text[at] != '{')
            return (text[at..(at + 1)], at + 1);
        var depth = 0;
        for (var i = at; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '{')
                depth++;
            else if (text[i] == '}' && --depth == 0)
                return (text[(at + 1)..i].Trim(), i + 1);
        }

        return (text[(at + 1)..].Trim().TrimEnd('$'), text.Length);
    }

    private static string? Marked(string text)
    {
        var at = text.LastIndexOf("####", StringComparison.Ordinal);
        if (at < 0)
            return null;
        var line = text.AsSpan(at + 4);
        var end = line.IndexOf('\n');
        return (end < 0 ? line : line[..end]).Trim().ToString() is { Length: > 0 } answer ? answer : null;
    }

    // An answer alone, not a sentence about it.
    private static bool IsWhole(string text) => IsFormula(text) || (text.Length <= MathText.MaxAnswer && !text.Contains('\n')
        && (IsMath(text) || (MathUnits.Split(text) is (var bare, not null) && IsMath(bare))));

    internal static bool IsMath(string text) => MathAnswer.Parse(text) is NodeAnswer;

    private static bool IsFormula(string text) =>
        MathSpan().Match(text) is { Success: true, Index: 0 } span && span.Length == text.Length && !text.Contains('\n');

    private static string? Stated(string text, bool formulasOnly)
    {
        var match = LastMatch(AnswerIs(), text);
        if (match is null)
            return null;
        var rest = text[(match.Index + match.Length)..].TrimStart(' ', ':', '*', '\n');
        if (rest.Length == 0)
            return null;
        if (MathSpan().Match(rest) is { Success: true, Index: < 12 } span && !(formulasOnly && span.ValueSpan.Contains('\n')))
            return Inside(span.Value);
        if (formulasOnly)
            return null;
        var end = rest.AsSpan().IndexOfAny('\n', '\r');
        var line = end < 0 ? rest : rest[..end];
        var stop = line.IndexOf(". ", StringComparison.Ordinal);
        line = (stop < 0 ? line : line[..stop]).TrimEnd('.', ' ', '!', '*');
        if (IsWhole(line))
            return line;
        if (BareFormula.First(line) is { } formula)
            return formula;
        return NumberText().Match(rest) is { Success: true } number && number.Index < line.Length ? number.Value : line;
    }

    private static string Last(string text)
    {
        var span = LastMatch(MathSpan(), text);
        var number = LastMatch(NumberText(), text);
        if (span is not null && (number is null || number.Index < span.Index + span.Length) && IsMath(Inside(span.Value)))
            return Inside(span.Value);
        if (BareFormula.Last(text) is { } formula)
            return formula;
        if (number is null)
            return text;
        // In "pages 3-5" and "x-2" the hyphen is no sign.
        var signed = number.ValueSpan[0] is '-' or '+' or '−';
        var before = number.Index > 0 ? text[number.Index - 1] : ' ';
        return signed && (char.IsLetterOrDigit(before) || before == ')') ? number.Value[1..] : number.Value;
    }

    private static string? LastFormula(string text) =>
        LastMatch(MathSpan(), text) is { } span && !span.ValueSpan.Contains('\n') ? Inside(span.Value) : null;

    private static string Inside(string span) => MathText.Unwrap(span);

    private static Match? LastMatch(Regex pattern, string text)
    {
        Match? last = null;
        for (var match = pattern.Match(text); match.Success; match = match.NextMatch())
            last = match;
        return last;
    }

    [GeneratedRegex(@"^(\((?<letter>[A-J])\)( .*)?|(?<letter>[A-J])[.:]?( [A-Z][a-z]+)?|.*\banswer is:?\s(?<letter>[A-J])\b.*)$")]
    private static partial Regex GoldLetter();

    [GeneratedRegex(@"\banswer\b", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex AnswerWord();

    [GeneratedRegex(@"\\q?quad|\\text|[{}\s]+", RegexOptions.NonBacktracking)]
    private static partial Regex Spacing();

    [GeneratedRegex(@"^\W*[A-J](\W+((or|and)\W+)?[A-J])+\W*$", RegexOptions.NonBacktracking)]
    private static partial Regex SeveralLetters();

    [GeneratedRegex(@"\b[A-J]\b", RegexOptions.None)]
    private static partial Regex LetterWord();

    [GeneratedRegex(@"\banswer\b[ *]{0,4}(is\b|:|=)|^A:", RegexOptions.IgnoreCase | RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex AnswerIs();

    // $$…$$, \[…\], \(…\), $…$ with \$ inside allowed; none of them holds an unescaped delimiter of its own kind.
    [GeneratedRegex(@"\$\$([^$\\]|\\[\s\S])+\$\$|\\\[([^\\]|\\[^\]])+\\\]|\\\(([^\\]|\\[^)])+\\\)|\$([^$\\\n]|\\[^\n])+\$", RegexOptions.NonBacktracking)]
    private static partial Regex MathSpan();

    // 1,234.5  -3/4  +7  .5  1.5e3  12 1/2  with separators only between full groups of three.
    [GeneratedRegex(@"[-+−]?(\d{1,3}((,\d{3})+|('\d{3})+|(\.\d{3}){2,})(\.\d+)?|\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?( \d+/\d+| ?/ ?\d+(\.\d+)?)?", RegexOptions.NonBacktracking)]
    private static partial Regex NumberText();
}
