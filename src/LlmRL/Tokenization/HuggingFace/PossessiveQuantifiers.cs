using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Rewrites possessive quantifiers, which .NET lacks: <c>X++</c> becomes the atomic group <c>(?&gt;X+)</c>.</summary>
internal static class PossessiveQuantifiers
{
    public static string Rewrite(string pattern)
    {
        var output = new StringBuilder(pattern.Length);
        var groups = new Stack<int>();
        var atom = 0;
        for (var i = 0; i < pattern.Length;)
        {
            var start = i;
            switch (pattern[i])
            {
                case '(':
                    groups.Push(output.Length);
                    output.Append('(');
                    i++;
                    continue;
                case ')':
                    atom = groups.Count > 0 ? groups.Pop() : output.Length;
                    i++;
                    break;
                case '[':
                    atom = output.Length;
                    i = ClassEnd(pattern, i);
                    break;
                case '\\':
                    atom = output.Length;
                    i = EscapeEnd(pattern, i);
                    break;
                default:
                    atom = output.Length;
                    i++;
                    break;
            }

            output.Append(pattern, start, i - start);
            i = CopyQuantifier(pattern, i, output, atom);
        }

        return output.ToString();
    }

    private static int CopyQuantifier(string pattern, int start, StringBuilder output, int atom)
    {
        var end = QuantifierEnd(pattern, start);
        output.Append(pattern, start, end - start);
        // In Oniguruma's Ruby syntax {n,m}+ repeats the quantified atom; only ?, * and + have possessive forms.
        if (end == start || end >= pattern.Length || pattern[end] != '+')
            return end;
        var isInterval = pattern[start] == '{';
        output.Insert(atom, isInterval ? "(?:" : "(?>").Append(isInterval ? ")+" : ")");
        return end + 1;
    }

    private static int QuantifierEnd(string pattern, int start)
    {
        if (start >= pattern.Length)
            return start;
        if (pattern[start] is '?' or '*' or '+')
            return start + 1;
        if (pattern[start] != '{')
            return start;
        var close = pattern.IndexOf('}', start);
        return close > start + 1 && pattern.AsSpan(start + 1, close - start - 1).IndexOfAnyExcept("0123456789,") < 0 ? close + 1 : start;
    }

    private static int EscapeEnd(string pattern, int start)
    {
        if (start + 2 < pattern.Length && pattern[start + 1] is 'p' or 'P' or 'x' && pattern[start + 2] == '{')
            return pattern.IndexOf('}', start) is >= 0 and var close ? close + 1 : pattern.Length;
        return Math.Min(start + 2, pattern.Length);
    }

    private static int ClassEnd(string pattern, int start)
    {
        var i = start + 1;
        if (i < pattern.Length && pattern[i] == '^')
            i++;
        if (i < pattern.Length && pattern[i] == ']')
            i++;
        while (i < pattern.Length && pattern[i] != ']')
            i += pattern[i] == '\\' ? 2 : 1;
        return Math.Min(i + 1, pattern.Length);
    }
}
