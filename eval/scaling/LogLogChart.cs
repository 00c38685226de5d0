using System.Globalization;
using System.Text;

namespace LlmRL.Scaling;

/// <summary>A line of a <see cref="LogLogChart"/>: dots and a line through what was measured, dashes through theory.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Colour">Index of its colour.</param>
/// <param name="X">Abscissae, ascending.</param>
/// <param name="Measured">What was measured there.</param>
/// <param name="Predicted">What the formula says.</param>
internal sealed record LogLogSeries(string Name, int Colour, double[] X, double[] Measured, double[] Predicted);

/// <summary>A plot with logarithmic axes as an SVG file of its own, on white, so that it looks alike wherever it is shown.</summary>
internal static class LogLogChart
{
    private const double Width = 430, Height = 300, Left = 62, Right = 14, Top = 30, Bottom = 46, LegendRow = 15;

    private static readonly string[] Colours = ["#1b6ca8", "#c2571a", "#2e8540", "#7a4fa3", "#8a6d00"];

    // Times a power of ten.
    private static readonly double[][] TickSteps = [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7], [.. Enumerable.Range(10, 90).Select(tenth => tenth / 10.0)]];

    /// <summary>Two plots beside each other with one legend below.</summary>
    public static string Pair((string Title, string Unit, IReadOnlyList<LogLogSeries> Series) left, (string Title, string Unit, IReadOnlyList<LogLogSeries> Series) right, string xLabel)
    {
        var svg = new StringBuilder();
        var height = Height + LegendRow + 12;
        svg.Append(Text($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {2 * Width:0} {height:0}\" width=\"{2 * Width:0}\" height=\"{height:0}\" font-family=\"sans-serif\" font-size=\"11\">"))
            .Append(Text($"<rect width=\"{2 * Width:0}\" height=\"{height:0}\" fill=\"#fff\"/>"));
        Panel(svg, 0, left.Title, left.Unit, left.Series, xLabel);
        Panel(svg, Width, right.Title, right.Unit, right.Series, xLabel);
        var at = Left;
        foreach (var series in left.Series)
        {
            svg.Append(Text($"<circle cx=\"{at:0}\" cy=\"{Height + 8:0}\" r=\"4\" fill=\"{Colours[series.Colour % Colours.Length]}\"/>"));
            Label(svg, at + 9, Height + 12, "start", series.Name);
            at += 40 + 6 * series.Name.Length;
        }

        Label(svg, at, Height + 12, "start", "dashed: by formula");
        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, double offset, string title, string unit, IReadOnlyList<LogLogSeries> all, string xLabel)
    {
        var series = all.Select(one => one with { Predicted = [.. one.Predicted.Select(value => value > 0 ? value : double.NaN)] }).ToArray();
        var (x, y) = (Range(series.SelectMany(one => one.X)), Range(series.SelectMany(one => one.Measured.Concat(one.Predicted))));
        double PixelX(double value) => offset + Left + (Math.Log10(value) - x.Low) / (x.High - x.Low) * (Width - Left - Right);
        double PixelY(double value) => Height - Bottom - (Math.Log10(value) - y.Low) / (y.High - y.Low) * (Height - Top - Bottom);
        Label(svg, offset + Left, 18, "start", title, bold: true);
        foreach (var tick in Ticks(x))
        {
            Line(svg, PixelX(tick), Top, PixelX(tick), Height - Bottom);
            Label(svg, PixelX(tick), Height - Bottom + 15, "middle", Number(tick));
        }

        foreach (var tick in Ticks(y))
        {
            Line(svg, offset + Left, PixelY(tick), offset + Width - Right, PixelY(tick));
            Label(svg, offset + Left - 6, PixelY(tick) + 4, "end", Number(tick));
        }

        Label(svg, offset + (Left + Width - Right) / 2, Height - Bottom + 33, "middle", xLabel);
        svg.Append(Text($"<text transform=\"translate({offset + 14:0.#} {(Top + Height - Bottom) / 2:0.#}) rotate(-90)\" text-anchor=\"middle\" fill=\"#333\">{unit}</text>"));
        foreach (var one in series)
        {
            Path(svg, one.X.Zip(one.Predicted).Where(point => double.IsFinite(point.Second)).Select(point => (PixelX(point.First), PixelY(point.Second))), one.Colour, " stroke-dasharray=\"4 4\" opacity=\"0.7\"");
            Path(svg, one.X.Zip(one.Measured).Select(point => (PixelX(point.First), PixelY(point.Second))), one.Colour, "");
            foreach (var (px, py) in one.X.Zip(one.Measured))
                svg.Append(Text($"<circle cx=\"{PixelX(px):0.#}\" cy=\"{PixelY(py):0.#}\" r=\"3.5\" fill=\"{Colours[one.Colour % Colours.Length]}\"/>"));
        }
    }

    private static (double Low, double High) Range(IEnumerable<double> values)
    {
        var logs = values.Where(value => double.IsFinite(value) && value > 0).Select(Math.Log10).DefaultIfEmpty(0).ToArray();
        var margin = Math.Max(0.05, 0.06 * (logs.Max() - logs.Min()));
        return (logs.Min() - margin, logs.Max() + margin);
    }

    /// <summary>Round numbers, as few as are three at least.</summary>
    private static double[] Ticks((double Low, double High) range)
    {
        double[] Of(double[] steps) =>
        [
            .. Enumerable.Range((int)Math.Floor(range.Low), (int)Math.Ceiling(range.High) - (int)Math.Floor(range.Low) + 1)
                .SelectMany(power => steps.Select(step => step * Math.Pow(10, power))).Where(tick => Math.Log10(tick) >= range.Low && Math.Log10(tick) <= range.High),
        ];
        return TickSteps.Select(Of).FirstOrDefault(ticks => ticks.Length >= 3) ?? Of(TickSteps[^1]);
    }

    private static void Path(StringBuilder svg, IEnumerable<(double X, double Y)> points, int colour, string style) =>
        svg.Append(Text($"<path fill=\"none\" stroke=\"{Colours[colour % Colours.Length]}\" stroke-width=\"1.8\"{style} d=\"M")).AppendJoin("L", points.Select(point => Text($"{point.X:0.#} {point.Y:0.#}"))).Append("\"/>");

    private static void Line(StringBuilder svg, double x1, double y1, double x2, double y2) =>
        svg.Append(Text($"<line x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\" stroke=\"#ddd\"/>"));

    private static void Label(StringBuilder svg, double x, double y, string anchor, string text, bool bold = false) =>
        svg.Append(Text($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" fill=\"#333\"{(bold ? " font-weight=\"bold\"" : "")}>{text}</text>"));

    private static string Number(double value) => value switch
    {
        >= 1e6 => (value / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + "M",
        >= 1e4 => (value / 1e3).ToString("0.##", CultureInfo.InvariantCulture) + "k",
        _ => value.ToString("0.####", CultureInfo.InvariantCulture),
    };

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
