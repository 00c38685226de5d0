using System.Xml.Linq;
using FsCheck;
using FsCheck.Fluent;
using LlmRL.Runs.Plotting;

namespace LlmRL.Tests.Runs;

public class PlottingTests
{
    [Fact]
    public void Ticks_are_round_within_the_axis_and_neither_few_nor_many() => Prop.ForAll(
        ArbMap.Default.ArbFor<NormalFloat>(), ArbMap.Default.ArbFor<NormalFloat>(), (a, b) =>
        {
            double low = Math.Min(a.Get, b.Get), high = Math.Max(a.Get, b.Get);
            if (high - low < 1e-6 * Math.Max(Math.Abs(low), Math.Abs(high))) return true;
            var scale = Scale.Nice(low, high);
            var step = scale.Ticks[1] - scale.Ticks[0];
            var mantissa = step / Math.Pow(10, Math.Floor(Math.Log10(step) + 1e-9));
            var slack = 1e-6 * step;
            return scale.Low <= low + slack && scale.High >= high - slack && scale.Ticks.Count is >= 3 and <= 8
                && scale.Ticks.All(tick => tick >= scale.Low - slack && tick <= scale.High + slack)
                && new[] { 1, 2, 5, 10 }.Any(round => Math.Abs(mantissa - round) < 1e-6)
                && scale.Ticks.Select(scale.Label).Distinct().Count() == scale.Ticks.Count;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0, 1, new[] { "0", "0.2", "0.4", "0.6", "0.8", "1.0" })]
    [InlineData(-0.4, 0.4, new[] { "−0.4", "−0.2", "0", "0.2", "0.4" })]
    [InlineData(0, 2000, new[] { "0", "500", "1,000", "1,500", "2,000" })]
    [InlineData(10_000, 30_000, new[] { "10k", "15k", "20k", "25k", "30k" })]
    [InlineData(0, 3e-4, new[] { "0", "1e-4", "2e-4", "3e-4" })]
    [InlineData(7, 7, new[] { "6.2", "6.4", "6.6", "6.8", "7.0", "7.2", "7.4", "7.6", "7.8" })]
    public void Tick_labels_have_the_digits_that_set_them_apart(double low, double high, string[] expected)
    {
        var scale = Scale.Nice(low, high, count: low == high ? 8 : 5);
        Assert.Equal(expected, scale.Ticks.Select(scale.Label));
    }

    [Fact]
    public void An_axis_without_numbers_still_has_ticks() => Assert.NotEmpty(Scale.Nice(double.PositiveInfinity, double.NegativeInfinity).Ticks);

    [Fact]
    public void The_trend_of_a_line_is_the_line_to_its_very_ends()
    {
        double[] x = [.. Enumerable.Range(0, 50).Select(i => (double)i)];
        var trend = new Curve("c", x, [.. x.Select(value => 3 - 0.25 * value)]).Smoothed(4);
        Assert.All(x.Zip(trend), pair => Assert.Equal(3 - 0.25 * pair.First, pair.Second, 9));
    }

    [Fact]
    public void The_trend_removes_noise_and_keeps_gaps()
    {
        double[] x = [.. Enumerable.Range(0, 400).Select(i => (double)i)];
        var random = new RandomStream(3);
        double[] y = [.. x.Select(value => Math.Sin(value / 80) + 0.5 * random.NextNormal())];
        y[100] = double.NaN;
        var trend = new Curve("c", x, y).Smoothed(8);
        Assert.True(double.IsNaN(trend[100]));
        // With weights of width 8 the variance falls by 2·√π·8 ≈ 28, the deviation from 0.5 to about 0.095.
        var error = Math.Sqrt(x.Where((_, i) => i != 100).Average(value => Math.Pow(trend[(int)value] - Math.Sin(value / 80), 2)));
        Assert.InRange(error, 0.05, 0.15);
    }

    [Fact]
    public void Thinning_keeps_means_and_ends_and_skips_what_is_not_finite()
    {
        var curve = new Curve("c", [1, 2, 3, 4, 5, 6], [1, double.NaN, 3, 5, double.NaN, double.NaN]).Thinned(3);
        Assert.Equal([1.5, 3.5, 5.5], curve.X);
        Assert.Equal([1, 4, double.NaN], curve.Y);
        Assert.Equal(2, new Curve("c", [1, 2], [1, 2]).Thinned(3).X.Count);
    }

    [Fact]
    public void A_line_chart_draws_its_points_where_they_belong_and_breaks_at_gaps()
    {
        var chart = new LineChart { Title = "a < b", XLabel = "step", Curves = [new Curve("c", [0, 5, 10, 15, 20], [0, 5, double.NaN, 10, 0])] };
        var figure = XElement.Parse(chart.ToHtml());
        Assert.Equal("a < b", figure.Descendants("b").Single().Value);
        var path = figure.Descendants("path").Single().Attribute("d")!.Value;
        Assert.Equal(2, path.Count(c => c == 'M'));
        var points = path.Split(['M', 'L'], StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split(' ').Select(double.Parse).ToArray()).ToArray();
        Assert.Equal(4, points.Length);
        // Steps 0, 5, 15, 20 and values 0, 5, 10, 0 keep their proportions; y grows downwards in SVG.
        Assert.Equal(0.25, (points[1][0] - points[0][0]) / (points[3][0] - points[0][0]), 2);
        Assert.Equal(0.5, (points[1][1] - points[0][1]) / (points[2][1] - points[0][1]), 2);
        Assert.True(points[2][1] < points[0][1]);
        Assert.Equal(points[0][1], points[3][1]);
    }

    [Fact]
    public void One_spike_does_not_flatten_a_line_chart()
    {
        double[] x = [.. Enumerable.Range(1, 300).Select(i => (double)i)];
        var chart = new LineChart { Title = "t", Curves = [new Curve("c", x, [.. x.Select(i => i == 150 ? 1000 : i / 300)])] };
        var labels = XElement.Parse(chart.ToHtml()).Descendants("text").Select(text => text.Value).ToArray();
        Assert.DoesNotContain(labels, label => label.Contains("000", StringComparison.Ordinal));
    }

    [Fact]
    public void A_chart_of_nothing_is_still_a_figure()
    {
        foreach (var curve in new[] { new Curve("c", [], []), new Curve("c", [1, 2], [double.NaN, double.NaN]), new Curve("c", [1], [3]) })
        {
            Assert.DoesNotContain("NaN ", new LineChart { Title = "t", Curves = [curve] }.ToHtml());
            XElement.Parse(new LineChart { Title = "t", Curves = [curve] }.ToHtml());
            XElement.Parse(new ScatterChart { Title = "t", Curves = [curve] }.ToHtml());
        }

        XElement.Parse(new BarChart { Title = "t", Groups = ["g"], Series = [new BarSeries("s", [null], 0)] }.ToHtml());
    }

    [Fact]
    public void Bars_stand_on_zero_with_heights_in_proportion_and_whiskers_around_their_ends()
    {
        var chart = new BarChart
        {
            Title = "t",
            Groups = ["a", "b"],
            Series = [new BarSeries("one", [new Bar(2, 0.5), null], 0), new BarSeries("two", [new Bar(4, null), new Bar(-1, null)], 3)],
        };
        var figure = XElement.Parse(chart.ToHtml());
        double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value);
        var bars = figure.Descendants("rect").ToArray();
        Assert.Equal(["f0", "f3", "f3"], bars.Select(bar => bar.Attribute("class")!.Value));
        Assert.Equal(2, Number(bars[1], "height") / Number(bars[0], "height"), 1);
        var zero = Number(bars[0], "y") + Number(bars[0], "height");
        Assert.Equal(zero, Number(bars[1], "y") + Number(bars[1], "height"), 1);
        Assert.Equal(zero, Number(bars[2], "y"), 1);
        Assert.Single(figure.Descendants("path"), path => path.Attribute("class")!.Value == "whisker");
        Assert.Equal("b, two: -1", bars[2].Element("title")!.Value);
    }

    /// <summary>The end of a chart's vertical axis, as its uppermost label says.</summary>
    private static double AxisEnd(Chart chart) =>
        XElement.Parse(chart.ToHtml()).Descendants("g").First(group => group.Attribute("class")?.Value == "axis")
        .Descendants("text").Where(text => text.Attribute("text-anchor")!.Value == "end").Max(text => double.Parse(text.Value));

    [Theory]
    [InlineData(0.97, 1)]
    [InlineData(1, 1)]
    [InlineData(1.2, 1.5)]
    public void The_axis_of_a_share_ends_at_1_unless_a_value_lies_beyond(double highest, double end)
    {
        BarChart Bars((double, double)? bounds) => new() { Title = "t", Bounds = bounds, Groups = ["a", "b"], Series = [new BarSeries("s", [new Bar(0.3, 0.02), new Bar(highest, 0.1)], 0)] };
        Assert.Equal(end, AxisEnd(Bars((0, 1))));
        Assert.Equal(1.5, AxisEnd(Bars(null)));
        // Nothing is drawn above the axis's end but the number on the bar, for which there is room.
        var figure = XElement.Parse(Bars((0, 1)).ToHtml());
        var top = figure.Descendants("line").Where(line => line.Attribute("class")!.Value == "grid").Min(line => double.Parse(line.Attribute("y1")!.Value));
        Assert.All(figure.Descendants("path").Where(path => path.Attribute("class")!.Value == "whisker"), path => Assert.True(double.Parse(path.Attribute("d")!.Value.Split('V')[1].Split('M')[0]) >= top));
        Assert.All(figure.Descendants("g").Where(group => group.Attribute("class")!.Value == "value").Descendants("text"), text => Assert.True(double.Parse(text.Attribute("y")!.Value) > 10));
    }

    [Fact]
    public void Lines_and_dots_of_shares_stay_within_0_and_1()
    {
        LineChart Line(double[] y, double[]? band = null) => new() { Title = "t", Bounds = (0, 1), Smoothing = 0, Curves = [new Curve("c", [1, 2, 3], y) { Band = band }] };
        Assert.Equal(1, AxisEnd(Line([0.4, 0.9, 0.98], [0.1, 0.1, 0.1])));
        Assert.Equal(1, AxisEnd(Line([1, 1, 1])));
        Assert.Equal(1, AxisEnd(Line([0, 0, 0])));
        Assert.Equal(1, AxisEnd(Line([1, double.NaN, 1.0000001])));
        Assert.True(AxisEnd(Line([0.4, 0.9, 1.1])) > 1);
        var dots = XElement.Parse(new DotChart { Title = "t", Bounds = (0, 1), Rows = [new DotRow("a", 0.97, 0.1, [("seed 1", 0.6), ("seed 2", 1)], 0)] }.ToHtml());
        var right = dots.Descendants("line").Where(line => line.Attribute("class")!.Value == "grid").Max(line => double.Parse(line.Attribute("x1")!.Value));
        Assert.Contains(dots.Descendants("text"), text => text.Value is "1" or "1.0");
        Assert.DoesNotContain(dots.Descendants("text"), text => double.TryParse(text.Value, out var tick) && tick > 1);
        Assert.All(dots.Descendants("circle"), dot => Assert.True(double.Parse(dot.Attribute("cx")!.Value) <= right));
    }

    [Fact]
    public void A_band_reaches_from_the_lower_to_the_upper_bounds_and_breaks_at_gaps()
    {
        var curve = new Curve("c", [0, 1, 2, 3], [2, 4, double.NaN, 4]) { Band = [1, 2, 1, 0], Colour = 7 };
        var figure = XElement.Parse(new LineChart { Title = "t", Curves = [curve], Smoothing = 0 }.ToHtml());
        var band = figure.Descendants("path").Single(path => path.Attribute("class")!.Value == "band f1").Attribute("d")!.Value;
        Assert.Single(figure.Descendants("path"), path => path.Attribute("class")!.Value == "line s1 d1");
        var pieces = band.Split('Z', StringSplitOptions.RemoveEmptyEntries).Select(piece => piece.Split(['M', 'L'], StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split(' ').Select(double.Parse).ToArray()).ToArray()).ToArray();
        Assert.Equal([4, 2], pieces.Select(piece => piece.Length));
        // Along the upper bounds 3, 6 and back along the lower ones 2, 1, in proportion; y grows downwards in SVG.
        var y = pieces[0].Select(point => point[1]).ToArray();
        Assert.Equal([0, 3, -1, -2], y.Select(at => Math.Round((y[0] - at) / (y[0] - y[1]) * 3, 1)));
        Assert.Equal([pieces[0][0][0], pieces[0][1][0]], [pieces[0][3][0], pieces[0][2][0]]);
        Assert.Equal(pieces[1][0], pieces[1][1]);
    }

    [Fact]
    public void Thinning_takes_the_band_along() =>
        Assert.Equal([1, 2.5], new Curve("c", [1, 2, 3, 4], [1, 1, 1, 1]) { Band = [0, 2, 2, 3] }.Thinned(2).Band!);

    [Fact]
    public void Dots_stand_on_the_line_of_their_name_with_a_whisker_around_the_mean()
    {
        var chart = new DotChart
        {
            Title = "t",
            Rows = [new DotRow("a<", 2, 1, [("seed 1", 1), ("seed 2", 3)], 0), new DotRow("b", 4, null, [], 7)],
        };
        var figure = XElement.Parse(chart.ToHtml());
        double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value);
        var dots = figure.Descendants("circle").ToArray();
        Assert.Equal(["faint f0", "faint f0", "f0", "f1"], dots.Select(dot => dot.Attribute("class")!.Value));
        Assert.Equal(["a<, seed 1: 1", "a<, seed 2: 3", "a<: 2.0 ± 1.0", "b: 4"], dots.Select(dot => dot.Value));
        Assert.Equal(Number(dots[2], "cx"), (Number(dots[0], "cx") + Number(dots[1], "cx")) / 2, 1);
        Assert.Equal(Number(dots[3], "cx") - Number(dots[2], "cx"), Number(dots[1], "cx") - Number(dots[0], "cx"), 1);
        Assert.True(Number(dots[3], "cy") > Number(dots[2], "cy"));
        var whisker = figure.Descendants("path").Single().Attribute("d")!.Value;
        Assert.StartsWith($"M{dots[0].Attribute("cx")!.Value} ", whisker);
        Assert.Contains($"H{dots[1].Attribute("cx")!.Value}M", whisker);
        XElement.Parse(new DotChart { Title = "t", Rows = [new DotRow("n", double.NaN, null, [], 0)] }.ToHtml());
    }

    [Fact]
    public void Points_of_a_scatter_chart_have_their_colour_and_their_numbers()
    {
        var chart = new ScatterChart { Title = "t", Curves = [new Curve("a", [3, 1], [1, 2]), new Curve("b", [2], [double.NaN])] };
        var points = XElement.Parse(chart.ToHtml()).Descendants("circle").ToArray();
        Assert.Equal(["a: 3, 1", "a: 1, 2"], points.Select(point => point.Value));
    }
}
