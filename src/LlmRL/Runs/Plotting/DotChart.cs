using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>One line of a <see cref="DotChart"/>.</summary>
/// <param name="Name">Its label.</param>
/// <param name="Mean">Where the strong dot stands.</param>
/// <param name="Whisker">Half the length of its whisker; null for none.</param>
/// <param name="Values">The faint dots, a name for each.</param>
/// <param name="Colour">Index of the colour.</param>
public sealed record DotRow(string Name, double Mean, double? Whisker, IReadOnlyList<(string Name, double Value)> Values, int Colour);

/// <summary>Measurements by name, one a line: every single value as a faint dot, their mean as a strong one with a whisker. The axis need not start at zero.</summary>
public sealed class DotChart : Chart
{
    private const double LineHeight = 22;

    /// <summary>The lines, top to bottom.</summary>
    public required IReadOnlyList<DotRow> Rows { get; init; }

    /// <summary>The height that so many lines take.</summary>
    public static double HeightFor(int rows) => 44 + rows * LineHeight;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Name, int Colour)> Legend => [];

    /// <inheritdoc/>
    protected override int LongestLabel(Scale y) => Rows.Select(row => row.Name.Length).DefaultIfEmpty(0).Max();

    /// <inheritdoc/>
    protected override (Scale X, Scale Y) Scales()
    {
        var all = Rows.SelectMany(row => row.Values.Select(value => value.Value).Append(row.Mean - (row.Whisker ?? 0)).Append(row.Mean + (row.Whisker ?? 0)))
            .Where(double.IsFinite).DefaultIfEmpty(0).ToArray();
        var bounds = BoundsOf(Rows.SelectMany(row => row.Values.Select(value => value.Value).Append(row.Mean)));
        return (Scale.Nice(all.Min(), all.Max(), 4, bounds: bounds), new Scale(0, Math.Max(1, Rows.Count), []));
    }

    /// <inheritdoc/>
    protected override void Draw(StringBuilder svg, Scale x, Scale y)
    {
        svg.Append("<g class=\"axis\">");
        foreach (var tick in x.Ticks)
        {
            svg.Append("<line class=\"grid\" x1=\"").Append(N(PixelX(x, tick))).Append("\" x2=\"").Append(N(PixelX(x, tick))).Append("\" y1=\"")
                .Append(N(PixelY(y, y.High))).Append("\" y2=\"").Append(N(Bottom)).Append("\"/>");
        }

        for (var i = 0; i < Rows.Count; i++) Text(svg, Left - 10, RowPixel(y, i) + 4, "end", Rows[i].Name);
        svg.Append("</g>");
        for (var i = 0; i < Rows.Count; i++) DrawRow(svg, Rows[i], x, RowPixel(y, i));
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(" ", Rows.Select(row => $"{row.Name}: {Shown.Measured(row.Mean, row.Whisker)}."));

    private double RowPixel(Scale y, int row) => PixelY(y, Rows.Count - row - 0.5);

    private void DrawRow(StringBuilder svg, DotRow row, Scale x, double at)
    {
        var colour = row.Colour % Colours;
        foreach (var (name, value) in row.Values.Where(value => double.IsFinite(value.Value)))
        {
            svg.Append("<circle class=\"faint f").Append(colour).Append("\" r=\"3.5\" cx=\"").Append(N(PixelX(x, value))).Append("\" cy=\"").Append(N(at))
                .Append("\"><title>").Append(Html.Escape($"{row.Name}, {name}: {Shown.Number(value)}")).Append("</title></circle>");
        }

        if (!double.IsFinite(row.Mean)) return;
        if (row.Whisker is { } half && double.IsFinite(half) && half > 0)
        {
            double from = PixelX(x, Math.Max(row.Mean - half, x.Low)), to = PixelX(x, Math.Min(row.Mean + half, x.High));
            svg.Append("<path class=\"whisker\" d=\"M").Append(N(from)).Append(' ').Append(N(at)).Append('H').Append(N(to)).Append('M').Append(N(from)).Append(' ')
                .Append(N(at - 4)).Append("v8M").Append(N(to)).Append(' ').Append(N(at - 4)).Append("v8\"/>");
        }

        svg.Append("<circle class=\"f").Append(colour).Append("\" r=\"4.5\" cx=\"").Append(N(PixelX(x, row.Mean))).Append("\" cy=\"").Append(N(at))
            .Append("\"><title>").Append(Html.Escape($"{row.Name}: {Shown.Measured(row.Mean, row.Whisker)}")).Append("</title></circle>");
    }
}
