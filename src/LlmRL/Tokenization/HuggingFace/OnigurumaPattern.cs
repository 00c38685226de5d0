using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>
/// Rewrites what Oniguruma and .NET understand differently: the possessive <c>X++</c> becomes the atomic group <c>(?&gt;X+)</c>, and <c>\w</c> names
/// all marks, letter numbers and circled letters.
/// </summary>
internal static class OnigurumaPattern
{
    // Circled letters are the alphabetic symbols of the basic plane. Latin-1's superscripts and fractions are word characters to Oniguruma, and
    // yet members of a negated class that excludes them.
    private const string Latin1Numbers = @"\u00B2\u00B3\u00B9\u00BC-\u00BE";

    private const string WordMembers = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9";

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

            output.Append(Respell(pattern[start..i]));
            i = CopyQuantifier(pattern, i, output, atom);
        }

        return output.ToString();
    }

    // An atom is one character, an escape or a whole class.
    private static string Respell(string atom) => atom switch
    {
        @"\w" => $"[{WordMembers}{Latin1Numbers}]",
        @"\W" => $"[^{WordMembers}]",
        ['[', ..] => RespellClass(atom),
        _ => atom,
    };

    private static string RespellClass(string atom)
    {
        var output = new StringBuilder(atom.Length);
        for (var i = 0; i < atom.Length; i++)
        {
            if (atom[i] != '\\' || i + 1 == atom.Length)
            {
                output.Append(atom[i]);
                continue;
            }

            i++;
            if (atom[i] == 'w')
                output.Append(WordMembers).Append(atom[1] == '^' ? "" : Latin1Numbers);
            else
                output.Append('\\').Append(atom[i]);
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
