using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace LlmRL.Recipes.Binding;

/// <summary>Scalars ↔ C# values, strictly: no guessing, no culture.</summary>
internal static class ScalarReader
{
    private static readonly Dictionary<Type, (Int128 Min, Int128 Max)> Limits = new()
    {
        [typeof(int)] = (int.MinValue, int.MaxValue),
        [typeof(long)] = (long.MinValue, long.MaxValue),
        [typeof(uint)] = (uint.MinValue, uint.MaxValue),
        [typeof(ulong)] = (ulong.MinValue, ulong.MaxValue),
        [typeof(short)] = (short.MinValue, short.MaxValue),
        [typeof(byte)] = (byte.MinValue, byte.MaxValue),
    };

    /// <summary>The value, or null with the problem and its remedy in sentences.</summary>
    public static object? Read(RecipeScalar scalar, ValueShape shape, out string problem)
    {
        var text = scalar.Text!;
        problem = $"expected {shape.Expected}, found {scalar.Describe()}. Write it like {shape.Sample}.";
        if (scalar.IsText && shape.Kind is ValueKind.Whole or ValueKind.Real or ValueKind.Truth)
        {
            problem = $"expected {shape.Expected}, found the quoted text {scalar.Describe()}. Remove the quotes.";
            return null;
        }

        switch (shape.Kind)
        {
            case ValueKind.Text:
                return text;
            case ValueKind.Truth:
                return text switch { "true" or "True" or "TRUE" => true, "false" or "False" or "FALSE" => false, _ => null };
            case ValueKind.Whole:
                return Whole(text, shape.Type, ref problem);
            case ValueKind.Real:
                if (Real(text) is not { } real)
                    return null;
                // Written out, since ?: would widen the float.
                if (shape.Type == typeof(double))
                    return real;
                return float.IsInfinity((float)real) && double.IsFinite(real) ? null : (float)real;
            default:
                if (Choices.Of(shape.Type).TryGetValue(text, out var choice))
                    return choice;
                var names = Choices.Of(shape.Type).Keys;
                var hint = KeyNames.Nearest(text, names) is { } nearest ? $" Did you mean {nearest}?" : "";
                problem = $"{scalar.Describe()} is not a choice.{hint} Valid choices: {string.Join(", ", names)}.";
                return null;
        }
    }

    /// <summary>Null, or why the value lies outside the range.</summary>
    public static string? OutOfRange(object value, RangeAttribute range)
    {
        var (min, max) = (Number(range.Minimum), Number(range.Maximum));
        var inside = value is double or float
            ? Inside(Convert.ToDouble(value, CultureInfo.InvariantCulture), min, max, range)
            : Inside(Convert.ToDecimal(value, CultureInfo.InvariantCulture), min, max, range);
        var finite = value is double.PositiveInfinity or double.NegativeInfinity ? " and finite" : "";
        return inside ? null : $"{Text(value)} is out of range. It must be {Allowed(min, max, range)}{finite}.";
    }

    /// <summary>The text that <see cref="Read"/> turns into the same value again.</summary>
    public static string Text(object value) => value switch
    {
        bool truth => truth ? "true" : "false",
        double.PositiveInfinity or float.PositiveInfinity => ".inf",
        double.NegativeInfinity or float.NegativeInfinity => "-.inf",
        double.NaN or float.NaN => ".nan",
        double or float => Exponent(((IFormattable)value).ToString("R", CultureInfo.InvariantCulture)),
        Enum choice => Choices.NameOf(choice),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    // YAML 1.1 readers (PyYAML) take 1E-05 for text: they want the point.
    private static string Exponent(string text)
    {
        var e = text.IndexOf('E');
        return e < 0 ? text : (text[..e].Contains('.') ? text[..e] : text[..e] + ".0") + "e" + text[(e + 1)..];
    }

    private static object? Whole(string text, Type type, ref string problem)
    {
        if (!Int128.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            if (Real(text) is { } real && Math.Abs(real) < 1e15 && real == Math.Truncate(real))
                problem = $"expected a whole number, found \"{text}\". Write {real.ToString("F0", CultureInfo.InvariantCulture)}.";
            return null;
        }

        var (min, max) = Limits[type];
        if (number < min || number > max)
        {
            problem = $"{text} is out of range. It must be between {min} and {max}.";
            return null;
        }

        return Convert.ChangeType((decimal)number, type, CultureInfo.InvariantCulture);
    }

    private static double? Real(string text)
    {
        switch (text)
        {
            case ".inf" or ".Inf" or ".INF" or "+.inf":
                return double.PositiveInfinity;
            case "-.inf" or "-.Inf" or "-.INF":
                return double.NegativeInfinity;
        }

        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        // Letters other than the exponent's would let "Infinity" and "NaN" through; an overflow would turn a typing error into infinity.
        var plain = text.All(c => char.IsAsciiDigit(c) || c is '+' or '-' or '.' or 'e' or 'E');
        return plain && double.TryParse(text, Style, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value : null;
    }

    private static double Number(object bound) => Convert.ToDouble(bound, CultureInfo.InvariantCulture);

    private static bool Inside(double value, double min, double max, RangeAttribute range) =>
        (range.MinimumIsExclusive ? value > min : value >= min) && (range.MaximumIsExclusive ? value < max : value <= max);

    private static bool Inside(decimal value, double min, double max, RangeAttribute range) =>
        (Unbounded(min) || (range.MinimumIsExclusive ? value > (decimal)min : value >= (decimal)min))
        && (Unbounded(max) || (range.MaximumIsExclusive ? value < (decimal)max : value <= (decimal)max));

    // A bound at the end of the type's range says nothing; the type itself was checked while reading.
    private static bool Unbounded(double bound) => bound is int.MaxValue or int.MinValue || Math.Abs(bound) >= long.MaxValue;

    private static string Allowed(double min, double max, RangeAttribute range)
    {
        var low = (range.MinimumIsExclusive ? "greater than " : "at least ") + Text(min);
        var high = (range.MaximumIsExclusive ? "less than " : "at most ") + Text(max);
        return (Unbounded(min), Unbounded(max)) switch
        {
            (true, true) => "a number",
            (false, true) => low,
            (true, false) => high,
            _ => range is { MinimumIsExclusive: false, MaximumIsExclusive: false } ? $"between {Text(min)} and {Text(max)}" : $"{low} and {high}",
        };
    }
}
