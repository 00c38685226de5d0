using System.Globalization;
using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>Lines over a common horizontal axis: a faint line through the values and a strong one through their trend, on a band where a curve has one.</summary>
public sealed class LineChart : Chart
{
    private const int MaxPoints = 500, MinPointsToSmooth = 16;

    private Line[]? lines;

    /// <summary>What is drawn.</summary>
    public required IReadOnlyList<Curve> Curves { get; init; }

    /// <summary>Stretches of the horizontal axis that are shaded, as a warning.</summary>
    public IReadOnlyList<(double From, double To)> Shaded { get; init; } = [];

    /// <summary>Width of the trend's window as a share of all points; 0 draws the values alone.</summary>
    public double Smoothing { get; init; } = 0.02;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Name, int Colour)> Legend => [.. Curves.Select((curve, i) => (curve.Name, curve.Colour ?? i))];

    private Line[] Lines => lines ??= [.. Curves.Select(Prepare)];

    /// <inheritdoc/>
    protected override (Scale X, Scale Y) Scales()
    {
        var x = Lines.SelectMany(line => line.Points.X).DefaultIfEmpty(0).ToArray();
        var (low, high) = ValueRange();
        // Noise just below zero is not worth a stretch of axis; an axis that nearly reaches zero should.
        if (low < 0 && -low < 0.08 * high) low = 0;
        var fromZero = low >= 0 && low < 0.4 * high;
        return (Scale.Nice(x.Min(), x.Max(), 6, widen: false), Scale.Nice(low, high, 5, zero: fromZero, bounds: BoundsOf(Lines.SelectMany(line => line.Points.Y))));
    }

    /// <inheritdoc/>
    protected override void Draw(StringBuilder svg, Scale x, Scale y)
    {
        foreach (var (from, to) in Shaded)
            DrawShade(svg, x, y, Math.Max(from, x.Low), Math.Min(to, x.High));
        for (var i = 0; i < Lines.Length; i++)
            DrawBand(svg, Lines[i].Points, ColourOf(i), x, y);
        for (var i = 0; i < Lines.Length; i++)
        {
            var (points, trend) = Lines[i];
            var smooth = trend is not null;
            var colour = ColourOf(i).ToString(CultureInfo.InvariantCulture);
            var dashes = Dashes(Curves[i].Colour ?? i);
            Path(svg, points.X, points.Y, x, y, smooth ? $"raw s{colour}" : $"line s{colour}{dashes}");
            if (smooth) Path(svg, points.X, trend!, x, y, $"line s{colour}{dashes}");
            if (points.X.Count > 12) continue;
            for (var j = 0; j < points.X.Count; j++)
            {
                if (!double.IsFinite(points.Y[j])) continue;
                svg.Append("<circle class=\"f").Append(colour).Append("\" r=\"3\" cx=\"").Append(N(PixelX(x, points.X[j]))).Append("\" cy=\"")
                    .Append(N(PixelY(y, points.Y[j]))).Append("\"/>");
            }
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(" ", Lines.Where(line => line.Points.Y.Any(double.IsFinite)).Select(line =>
    {
        var shown = (line.Trend ?? line.Points.Y).Where(double.IsFinite).ToArray();
        return $"{line.Points.Name}: from {Shown.Number(shown[0])} to {Shown.Number(shown[^1])}.";
    }));

    /// <inheritdoc/>
    protected override object? Pointer(Scale x, Scale y) => new
    {
        kind = "line",
        area = Area(),
        low = x.Low,
        high = x.High,
        label = XLabel,
        series = Lines.Select((line, i) => new
        {
            colour = ColourOf(i),
            name = line.Points.Name,
            x = line.Points.X.Select(value => Math.Round(value, 3)),
            y = line.Points.Y.Select(Shown.Number),
            trend = line.Trend?.Select(Shown.Number),
        }),
    };

    private int ColourOf(int line) => (Curves[line].Colour ?? line) % Colours;

    /// <summary>A stretch over the whole height with a line where it begins; at least a pixel or two wide.</summary>
    private void DrawShade(StringBuilder svg, Scale x, Scale y, double from, double to)
    {
        var (left, top, bottom) = (PixelX(x, from), PixelY(y, y.High), PixelY(y, y.Low));
        svg.Append("<rect class=\"alarm\" x=\"").Append(N(left)).Append("\" y=\"").Append(N(top)).Append("\" width=\"")
            .Append(N(Math.Max(2, PixelX(x, to) - left))).Append("\" height=\"").Append(N(bottom - top)).Append("\"/><line class=\"alarm\" x1=\"").Append(N(left))
            .Append("\" x2=\"").Append(N(left)).Append("\" y1=\"").Append(N(top)).Append("\" y2=\"").Append(N(bottom)).Append("\"/>");
    }

    /// <summary>The area between the lower and the upper bounds, a piece for each stretch without gaps.</summary>
    private void DrawBand(StringBuilder svg, Curve curve, int colour, Scale x, Scale y)
    {
        if (curve.Band is not { } band) return;
        svg.Append("<path class=\"band f").Append(colour).Append("\" d=\"");
        for (var start = 0; start < curve.X.Count; start++)
        {
            var end = start;
            while (end < curve.X.Count && double.IsFinite(curve.Y[end])) end++;
            if (end == start) continue;
            var bounds = Enumerable.Range(start, end - start).Select(i => (curve.X[i], curve.Y[i] + band[i]))
                .Concat(Enumerable.Range(start, end - start).Reverse().Select(i => (curve.X[i], curve.Y[i] - band[i])));
            svg.Append('M').AppendJoin('L', bounds.Select(point => $"{N(PixelX(x, point.Item1))} {N(InFrame(y, point.Item2))}")).Append('Z');
            start = end;
        }

        svg.Append("\"/>");
    }

    /// <summary>Vertical place of a value; one beyond the axis leaves the drawing just enough to be seen to leave it.</summary>
    private double InFrame(Scale y, double value) => PixelY(y, y.Low + Math.Clamp(y.Fraction(value), -0.02, 1.02) * (y.High - y.Low));

    private Line Prepare(Curve curve)
    {
        var points = curve.Thinned(MaxPoints);
        var smooth = Smoothing > 0 && points.X.Count >= MinPointsToSmooth;
        return new Line(points, smooth ? points.Smoothed(Math.Max(1.5, Smoothing * points.X.Count)) : null);
    }

    /// <summary>All of the trends, and the values but for the outermost hundredths: one spike must not flatten the rest.</summary>
    private (double Low, double High) ValueRange()
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (var (points, trend) in Lines)
        {
            var sorted = points.Y.Where(double.IsFinite).Order().ToArray();
            if (sorted.Length == 0) continue;
            var cut = trend is null ? 0 : sorted.Length / 100;
            var smooth = (trend ?? []).Where(double.IsFinite).DefaultIfEmpty(sorted[cut]).ToArray();
            low = Math.Min(low, Math.Min(sorted[cut], smooth.Min()));
            high = Math.Max(high, Math.Max(sorted[^(cut + 1)], smooth.Max()));
            if (points.Band is not { } band) continue;
            low = Math.Min(low, points.Y.Zip(band, (value, half) => value - half).Where(double.IsFinite).Min());
            high = Math.Max(high, points.Y.Zip(band, (value, half) => value + half).Where(double.IsFinite).Max());
        }

        return (low, high);
    }

    private void Path(StringBuilder svg, IReadOnlyList<double> xs, IReadOnlyList<double> ys, Scale x, Scale y, string style)
    {
        svg.Append("<path class=\"").Append(style).Append("\" d=\"");
        var pen = false;
        for (var i = 0; i < xs.Count; i++)
        {
            if (!double.IsFinite(ys[i]))
            {
                pen = false;
                continue;
            }

            svg.Append(pen ? 'L' : 'M').Append(N(PixelX(x, xs[i]))).Append(' ').Append(N(InFrame(y, ys[i])));
            pen = true;
        }

        svg.Append("\"/>");
    }

    private readonly record struct Line(Curve Points, double[]? Trend);
}
