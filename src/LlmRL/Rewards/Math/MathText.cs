using System.Text;
using System.Text.RegularExpressions;

namespace LlmRL.Rewards;

/// <summary>Rewrites an answer's LaTeX or plain text to the few forms that <see cref="MathParser"/> reads.</summary>
internal static partial class MathText
{
    /// <summary>Longer answers are compared as text only.</summary>
    public const int MaxAnswer = 2_000;

    private static readonly (string From, string To)[] Replacements =
    [
        ("−", "-"), ("–", "-"), ("×", "\\times "), ("÷", "/"), ("·", "\\cdot "), ("π", "\\pi "), ("√", "\\sqrt "), ("∞", "\\infty "), ("≤", "\\le "),
        ("≥", "\\ge "), ("≠", "\\ne "), ("∪", "\\cup "), ("∈", "\\in "),
        ("½", "\\frac12 "), ("¼", "\\frac14 "), ("¾", "\\frac34 "), ("⅓", "\\frac13 "), ("⅔", "\\frac23 "), ("⅕", "\\frac15 "), ("⅛", "\\frac18 "), ("⁄", "/"), ("∕", "/"),
        ("∅", "\\emptyset "), ("∩", "\\cap "), ("⋅", "\\cdot "), ("∗", "*"), ("∶", ":"), ("\\lbrace", "\\{"), ("\\rbrace", "\\}"), ("\\langle", "("), ("\\rangle", ")"),
        ("⟨", "("), ("⟩", ")"), ("\\pounds", ""), ("\\euro", ""), ("≈", "\\approx "), ("θ", "\\theta "), ("α", "\\alpha "),
        ("β", "\\beta "), ("λ", "\\lambda "), ("φ", "\\phi "), ("∖", "\\setminus "), ("\\backslash", "\\setminus "), ("ℝ", "(-\\infty,\\infty)"),
        ("°", ""), ("£", ""), ("€", ""), ("¥", ""), ("’", "'"), ("\u00a0", " "), ("，", ","), ("（", "("), ("）", ")"),
        ("<=", "\\le "), (">=", "\\ge "), (",\\!", ""), ("\\!", ""), ("\\,", " "), ("\\;", " "), ("\\:", " "), ("±", "\\pm "),
        ("~", " "), ("\\$", ""), ("$", " "), ("\\%", " "), ("%", " "), ("**", "^"), ("\n", " "), ("^\\circ", ""), ("^{\\circ}", ""), ("^{\\degree}", ""), ("^\\degree", ""),
    ];

    private static readonly HashSet<string> Dropped =
    [
        "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "displaystyle", "textstyle", "limits",
        "degree", "quad", "qquad", "phantom", "mathstrut",
    ];

    private static readonly HashSet<string> TextCommands =
    [
        "text", "mbox", "textbf", "textit", "textrm", "textnormal", "mathrm", "mathbf", "mathit", "mathsf", "operatorname", "rm", "bf", "hbox",
        "boldsymbol", "mathbb",
    ];

    private static readonly (string Open, string Close)[] Wrappers =
    [
        ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("\\boxed{", "}"), ("\\text{", "}"), ("\\mathrm{", "}"), ("\\textbf{", "}"),
        ("\\mathbf{", "}"),
    ];

    /// <summary>Turns <c>\\frac</c>, as a text escaped once too often has it, into <c>\frac</c>; rows of a matrix keep their separators.</summary>
    public static string SingleBackslashes(string text) =>
        text.Contains("\\\\") && !text.Contains("\\begin") ? DoubledCommand().Replace(text, "\\") : text;

    /// <summary>Removes what surrounds an answer: math delimiters, a box, emphasis, closing punctuation.</summary>
    public static string Unwrap(string text)
    {
        text = text.Trim();
        for (var rounds = 0; rounds < 8; rounds++)
        {
            var before = text;
            foreach (var (open, close) in Wrappers)
            {
                if (Encloses(text, open, close))
                    text = text[open.Length..^close.Length].Trim();
            }

            text = text.TrimEnd('.', ',', ';', ' ', '\n');
            if (text.Length > 1 && text[^1] == '!' && char.IsAsciiLetter(text[^2]))
                text = text[..^1];
            if (text.EndsWith('\\') && !text.EndsWith("\\\\", StringComparison.Ordinal))
                text = text[..^1];
            if (text == before)
                break;
        }

        return text;
    }

    /// <summary>The answer with one spelling for each construct; words stay, in <c>\text{…}</c>.</summary>
    public static string Clean(string text)
    {
        // A trailing … is part of the number, not punctuation.
        text = text.Replace("…", "...", StringComparison.Ordinal).Replace("\\ldots", "...", StringComparison.Ordinal).Replace("\\dots", "...", StringComparison.Ordinal);
        text = Unwrap(SingleBackslashes(Ellipsis().Replace(text, ".${start}\\overline{${digit}}")));
        text = NumberWord().Replace(text, match => match.Groups["digit"].Value + match.Groups["word"].Value switch
        {
            "hundred" => "\\cdot 100",
            "thousand" => "\\cdot 1000",
            "million" => "\\cdot 1000000",
            _ => "\\cdot 1000000000",
        });
        text = BracedComma().Replace(text, "");
        text = Reals().Replace(text, "(-\\infty,\\infty)");
        text = Superscripts().Replace(text, match => "^{" + string.Concat(match.Value.Select(c => "-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".IndexOf(c)])) + "}");
        foreach (var (from, to) in Replacements)
            text = text.Replace(from, to, StringComparison.Ordinal);
        text = SeparatedComma().Replace(Commands(text), ",");
        text = Repeated(TimesTen().Replace(UnionLetter().Replace(text, "\\cup "), "\\times "));
        text = OtherGroups().Replace(text, match => string.Concat(match.Value.Where(char.IsAsciiDigit)));
        return Thousands(text).Trim();
    }

    // 0.\dot{3}, 0.(3), 0.\bar{3} and 0.333... as 0.\overline{3}
    private static string Repeated(string text)
    {
        if (!text.Contains('.'))
            return text;
        text = Dotted().Replace(text, match => match.Groups["last"].Success
            ? $".{match.Groups["start"]}\\overline{{{match.Groups["first"]}{match.Groups["middle"]}{match.Groups["last"]}}}"
            : $".{match.Groups["start"]}\\overline{{{match.Groups["first"]}}}");
        return Period().Replace(text, ".${start}\\overline{${period}}");
    }

    /// <summary>A number of an answer in a notation of other countries, which alone it would not be read in: <c>3,5</c> as 3.5, <c>12,34,567</c> as 1234567; null for other answers.</summary>
    public static string? OtherNotation(string answer)
    {
        answer = Unwrap(answer);
        return DecimalComma().IsMatch(answer) ? answer.Replace(',', '.') : IndianGroups().IsMatch(answer) ? answer.Replace(",", "", StringComparison.Ordinal) : null;
    }

    private static bool Encloses(string text, string open, string close)
    {
        if (text.Length <= open.Length + close.Length || !text.StartsWith(open, StringComparison.Ordinal) || !text.EndsWith(close, StringComparison.Ordinal))
            return false;
        var inner = text.AsSpan(open.Length, text.Length - open.Length - close.Length);
        if (!open.EndsWith('{'))
            return inner.IndexOf(close, StringComparison.Ordinal) < 0 || inner.IndexOf("\\$", StringComparison.Ordinal) >= 0;
        var depth = 0;
        foreach (var c in inner)
        {
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (depth < 0)
                return false;
        }

        return depth == 0;
    }

    private static string Commands(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length || !char.IsAsciiLetter(text[i + 1]))
            {
                if (text.AsSpan(i).StartsWith("\\\\"))
                    result.Append(text[i++]);
                result.Append(text.AsSpan(i).StartsWith("\\ ") && (i == 0 || text[i - 1] != '\\') ? ' ' : text[i]);
                continue;
            }

            var end = i + 1;
            while (end < text.Length && char.IsAsciiLetter(text[end]))
                end++;
            var name = text[(i + 1)..end];
            if (name is "dfrac" or "tfrac" or "cfrac" or "nicefrac" or "sfrac" or "xfrac")
                result.Append("\\frac");
            else if (name is "dbinom" or "tbinom")
                result.Append("\\binom");
            else if (name is "bar")
                result.Append("\\overline");
            else if (name is "vec" or "hat" or "overrightarrow" || (name is "mathbf" or "boldsymbol" or "bm" && SingleLetter(text, end)))
                result.Append(' ');
            else if (TextCommands.Contains(name))
                result.Append("\\text");
            else if (name is "leq" or "leqslant")
                result.Append("\\le");
            else if (name is "geq" or "geqslant")
                result.Append("\\ge");
            else if (Dropped.Contains(name))
                result.Append(' ');
            else
                result.Append('\\').Append(name);
            i = end - 1;
        }

        return result.ToString();
    }

    // \mathbf{i} is a vector's name, \mathbf{A} an option's.
    private static bool SingleLetter(string text, int at) =>
        at + 2 < text.Length && text[at] == '{' && char.IsAsciiLetterLower(text[at + 1]) && text[at + 2] == '}';

    // 1,234,567 and 1 234 567 are numbers, but (1,234) is a pair and 32, 349 a list.
    private static string Thousands(string text) => ThousandsGroups().Replace(text, match =>
    {
        var depth = 0;
        foreach (var c in text.AsSpan(0, match.Index))
            depth += c is '(' or '[' ? 1 : c is ')' or ']' ? -1 : 0;
        if (match.ValueSpan[0] == '0')
            return match.Value.Replace(',', '.');
        return depth > 0 && match.Value.Contains(',') ? match.Value : match.Value.Replace(",", "").Replace(" ", "");
    });

    [GeneratedRegex(@"\\\\(?=[a-zA-Z])", RegexOptions.None)]
    private static partial Regex DoubledCommand();

    [GeneratedRegex(@"\s*\{\s*,\s*\}(\s*\\!)?\s*", RegexOptions.NonBacktracking)]
    private static partial Regex BracedComma();

    [GeneratedRegex(@"(?<digit>\d) ?(?<word>hundred|thousand|million|billion)\b")]
    private static partial Regex NumberWord();

    [GeneratedRegex(@"\\mathbb\s*\{?\s*R\s*\}?|\\(R|Reals|reals)\b|^(all )?(real numbers|reals)$")]
    private static partial Regex Reals();

    [GeneratedRegex("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")]
    private static partial Regex Superscripts();

    [GeneratedRegex(@"^-?\d{1,12},(\d{1,2}|\d{4,12})$")]
    private static partial Regex DecimalComma();

    [GeneratedRegex(@"^-?\d{1,2}(,\d{2})+,\d{3}$")]
    private static partial Regex IndianGroups();

    // 1.5 x 10^3
    [GeneratedRegex(@"(?<=\d ?)[xX](?= ?10 ?\^)")]
    private static partial Regex TimesTen();

    // (1, 2) U (3, 4)
    [GeneratedRegex(@"(?<=[)\]}] ?)[Uu](?= ?[(\[\\])")]
    private static partial Regex UnionLetter();

    // 1'234'567, 1_234_567 and 1.234.567
    [GeneratedRegex(@"(?<![\d.,'_])\d{1,3}(('\d{3})+|(_\d{3})+|(\.\d{3}){2,})(?![\d.,'_])")]
    private static partial Regex OtherGroups();

    [GeneratedRegex(@"\.(?<start>\d*)\\dot ?(\{(?<first>\d)\}|(?<first>\d))((?<middle>\d*)\\dot ?(\{(?<last>\d)\}|(?<last>\d)))?")]
    private static partial Regex Dotted();

    [GeneratedRegex(@"(?<=\d)\.(?<start>\d*?)(\((?<period>\d+)\)(?![\d(^/*]))")]
    private static partial Regex Period();

    [GeneratedRegex(@"(?<=\d)\.(?<start>\d{0,40}?)(?<digit>\d)\k<digit>{2,40} ?\.\.\.")]
    private static partial Regex Ellipsis();

    [GeneratedRegex(@",\s*,", RegexOptions.NonBacktracking)]
    private static partial Regex SeparatedComma();

    [GeneratedRegex(@"(?<![\d.,])\d{1,3}((,\d{3})+|( \d{3})+)(?![\d/])", RegexOptions.None)]
    private static partial Regex ThousandsGroups();
}
