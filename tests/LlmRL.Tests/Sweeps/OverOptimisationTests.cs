using LlmRL.Evaluation;
using LlmRL.Runs;
using LlmRL.Sweeps;

namespace LlmRL.Tests.Sweeps;

/// <summary>From logged rewards and KL to curves, fits and files.</summary>
public sealed class OverOptimisationTests : IDisposable
{
    private const int Steps = 50;

    private readonly SweepFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Two proxies × two learning rates × two seeds: gold follows d(α − β ln d) of the variant, best-of-n d(1.5 − 0.5d), above the SFT policy's 5 (seed 1) or 7.</summary>
    private SweepResults Results(string more = "")
    {
        var plan = folder.Plan($$"""
            recipe: BASE
            seeds: [1, 2]
            variants: [{ name: weak }, { name: strong, set: { stages.sft.steps: 8 } }]
            grid: { stages.rl.learning_rate: [1e-3, 1e-2] }
            over_optimisation: { proxy: sft, points: {{Steps}} }
            metrics: [gold]
            {{more}}
            """);
        foreach (var run in plan.Runs)
        {
            var (alpha, beta) = Law(run.Variant);
            var origin = run.Seed == 1 ? 5.0 : 7.0;
            var measured = new OrderedDictionary<string, double> { ["gold/sft"] = origin, ["reward/sft"] = 1, ["kl/sft"] = 0 };
            foreach (var n in new[] { 1, 4, 2, 8 })
            {
                var d = Math.Sqrt(BestOfN.Kl(n));
                (measured[$"gold/sft-best-of-{n}"], measured[$"reward/sft-best-of-{n}"], measured[$"kl/sft-best-of-{n}"]) = (origin + d * (1.5 - 0.5 * d), 1 + 2 * d, d * d);
            }

            SweepFolder.Finish(run, measured);
            using var metrics = new MetricsWriter(Path.Combine(run.Folder, "metrics.jsonl"));
            metrics.Write(1, "sft", [new("loss", 1)]);
            for (var step = 1; step <= Steps; step++)
            {
                var d = 0.1 * step;
                metrics.Write(step, "rl", [new("rewards/sft/mean", 1 + 3 * d), new("rewards/gold/mean", origin + d * (alpha - beta * Math.Log(d))), new("objective/kl", d * d)]);
            }
        }

        return SweepResults.Read(plan);
    }

    private static (double Alpha, double Beta) Law(string variant) => (variant.StartsWith("weak", StringComparison.Ordinal) ? 1.05 : 2.0, variant.EndsWith("1e-2", StringComparison.Ordinal) ? 1.0 : 0.5);

    [Fact]
    public void Variants_with_one_proxy_are_together_with_its_best_of_n()
    {
        var groups = OptimisationGroup.Of(Results());
        Assert.Equal(["weak", "strong"], groups.Select(group => group.Name));
        Assert.Equal(["best-of-n", "weak,learning_rate=1e-3", "weak,learning_rate=1e-2"], groups[0].Curves.Select(curve => curve.Name));
        Assert.Equal([OptimisationMethod.BestOfN, OptimisationMethod.Rl, OptimisationMethod.Rl], groups[0].Curves.Select(curve => curve.Method));
        Assert.Equal([1, 2, 4, 8, 1, 2, 4, 8], groups[1].Curves[0].Points.Select(point => point.At));
    }

    [Fact]
    public void Fits_find_the_laws_whatever_the_seeds_start_from()
    {
        foreach (var curve in OptimisationGroup.Of(Results()).SelectMany(group => group.Curves))
        {
            var fit = curve.Fit(point => point.Gold)!;
            var (alpha, beta) = curve.Method == OptimisationMethod.BestOfN ? (1.5, 0.5) : Law(curve.Name);
            Assert.Equal((alpha, beta, 1), (Math.Round(fit.Alpha, 9), Math.Round(fit.Beta, 9), Math.Round(fit.RSquared, 9)));
            var (alphaError, betaError) = curve.Errors(point => point.Gold);
            Assert.Equal((0, 0), (Math.Round(alphaError!.Value, 9), Math.Round(betaError!.Value, 9)));
            Assert.Equal(curve.Method == OptimisationMethod.BestOfN ? 8 : 2 * Steps, fit.Count);
        }
    }

    [Fact]
    public void Training_should_stop_at_the_first_step_that_has_reached_the_maximum()
    {
        var curves = OptimisationGroup.Of(Results())[0].Curves;
        // α/β = 2.1: the maximum is at e^1.1 = 3.004, first reached at step 31; α/β = 1.05: at d = 1.051, step 11. d of best-of-8 is 1.1, and α/2β = 1.5.
        Assert.Equal([null, 31, 11], curves.Select(curve => curve.StopAt));
        var end = curves[1].End!;
        Assert.Equal((50, 4.8), (end.At, Math.Round(end.Distance, 9)));
        Assert.Equal(3 * 4.8, end.Proxy, 9);
    }

    [Fact]
    public void Steps_are_averaged_in_spans_before_the_root_is_taken()
    {
        var results = Results();
        var point = OptimisationGroup.Of(results with { Plan = results.Plan with { Sweep = results.Plan.Sweep with { Sweep = results.Plan.Sweep.Sweep with { OverOptimisation = new() { Proxy = "sft", Points = 25 } } } } })[0].Curves[1].Points[1];
        // Steps 3 and 4: KL 0.09 and 0.16.
        Assert.Equal((3.5, Math.Round(Math.Sqrt(0.125), 9), 1.05), (point.At, Math.Round(point.Distance, 9), Math.Round(point.Proxy, 9)));
    }

    [Fact]
    public void The_files_hold_fits_and_points_and_the_report_draws_them()
    {
        var results = Results();
        SweepFiles.Write(results, null);
        var fits = File.ReadAllLines(folder["out/over-optimisation.csv"]);
        Assert.Equal(1 + 2 * 3 * 2, fits.Length);
        Assert.StartsWith("weak,\"weak,learning_rate=1e-2\",d(a-b*ln(d)),gold,", fits[5], StringComparison.Ordinal);
        Assert.EndsWith(",true,11", fits[5], StringComparison.Ordinal);
        Assert.Equal(1 + 2 * (8 + 2 * 2 * Steps), File.ReadAllLines(folder["out/over-optimisation-points.csv"]).Length);
        Assert.Contains("## Over-optimisation", File.ReadAllText(folder["out/table.md"]));
        Assert.Contains("| weak,learning_rate=1e-2 | 1.05 ± ", File.ReadAllText(folder["out/table.md"]));
        var html = File.ReadAllText(folder["out/report.html"]);
        Assert.Contains("<section id=\"over-optimisation\">", html);
        Assert.Equal(2, html.Split("<b>Proxy and gold: ").Length - 1);
        // A ring for each maximum within the data, d ≤ 5: weak at 3 and 1.05, strong at e but not at e³. They are no farther apart than that one plot shows them.
        Assert.DoesNotContain("Near the best points", html);
        Assert.Equal(3, html.Split("maximum of the fit").Length - 1);
    }

    [Fact]
    public void Without_the_key_there_is_none_of_it()
    {
        var results = Results();
        var plain = results with { Plan = results.Plan with { Sweep = results.Plan.Sweep with { Sweep = results.Plan.Sweep.Sweep with { OverOptimisation = null } } } };
        SweepFiles.Write(plain, null);
        Assert.False(File.Exists(folder["out/over-optimisation.csv"]));
        Assert.DoesNotContain("Over-optimisation", File.ReadAllText(folder["out/report.html"]));
    }
}
