namespace LlmRL.Rewards;

/// <summary>Numbers written as words: <c>seven</c>, <c>twenty-one</c>, <c>one half</c>.</summary>
internal static class NumberWords
{
    private static readonly string[] Small =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
        "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] Tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    private static readonly string[] Parts = ["half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

    /// <summary>The number below a hundred, or the fraction, that a text names as a whole; else null.</summary>
    public static Rational? Value(string text)
    {
        if (text.Length is < 3 or > 30)
            return null;
        var words = text.ToLowerInvariant().Split([' ', '-', '~'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is 0 or > 2)
            return null;
        var first = Whole(words[0]);
        if (words.Length == 1)
            return first;
        if (first is { } tens && tens >= 20 && Whole(words[1]) is > 0 and < 10 and var unit)
            return tens + unit;
        var part = Array.IndexOf(Parts, words[1].TrimEnd('s') == "halve" ? "half" : words[1].TrimEnd('s'));
        return part >= 0 && (first ?? (words[0] == "a" ? 1 : null)) is { } count ? Rational.Of(count, part + 2) : null;
    }

    private static int? Whole(string word) => Array.IndexOf(Small, word) is >= 0 and var small ? small
        : Array.IndexOf(Tens, word) is >= 0 and var tens ? 10 * (tens + 2) : null;
}
