using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>What a <see cref="FitChart"/> shows of one thing, all in one colour.</summary>
/// <param name="Name">Shown in the legend.</param>
/// <param name="Points">Measured values, as dots.</param>
/// <param name="Fit">The law fitted to them, as a line; null for none.</param>
/// <param name="Companion">Another measured quantity over the same axis, as a dashed line; null for none.</param>
/// <param name="Mark">A point of the fit that is ringed; null for none.</param>
public sealed record FitSeries(string Name, Curve Points, Curve? Fit, Curve? Companion, (double X, double Y)? Mark);

/// <summary>Measurements as dots, the laws fitted to them as lines, and a ring where a law has its maximum.</summary>
public sealed class FitChart : Chart
{
    /// <summary>What is drawn.</summary>
    public required IReadOnlyList<FitSeries> Series { get; init; }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Name, int Colour)> Legend => [.. Series.Select((series, i) => (series.Name, i))];

    private IEnumerable<Curve> Curves => Series.SelectMany(series => new[] { series.Points, series.Fit, series.Companion }).OfType<Curve>();

    /// <inheritdoc/>
    protected override (Scale X, Scale Y) Scales()
    {
        var x = Finite(curve => curve.X);
        var y = Finite(curve => curve.Y);
        return (Scale.Nice(Math.Min(0, x.Min()), x.Max(), 6, widen: false), Scale.Nice(y.Min(), y.Max(), 5, zero: true));
    }

    /// <inheritdoc/>
    protected override void Draw(StringBuilder svg, Scale x, Scale y)
    {
        svg.Append("<line class=\"base\" x1=\"").Append(N(PixelX(x, x.Low))).Append("\" x2=\"").Append(N(PixelX(x, x.High))).Append("\" y1=\"").Append(N(PixelY(y, 0)))
            .Append("\" y2=\"").Append(N(PixelY(y, 0))).Append("\"/>");
        for (var i = 0; i < Series.Count; i++)
        {
            var (series, colour) = (Series[i], i % Colours);
            Line(svg, series.Companion, x, y, $"line s{colour} d1");
            Dots(svg, series, colour, x, y);
            Line(svg, series.Fit, x, y, $"line s{colour}");
            if (series.Mark is not { } mark) continue;
            svg.Append("<circle class=\"line s").Append(colour).Append("\" r=\"6\" cx=\"").Append(N(PixelX(x, mark.X))).Append("\" cy=\"").Append(N(PixelY(y, mark.Y)))
                .Append("\"><title>").Append(Html.Escape($"{series.Name}, maximum of the fit: {Shown.Number(mark.X)}, {Shown.Number(mark.Y)}")).Append("</title></circle>");
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(" ", Series.Select(series => series.Mark is { } mark
        ? $"{series.Name}: {series.Points.X.Count} points, maximum {Shown.Number(mark.Y)} at {Shown.Number(mark.X)}." : $"{series.Name}: {series.Points.X.Count} points."));

    private double[] Finite(Func<Curve, IReadOnlyList<double>> values) => [.. Curves.SelectMany(values).Where(double.IsFinite).DefaultIfEmpty(0)];

    private void Dots(StringBuilder svg, FitSeries series, int colour, Scale x, Scale y)
    {
        foreach (var (px, py) in series.Points.X.Zip(series.Points.Y).Where(point => double.IsFinite(point.First) && double.IsFinite(point.Second)))
        {
            svg.Append("<circle class=\"point faint f").Append(colour).Append("\" r=\"2.5\" cx=\"").Append(N(PixelX(x, px))).Append("\" cy=\"").Append(N(PixelY(y, py)))
                .Append("\"><title>").Append(Html.Escape($"{series.Name}: {Shown.Number(px)}, {Shown.Number(py)}")).Append("</title></circle>");
        }
    }

    private void Line(StringBuilder svg, Curve? curve, Scale x, Scale y, string style)
    {
        if (curve is null) return;
        var points = curve.X.Zip(curve.Y).Where(point => double.IsFinite(point.First) && double.IsFinite(point.Second));
        svg.Append("<path class=\"").Append(style).Append("\" d=\"M").AppendJoin('L', points.Select(point => $"{N(PixelX(x, point.First))} {N(PixelY(y, point.Second))}")).Append("\"/>");
    }
}
