using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>One bar: its height, and half the length of its whisker (null for none).</summary>
/// <param name="Value">Height.</param>
/// <param name="Whisker">The whisker reaches from Value − Whisker to Value + Whisker.</param>
public readonly record struct Bar(double Value, double? Whisker);

/// <summary>The bars of one colour.</summary>
/// <param name="Name">Shown in the legend.</param>
/// <param name="Bars">A bar for each group; null where the series has none there.</param>
/// <param name="Colour">Index of the colour, so that a name can keep its colour from chart to chart.</param>
public sealed record BarSeries(string Name, IReadOnlyList<Bar?> Bars, int Colour);

/// <summary>Groups of bars from zero, a colour for each series, with whiskers.</summary>
public sealed class BarChart : Chart
{
    /// <summary>Names of the groups, left to right.</summary>
    public required IReadOnlyList<string> Groups { get; init; }

    /// <summary>What is drawn, left to right within each group.</summary>
    public required IReadOnlyList<BarSeries> Series { get; init; }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Name, int Colour)> Legend => [.. Series.Select(series => (series.Name, series.Colour))];

    /// <summary>With room above the tallest bar for its number.</summary>
    protected override double Top => 20;

    private IEnumerable<Bar> Bars => Series.SelectMany(series => series.Bars).OfType<Bar>().Where(bar => double.IsFinite(bar.Value));

    /// <inheritdoc/>
    protected override (Scale X, Scale Y) Scales()
    {
        var low = Bars.Select(bar => bar.Value - (bar.Whisker ?? 0)).DefaultIfEmpty(0).Min();
        var high = Bars.Select(bar => bar.Value + (bar.Whisker ?? 0)).DefaultIfEmpty(0).Max();
        return (new Scale(0, Groups.Count, []), Scale.Nice(low, high, 5, zero: true, bounds: BoundsOf(Bars.Select(bar => bar.Value))));
    }

    /// <inheritdoc/>
    protected override void Draw(StringBuilder svg, Scale x, Scale y)
    {
        var slot = 1.0 / Math.Max(1, Groups.Count);
        for (var group = 0; group < Groups.Count; group++)
        {
            svg.Append("<g class=\"axis\">");
            Text(svg, PixelX(x, group + 0.5), Bottom + 15, "middle", Groups[group]);
            svg.Append("</g>");
            for (var i = 0; i < Series.Count; i++)
            {
                if (Series[i].Bars[group] is not { } bar || !double.IsFinite(bar.Value)) continue;
                // Bars take seven tenths of a group's room, and no bar is wider than 46 units.
                var room = PixelX(x, slot * Groups.Count) - PixelX(x, 0);
                var width = Math.Min(46, room * 0.7 / Series.Count);
                var centre = PixelX(x, group + 0.5) + (i - (Series.Count - 1) / 2.0) * width;
                DrawBar(svg, y, Series[i].Colour % Colours, Groups[group], Series[i].Name, bar, centre, width - 3);
            }
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(" ", Series.Select(series =>
        $"{series.Name}: {string.Join(", ", Groups.Zip(series.Bars).Where(pair => pair.Second is not null).Select(pair =>
            $"{pair.First} {Shown.Number(pair.Second!.Value.Value)}"))}."));

    private void DrawBar(StringBuilder svg, Scale y, int colour, string group, string name, Bar bar, double centre, double width)
    {
        double zero = PixelY(y, 0), end = PixelY(y, bar.Value);
        svg.Append("<rect class=\"f").Append(colour).Append("\" rx=\"2\" x=\"").Append(N(centre - width / 2)).Append("\" width=\"").Append(N(width))
            .Append("\" y=\"").Append(N(Math.Min(zero, end))).Append("\" height=\"").Append(N(Math.Max(1, Math.Abs(zero - end)))).Append("\"><title>")
            .Append(Html.Escape($"{group}, {name}: {Shown.Number(bar.Value)}")).Append("</title></rect>");
        var top = Math.Min(zero, end);
        if (bar.Whisker is { } half && double.IsFinite(half) && half > 0)
        {
            double upper = PixelY(y, Math.Min(bar.Value + half, y.High)), lower = PixelY(y, Math.Max(bar.Value - half, y.Low));
            svg.Append("<path class=\"whisker\" d=\"M").Append(N(centre)).Append(' ').Append(N(lower)).Append('V').Append(N(upper)).Append('M')
                .Append(N(centre - 4)).Append(' ').Append(N(upper)).Append("h8M").Append(N(centre - 4)).Append(' ').Append(N(lower)).Append("h8\"/>");
            top = Math.Min(top, upper);
        }

        svg.Append("<g class=\"value\">");
        Text(svg, centre, top - 4, "middle", Shown.Number(bar.Value));
        svg.Append("</g>");
    }
}
