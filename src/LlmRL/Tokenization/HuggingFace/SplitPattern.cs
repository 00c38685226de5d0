using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>What a <c>pattern</c> in <c>tokenizer.json</c> finds: a literal string, or a regular expression of the Oniguruma dialect.</summary>
internal sealed class SplitPattern
{
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(10);

    private readonly string? _literal;
    private readonly Regex? _regex;

    private SplitPattern(string? literal, Regex? regex, Scanner? scanner)
    {
        _literal = literal;
        _regex = regex;
        Scanner = scanner;
    }

    /// <summary>The hand-written form, where the expression is a known one.</summary>
    public Scanner? Scanner { get; }

    public static SplitPattern ForLiteral(string text) => new(text, null, null);

    public static SplitPattern ForRegex(string pattern) =>
        Scanner.ForPattern(pattern) is { } scanner
            ? new SplitPattern(null, null, scanner)
            : new SplitPattern(null, new Regex(OnigurumaPattern.Rewrite(pattern), RegexOptions.CultureInvariant, MatchTimeout), null);

    public static SplitPattern Parse(LocatedJson value)
    {
        if (value["String"] is { IsAbsent: false } literal)
            return ForLiteral(literal.Text);
        var regex = value["Regex"];
        try
        {
            return ForRegex(regex.Text);
        }
        catch (Exception fault) when (fault is ArgumentException or InsufficientExecutionStackException)
        {
            throw regex.Error($"the pattern {regex.Text} is not supported: {fault.Message}; no remedy but to convert the tokenizer");
        }
    }

    /// <summary>The non-empty matches in order, as (start, end).</summary>
    public List<(int Start, int End)> Matches(string text)
    {
        var result = new List<(int, int)>();
        if (Scanner is not null)
        {
            for (var start = 0; start < text.Length;)
            {
                var end = Scanner.End(text, start);
                result.Add((start, end));
                start = end;
            }
        }
        else if (_literal is not null)
        {
            if (_literal.Length == 0)
                return result;
            for (var at = 0; (at = text.IndexOf(_literal, at, StringComparison.Ordinal)) >= 0; at += _literal.Length)
                result.Add((at, at + _literal.Length));
        }
        else
        {
            AddRegexMatches(text, result);
        }

        return result;
    }

    /// <summary>Replaces each match.</summary>
    public string Replace(string text, string content)
    {
        if (_literal is { Length: > 0 })
            return text.Replace(_literal, content, StringComparison.Ordinal);
        var result = new StringBuilder(text.Length);
        var position = 0;
        foreach (var (start, end) in Matches(text))
        {
            result.Append(text, position, start - position).Append(content);
            position = end;
        }

        return result.Append(text, position, text.Length - position).ToString();
    }

    private void AddRegexMatches(string text, List<(int Start, int End)> result)
    {
        var starts = CodePoints.Map(text, out var mapped);
        try
        {
            foreach (var match in _regex!.EnumerateMatches(mapped))
            {
                if (match.Length > 0)
                    result.Add(starts is null ? (match.Index, match.Index + match.Length) : (starts[match.Index], starts[match.Index + match.Length]));
            }
        }
        catch (RegexMatchTimeoutException fault)
        {
            throw new BadInputException($"the tokenizer's pattern {_regex} takes more than {MatchTimeout.TotalSeconds:F0} s at one place of the text: "
                + "it backtracks without end; no remedy but another tokenizer", fault);
        }
    }

    /// <summary>
    /// .NET's expressions see UTF-16 units, Oniguruma's see code points. Code points above the basic plane are therefore shown to the expression
    /// as one basic-plane character of the same general category.
    /// </summary>
    private static class CodePoints
    {
        private static readonly char[] Proxies = BuildProxies();

        /// <summary>The start of each code point (and the text's length at the end), or null where nothing needed a proxy.</summary>
        public static int[]? Map(string text, out string mapped)
        {
            mapped = text;
            if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
                return null;
            var starts = new List<int>(text.Length + 1);
            var units = new StringBuilder(text.Length);
            for (var i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1)
            {
                starts.Add(i);
                units.Append(char.IsSurrogatePair(text, i) ? ProxyOf(char.ConvertToUtf32(text, i)) : text[i]);
            }

            starts.Add(text.Length);
            mapped = units.ToString();
            return [.. starts];
        }

        private static char ProxyOf(int point)
        {
            var category = CharUnicodeInfo.GetUnicodeCategory(point);
            return category == UnicodeCategory.OtherSymbol && CharClasses.IsWord(CharClasses.Of(point)) ? 'ⓐ' : Proxies[(int)category];
        }

        // The last character of each category is the least likely to be named by a pattern.
        private static char[] BuildProxies()
        {
            var proxies = new char[30];
            for (var c = 0; c <= char.MaxValue; c++)
                proxies[(int)CharUnicodeInfo.GetUnicodeCategory((char)c)] = (char)c;
            return proxies;
        }
    }
}
