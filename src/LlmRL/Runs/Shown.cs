using System.Globalization;
using System.Text;

namespace LlmRL.Runs;

/// <summary>Numbers and times as people read them.</summary>
internal static class Shown
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Three significant digits: 0.62, 21.4, 12,300, 1.5e-05.</summary>
    public static string Number(double value)
    {
        if (!double.IsFinite(value)) return double.IsNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
        if (value == 0) return "0";
        var size = Math.Abs(value);
        if (size is < 0.001 or >= 1e9) return value.ToString("0.##e-0", Culture);
        if (size >= 100 && Math.Round(value) == value) return value.ToString("#,0", Culture);
        var digits = Math.Clamp(2 - (int)Math.Floor(Math.Log10(size)), 0, 5);
        var rounded = Math.Round(value, digits);
        return rounded.ToString(Math.Abs(rounded) >= 1000 ? "#,0" : "0.#####", Culture);
    }

    /// <summary>A number with a sign: +0.29, −0.01.</summary>
    public static string Signed(double value) => value > 0 ? "+" + Number(value) : value < 0 ? "−" + Number(-value) : Number(value);

    /// <summary>A measurement to the digits that its standard error supports: 0.713 ± 0.014.</summary>
    public static string Measured(double value, double? error)
    {
        if (error is not { } e || !double.IsFinite(e) || !double.IsFinite(value)) return Number(value);
        // Equal measurements leave a spread of rounding errors.
        if (e <= 1e-12 * Math.Abs(value)) return $"{Number(value)} ± 0";
        var digits = Math.Clamp(1 - (int)Math.Floor(Math.Log10(Math.Abs(e))), 0, 6);
        var format = "F" + digits.ToString(Culture);
        return $"{value.ToString(format, Culture)} ± {e.ToString(format, Culture)}";
    }

    /// <summary>A rate: 12,300.</summary>
    public static string Rate(double value) => value >= 100 ? RoundTo3(value).ToString("#,0", Culture) : Number(value);

    /// <summary>A clock time: 0:35, 12:07, 1:02:09.</summary>
    public static string Clock(double seconds)
    {
        var whole = (long)Math.Round(Math.Max(0, seconds));
        return whole < 3600
            ? string.Create(Culture, $"{whole / 60}:{whole % 60:00}")
            : string.Create(Culture, $"{whole / 3600}:{whole / 60 % 60:00}:{whole % 60:00}");
    }

    /// <summary>A span of time: 41.2 s, 3 min 12 s, 2 h 05 min.</summary>
    public static string Duration(double seconds)
    {
        if (seconds < 59.95) return string.Create(Culture, $"{seconds:0.0} s");
        var whole = (long)Math.Round(seconds);
        return whole < 3600
            ? string.Create(Culture, $"{whole / 60} min {whole % 60:00} s")
            : string.Create(Culture, $"{whole / 3600} h {whole / 60 % 60:00} min");
    }

    /// <summary>A trend in a few characters: the values in equal spans, each as the height of a block.</summary>
    public static string Sparkline(IReadOnlyList<double> values, int width)
    {
        const string blocks = "▁▂▃▄▅▆▇█";
        var count = Math.Min(width, values.Count);
        if (count == 0) return "";
        var means = new double[count];
        for (var i = 0; i < count; i++)
        {
            int from = (int)((long)i * values.Count / count), to = (int)((long)(i + 1) * values.Count / count);
            double sum = 0;
            for (var j = from; j < to; j++) sum += values[j];
            means[i] = sum / (to - from);
        }

        var finite = means.Where(double.IsFinite).ToArray();
        if (finite.Length == 0) return "";
        double low = finite.Min(), high = finite.Max();
        var text = new StringBuilder(count);
        foreach (var mean in means)
        {
            if (!double.IsFinite(mean)) text.Append(' ');
            else text.Append(blocks[high > low ? Math.Clamp((int)((mean - low) / (high - low) * blocks.Length), 0, blocks.Length - 1) : 3]);
        }

        return text.ToString();
    }

    private static double RoundTo3(double value)
    {
        var scale = Math.Pow(10, Math.Floor(Math.Log10(value)) - 2);
        return Math.Round(value / scale) * scale;
    }
}
