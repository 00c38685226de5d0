using System.Text.RegularExpressions;
using LlmRL.Runs;
using LlmRL.Sweeps;

namespace LlmRL.Tests.Sweeps;

public sealed class SweepCurvesTests : IDisposable
{
    private readonly SweepFolder folder = new();

    public void Dispose() => folder.Dispose();

    private SweepResults Results(int steps, Func<double, int, double> value, string curves = "[{ metric: reward }]")
    {
        var plan = folder.Plan($"recipe: BASE\nseeds: [1, 2, 3]\ncurves: {curves}\nvariants: [{{ name: a }}]");
        foreach (var run in plan.Runs)
        {
            SweepFolder.Finish(run, new() { ["pass@1/rl"] = 0.5 });
            using var metrics = new MetricsWriter(Path.Combine(run.Folder, "metrics.jsonl"));
            metrics.Write(1, "sft", [new("loss", 3), new("reward", -100)]);
            for (var step = 1; step <= steps - (run.Seed == 3 ? 1 : 0); step++)
                metrics.Write(step, "rl", [new("reward", value(run.Seed, step)), new("num_tokens", 100.0 * step + run.Seed)]);
        }

        return SweepResults.Read(plan);
    }

    [Fact]
    public void A_curve_is_the_mean_over_seeds_with_a_band_of_one_standard_error()
    {
        var results = Results(4, (seed, step) => seed * step);
        var curve = SweepCurves.Of(results.Runs, new SweepCurve { Metric = "reward" }, "a");
        Assert.Equal([1, 2, 3, 4], curve.X);
        // Seeds 1, 2, 3 times the step: mean 2·step, s = step, s/√3. Seed 3 lacks the last step: mean 6 of 4 and 8, s/√2 = 2.
        Assert.Equal([2, 4, 6, 6], curve.Y);
        Assert.Equal([1 / Math.Sqrt(3), 2 / Math.Sqrt(3), 3 / Math.Sqrt(3), 2], curve.Band!, Near);
    }

    [Fact]
    public void The_horizontal_axis_may_be_a_metric_and_the_stage_may_be_named()
    {
        var results = Results(3, (_, _) => 1);
        Assert.Equal([102, 202, 301.5], SweepCurves.Of(results.Runs, new SweepCurve { Metric = "reward", X = "num_tokens" }, "a").X);
        Assert.Equal([-100], SweepCurves.Of(results.Runs, new SweepCurve { Metric = "reward", Stage = "sft" }, "a").Y);
        Assert.Empty(SweepCurves.Of(results.Runs, new SweepCurve { Metric = "nonsense" }, "a").X);
    }

    [Fact]
    public void Seeds_are_smoothed_before_they_are_averaged()
    {
        // Noise that the trend removes: of opposite sign in neighbouring steps, and of another size in each seed.
        var results = Results(200, (seed, step) => step + seed * (step % 2 == 0 ? 10 : -10));
        var curve = SweepCurves.Of(results.Runs, new SweepCurve { Metric = "reward" }, "a");
        for (var i = 20; i < 180; i++)
        {
            Assert.Equal(curve.X[i], curve.Y[i], 0.1);
            Assert.InRange(curve.Band![i], 0, 0.1);
        }
    }

    [Fact]
    public void The_report_draws_them_and_needs_nothing_else()
    {
        var results = Results(30, (seed, step) => seed + step, "[{ metric: reward }, { metric: num_tokens, stage: rl }, { metric: nonsense }]");
        var html = SweepReport.Render(results, SweepTable.Of(results), "./llmrl run <x>");
        Assert.Equal(2, Regex.Count(html, "class=\"band f0\""));
        Assert.Contains("./llmrl run &lt;x&gt;", html);
        Assert.Contains("href=\"a/seed-2/report.html\"", html);
        Assert.DoesNotMatch(new Regex("src\\s*=|https?://|url\\(|@import|NaN"), html);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("a", true)]
    [InlineData("a,beta=1", true)]
    [InlineData("a,beta=10", false)]
    [InlineData("b", false)]
    public void A_plot_may_show_some_variants(string wanted, bool isShown) =>
        Assert.Equal(isShown, new SweepCurve { Metric = "reward", Variants = wanted.Length == 0 ? [] : [wanted] }.Shows("a,beta=1"));

    private static bool Near(double a, double b) => Math.Abs(a - b) < 1e-12;
}
