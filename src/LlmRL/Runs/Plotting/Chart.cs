using System.Text;
using System.Text.Json;

namespace LlmRL.Runs.Plotting;

/// <summary>
/// A plot as an HTML figure with an inline SVG. Colours come from the page's style (<c>--c0</c> … <c>--c5</c>), so that a plot follows the colour
/// scheme; what the pointer shows comes from a JSON block in the figure, which the page's script reads.
/// </summary>
public abstract class Chart
{
    /// <summary>How many colours the style has; further series start over, with dashes.</summary>
    public const int Colours = 6;

    private const double Right = 10;

    /// <summary>Heading.</summary>
    public required string Title { get; init; }

    /// <summary>A sentence below the heading; empty for none.</summary>
    public string Caption { get; init; } = "";

    /// <summary>Name of the horizontal axis; empty for none.</summary>
    public string XLabel { get; init; } = "";

    /// <summary>Name or unit of the vertical axis; empty for none.</summary>
    public string YLabel { get; init; } = "";

    /// <summary>What the values can be, (0, 1) for shares: their axis ends there at the latest, unless a value lies beyond; null: anything.</summary>
    public (double Low, double High)? Bounds { get; init; }

    /// <summary>Width of the drawing in its own units, about pixels.</summary>
    public double Width { get; init; } = 420;

    /// <summary>Height of the drawing.</summary>
    public double Height { get; init; } = 220;

    /// <summary>Left end of the plotting area; the labels of the vertical axis decide it.</summary>
    protected double Left { get; private set; }

    /// <summary>Upper end of the plotting area.</summary>
    protected virtual double Top => 10;

    /// <summary>Lower end of the plotting area.</summary>
    protected double Bottom => Height - (XLabel.Length > 0 ? 38 : 24);

    /// <summary>The whole figure.</summary>
    public string ToHtml()
    {
        var html = new StringBuilder();
        html.Append("<figure class=\"chart\"><figcaption><b>").Append(Html.Escape(Title)).Append("</b>");
        if (Caption.Length > 0) html.Append("<span>").Append(Html.Escape(Caption)).Append("</span>");
        html.Append("</figcaption>");
        AppendLegend(html);
        var (x, y) = Scales();
        Left = 14 + (YLabel.Length > 0 ? 14 : 0) + 6.2 * Math.Max(2, LongestLabel(y));
        html.Append("<svg viewBox=\"0 0 ").Append(N(Width)).Append(' ').Append(N(Height)).Append("\" role=\"img\" aria-label=\"")
            .Append(Html.Escape($"{Title}. {Describe()}")).Append("\">");
        AppendFrame(html, x, y);
        html.Append("<g class=\"marks\">");
        Draw(html, x, y);
        html.Append("</g><line class=\"cursor\" y1=\"").Append(N(Top)).Append("\" y2=\"").Append(N(Bottom)).Append("\"/></svg>");
        if (Pointer(x, y) is { } pointer)
            html.Append("<script type=\"application/json\">").Append(JsonSerializer.Serialize(pointer)).Append("</script>");
        return html.Append("</figure>\n").ToString();
    }

    /// <summary>Names in the legend with their colours; one name or none draws no legend.</summary>
    protected abstract IReadOnlyList<(string Name, int Colour)> Legend { get; }

    /// <summary>The axes; a horizontal axis without ticks is labelled by <see cref="Draw"/>.</summary>
    protected abstract (Scale X, Scale Y) Scales();

    /// <summary>Characters of the longest label of the vertical axis.</summary>
    protected virtual int LongestLabel(Scale y) => y.Ticks.Max(tick => y.Label(tick).Length);

    /// <summary>Draws the data.</summary>
    protected abstract void Draw(StringBuilder svg, Scale x, Scale y);

    /// <summary>What a screen reader says of the data.</summary>
    protected abstract string Describe();

    /// <summary>What the page's script needs to answer the pointer; null for nothing.</summary>
    protected virtual object? Pointer(Scale x, Scale y) => null;

    /// <summary><see cref="Bounds"/> where all of the values that are finite lie within, but for rounding; else null.</summary>
    protected (double Low, double High)? BoundsOf(IEnumerable<double> values)
    {
        const double rounding = 1e-6;
        return Bounds is { } bounds && values.Where(double.IsFinite).All(value => value >= bounds.Low - rounding && value <= bounds.High + rounding) ? bounds : null;
    }

    /// <summary>Horizontal place of a value.</summary>
    protected double PixelX(Scale scale, double value) => Left + scale.Fraction(value) * (Width - Right - Left);

    /// <summary>Vertical place of a value.</summary>
    protected double PixelY(Scale scale, double value) => Bottom - scale.Fraction(value) * (Bottom - Top);

    /// <summary>The class that sets a series apart from the one that has its colour already.</summary>
    protected static string Dashes(int colour) => colour < Colours ? "" : colour < 2 * Colours ? " d1" : " d2";

    /// <summary>A coordinate as SVG text.</summary>
    protected static string N(double value) => Html.Coordinate(value);

    /// <summary>Left, right, top and bottom of the plotting area, for <see cref="Pointer"/>.</summary>
    protected double[] Area() => [Math.Round(Left, 2), Width - Right, Top, Bottom];

    private void AppendLegend(StringBuilder html)
    {
        if (Legend.Count < 2) return;
        html.Append("<div class=\"legend\">");
        foreach (var (name, colour) in Legend)
            html.Append("<span><i class=\"k").Append(colour % Colours).Append(Dashes(colour)).Append("\"></i>").Append(Html.Escape(name)).Append("</span>");
        html.Append("</div>");
    }

    private void AppendFrame(StringBuilder svg, Scale x, Scale y)
    {
        svg.Append("<g class=\"axis\">");
        foreach (var tick in y.Ticks)
        {
            var at = N(PixelY(y, tick));
            svg.Append("<line class=\"grid\" x1=\"").Append(N(Left)).Append("\" x2=\"").Append(N(Width - Right)).Append("\" y1=\"").Append(at)
                .Append("\" y2=\"").Append(at).Append("\"/>");
            Text(svg, Left - 6, PixelY(y, tick) + 3.5, "end", y.Label(tick));
        }

        svg.Append("<line class=\"base\" x1=\"").Append(N(Left)).Append("\" x2=\"").Append(N(Width - Right)).Append("\" y1=\"").Append(N(Bottom))
            .Append("\" y2=\"").Append(N(Bottom)).Append("\"/>");
        foreach (var tick in x.Ticks) Text(svg, PixelX(x, tick), Bottom + 15, "middle", x.Label(tick));
        if (XLabel.Length > 0) Text(svg, (Left + Width - Right) / 2, Height - 6, "middle", XLabel);
        if (YLabel.Length > 0)
        {
            svg.Append("<text text-anchor=\"middle\" transform=\"translate(11 ").Append(N((Top + Bottom) / 2)).Append(") rotate(-90)\">")
                .Append(Html.Escape(YLabel)).Append("</text>");
        }

        svg.Append("</g>");
    }

    /// <summary>Adds a line of text.</summary>
    protected static void Text(StringBuilder svg, double x, double y, string anchor, string text) =>
        svg.Append("<text x=\"").Append(N(x)).Append("\" y=\"").Append(N(y)).Append("\" text-anchor=\"").Append(anchor).Append("\">")
            .Append(Html.Escape(text)).Append("</text>");
}
