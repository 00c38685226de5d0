using System.Text.RegularExpressions;

namespace LlmRL.Rewards;

/// <summary>The unit of an answer, under one name however it is spelt.</summary>
internal static partial class MathUnits
{
    // A unit stands at an answer's end; what is longer is a sentence.
    private const int MaxUnit = 60;

    private static readonly string[] Groups =
    [
        "m meter meters metre metres", "cm centimeter centimeters centimetre centimetres", "mm millimeter millimeters millimetre millimetres",
        "km kilometer kilometers kilometre kilometres", "in inch inches", "ft foot feet", "yd yard yards", "mi mile miles",
        "g gram grams", "kg kilogram kilograms", "mg milligram milligrams", "lb lbs pound pounds", "oz ounce ounces", "ton tons tonne tonnes",
        "s sec secs second seconds", "min mins minute minutes", "h hr hrs hour hours", "day days", "week weeks", "month months", "year years yr yrs",
        "l liter liters litre litres", "ml milliliter milliliters", "gal gallon gallons", "quart quarts", "pint pints", "cup cups",
        "mph mi/h mile/hour miles/hour miles/hr", "km/h kmh kph kilometers/hour", "m/s meters/second", "m/s^2 m/s^{2}", "ft/s feet/second",
        "dollar dollars usd bucks $", "cent cents ¢", "euro euros eur €", "yen ¥", "gbp £", "degree degrees deg °", "rad radian radians",
        "percent pct %", "n newton newtons", "j joule joules", "w watt watts", "v volt volts", "hz hertz", "pa pascal pascals",
        "celsius", "fahrenheit", "kelvin", "mol moles mole", "am a.m", "pm p.m",
    ];

    private static readonly Dictionary<string, string> Names = Groups
        .SelectMany(group => group.Split(' ').Select(name => (name, First: group[..(group + ' ').IndexOf(' ')])))
        .ToDictionary(pair => pair.name, pair => pair.First);

    /// <summary>The answer without its unit, and the unit's name with its power (<c>cm^2</c>); null where there is none that is known.</summary>
    public static (string Bare, string? Unit) Split(string text)
    {
        if (text.Length > MathText.MaxAnswer)
            return (text, null);
        text = MathText.Unwrap(text);
        if (Prefix().Match(text) is { Success: true } money)
            return (text[money.Length..], Names[money.Groups["sign"].Value.ToLowerInvariant()]);
        var start = Math.Max(0, text.Length - MaxUnit);
        var match = Suffix().Match(text, start);
        if (!match.Success)
            return (text, null);
        var word = Bare(match.Groups["unit"].Value);
        var power = match.Groups["power"].Value.Trim('{', '}', ' ');
        foreach (var (prefix, exponent) in new[] { ("square ", "2"), ("sq ", "2"), ("cubic ", "3"), ("sq. ", "2") })
        {
            if (word.StartsWith(prefix, StringComparison.Ordinal))
                (word, power) = (word[prefix.Length..], exponent);
        }

        word = word.Replace(" per ", "/", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal);
        if (word.Contains("circ", StringComparison.Ordinal) || word.EndsWith("degree", StringComparison.Ordinal))
            word = "degree";
        if (!Names.TryGetValue(word, out var name))
            return (text, null);
        // 5m and 2s may be products; a word in \text{} or after a space is none.
        if (word.Length == 1 && char.IsAsciiLetter(word[0]) && match.Groups["gap"].Length == 0 && !match.Value.Contains('\\'))
            return (text, null);
        return (text[..match.Index].TrimEnd(), power is "2" or "3" ? $"{name}^{power}" : name);
    }

    /// <summary>Whether an answer's unit will do for the gold one's.</summary>
    public static bool Fit(string? gold, string? answer, UnitRule rule) => rule switch
    {
        UnitRule.Ignore => true,
        UnitRule.Required => gold == answer,
        _ => gold is null || answer is null || gold.Split('^')[0] == answer.Split('^')[0] || gold == "percent" || answer == "percent",
    };

    private static string Bare(string unit) =>
        Commands().Replace(unit, " ").Replace("{", " ").Replace("}", " ").Replace("\\", " ").Trim(' ', '.', '$').ToLowerInvariant();

    // $5, £5, USD 5
    [GeneratedRegex(@"^\\?(?<sign>[$£€¥]|USD)\s*(?=[\d.][^$]*$)", RegexOptions.IgnoreCase)]
    private static partial Regex Prefix();

    // 5 cm, 5\text{ cm}^2, 5\,\mathrm{km/h}, 5^\circ, 5\%
    [GeneratedRegex(@"(?<=[\d.)}\]$]|\\pi|[^\\a-zA-Z][a-z])(?<gap>(\s|~|\\[,;: !]|\\(?=\s))*)(?<unit>\\%|%|°|¢|€|\^\s*\{?\s*\\(circ|degree)\s*\}?|\\degree|(\\(text|mathrm|mbox|textnormal|textrm|hbox|rm|operatorname)\s*\{?\s*|(?<=\s|[\d.)}$]))[A-Za-z][A-Za-z./ ]*\}?)(\s*\^\s*(?<power>\{?[23]\}?))?[.\s$]*$")]
    private static partial Regex Suffix();

    [GeneratedRegex(@"\\(text|mathrm|mbox|textnormal|textrm|hbox|rm|operatorname)\b", RegexOptions.None)]
    private static partial Regex Commands();
}
