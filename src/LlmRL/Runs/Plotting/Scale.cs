using System.Globalization;

namespace LlmRL.Runs.Plotting;

/// <summary>One axis: data from <see cref="Low"/> to <see cref="High"/>, with ticks at round numbers.</summary>
/// <param name="Low">Value at the start of the axis.</param>
/// <param name="High">Value at its end; greater than <paramref name="Low"/>.</param>
/// <param name="Ticks">Round values within the axis, 1, 2 or 5 times a power of ten apart.</param>
public sealed record Scale(double Low, double High, IReadOnlyList<double> Ticks)
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>An axis that holds all values.</summary>
    /// <param name="low">Lowest value.</param>
    /// <param name="high">Highest value.</param>
    /// <param name="count">About how many ticks.</param>
    /// <param name="widen">True to end the axis at ticks; false to end it at the values themselves, as a step axis does.</param>
    /// <param name="zero">True to start at zero.</param>
    /// <param name="bounds">What the axis does not go beyond; null: nothing.</param>
    public static Scale Nice(double low, double high, int count = 5, bool widen = true, bool zero = false, (double Low, double High)? bounds = null)
    {
        if (!double.IsFinite(low) || !double.IsFinite(high)) (low, high) = (0, 1);
        if (zero) (low, high) = (Math.Min(low, 0), Math.Max(high, 0));
        var (least, most) = bounds ?? (double.NegativeInfinity, double.PositiveInfinity);
        (low, high) = (Math.Clamp(low, least, most), Math.Clamp(high, least, most));
        if (low == high)
        {
            var margin = low == 0 ? 1 : Math.Abs(low) * 0.1;
            (low, high) = (low - margin, high + margin);
        }

        var step = Step((high - low) / count);
        if (widen) (low, high) = (Math.Floor(low / step + 1e-9) * step, Math.Ceiling(high / step - 1e-9) * step);
        (low, high) = (Math.Max(low, least), Math.Min(high, most));
        long first = (long)Math.Ceiling(low / step - 1e-9), last = (long)Math.Floor(high / step + 1e-9);
        return new Scale(low, high, [.. Range(first, last).Select(i => i * step)]);
    }

    /// <summary>Where a value lies: 0 at the start of the axis, 1 at its end.</summary>
    public double Fraction(double value) => (value - Low) / (High - Low);

    /// <summary>A tick's label, with as many digits as set the ticks apart: 0.25, 1,500, 20k, 2e-4.</summary>
    public string Label(double tick)
    {
        if (tick == 0) return "0";
        var step = Ticks.Count > 1 ? Ticks[1] - Ticks[0] : Math.Abs(tick);
        var largest = Math.Max(Math.Abs(Low), Math.Abs(High));
        if (largest < 0.01)
        {
            var exponent = (int)Math.Floor(Math.Log10(Math.Abs(tick)) + 1e-9);
            return (tick / Math.Pow(10, exponent)).ToString("0.##", Culture) + "e" + exponent.ToString(Culture);
        }

        var (unit, suffix) = largest switch { >= 1e9 => (1e9, "G"), >= 1e6 => (1e6, "M"), >= 10_000 => (1e3, "k"), _ => (1.0, "") };
        var digits = Math.Clamp((int)Math.Ceiling(-Math.Log10(step / unit) - 1e-9), 0, 8);
        return (tick / unit).ToString("#,0" + (digits > 0 ? "." + new string('0', digits) : ""), Culture).Replace('-', '−') + suffix;
    }

    private static double Step(double rough)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        return (rough / power) switch { <= 1.0001 => 1, <= 2.0001 => 2, <= 5.0001 => 5, _ => 10 } * power;
    }

    private static IEnumerable<long> Range(long first, long last)
    {
        for (var i = first; i <= last; i++) yield return i;
    }
}
