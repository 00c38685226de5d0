using LlmRL.Runs;
using LlmRL.Sweeps;

namespace LlmRL.Tests.Sweeps;

public sealed class SweepTableTests : IDisposable
{
    private readonly SweepFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Two variants, three seeds; the last run is not finished.</summary>
    private SweepResults Results(string metrics = "[pass@1, pass@1/sft, kl]")
    {
        var plan = folder.Plan($"recipe: BASE\nseeds: [1, 2, 3]\nmetrics: {metrics}\nvariants: [{{ name: a }}, {{ name: \"b,c\", set: {{ stages.sft.steps: 5 }} }}]");
        double[] passed = [0.25, 0.5, 1, 0.75, 0.5], distance = [1, 2, 4, 3, 5];
        for (var i = 0; i < passed.Length; i++)
        {
            SweepFolder.Finish(plan.Runs[i], new()
            {
                ["pass@1/sft"] = 0.125,
                ["pass@1_se/sft"] = 0.01,
                ["pass@1/rl"] = passed[i],
                ["pass@1_se/rl"] = 0.02,
                ["kl/rl"] = distance[i],
                ["accuracy/judge"] = 0.75,
            });
        }

        SweepFolder.Finish(plan.Runs[5], plan.Runs[5].Recipe.Stages[0]);
        return SweepResults.Read(plan);
    }

    [Fact]
    public void Means_and_standard_errors_are_those_of_the_formula()
    {
        var table = SweepTable.Of(Results());
        var cell = table.Rows[0].Cells[0]!;
        // x = 1/4, 1/2, 1: x̄ = 7/12, Σ(x − x̄)² = 7/24, s² = 7/48, s/√3 = √(7/144) = √7/12.
        Assert.Equal(7.0 / 12, cell.Mean, 12);
        Assert.Equal(Math.Sqrt(7) / 12, cell.Error!.Value, 12);
        Assert.Equal([1UL, 2, 3], cell.BySeed.Keys);
        Assert.Equal(new Measurement(0.5, 0.02), cell.BySeed[2]);
        // Of two values the standard error is half their distance.
        Assert.Equal((0.625, 0.125), (table.Rows[1].Cells[0]!.Mean, table.Rows[1].Cells[0]!.Error!.Value));
        Assert.Equal(0.125, table.Rows[0].Cells[1]!.Mean);
        Assert.Equal(0.0, table.Rows[0].Cells[1]!.Error);
    }

    [Fact]
    public void One_seed_has_no_error_over_seeds()
    {
        var plan = folder.Plan("recipe: BASE\nmetrics: [kl]");
        SweepFolder.Finish(plan.Runs[0], new() { ["kl/rl"] = 2 });
        Assert.Null(Assert.Single(SweepTable.Of(SweepResults.Read(plan)).Rows).Cells[0]!.Error);
    }

    [Fact]
    public void A_metric_without_a_policy_is_that_of_the_last_policy_that_has_it()
    {
        var table = SweepTable.Of(Results("[pass@1, accuracy, accuracy/judge, nonsense]"));
        Assert.Equal(7.0 / 12, table.Rows[0].Cells[0]!.Mean, 12);
        Assert.Equal([0.75, 0.75], table.Rows[0].Cells.Skip(1).Take(2).Select(cell => cell!.Mean));
        Assert.Equal(["nonsense"], table.Missing);
    }

    [Fact]
    public void Without_metrics_it_is_what_the_evaluation_measured() =>
        Assert.Equal(["pass@1", "accuracy", "kl"], SweepTable.Of(Results("[]")).Metrics);

    [Fact]
    public void The_best_is_marked_where_more_or_less_is_better()
    {
        var table = SweepTable.Of(Results());
        Assert.Equal([false, true], new[] { table.IsBest(0, 0), table.IsBest(1, 0) });
        Assert.Equal([false, false], new[] { table.IsBest(0, 1), table.IsBest(1, 1) });
        Assert.Equal([false, false], new[] { table.IsBest(0, 2), table.IsBest(1, 2) });
    }

    [Fact]
    public void The_files_hold_the_numbers()
    {
        var results = Results();
        SweepFiles.Write(results, "./llmrl run sweep.yaml");
        string[] csv =
        [
            "variant,metric,mean,standard_error,n,seed 1,seed 2,seed 3",
            $"a,pass@1,{7.0 / 12:R},{Math.Sqrt(7) / 12:R},3,0.25,0.5,1",
            "a,pass@1/sft,0.125,0,3,0.125,0.125,0.125",
        ];
        var lines = File.ReadAllLines(folder["out/table.csv"]);
        Assert.Equal(csv[0], lines[0]);
        Assert.Equal(csv[2], lines[2]);
        Assert.Equal("\"b,c\",pass@1,0.625,0.125,2,0.75,0.5,", lines[4]);
        Assert.Equal(7, lines.Length);
        var markdown = File.ReadAllText(folder["out/table.md"]);
        Assert.Contains("`./llmrl run sweep.yaml`", markdown);
        Assert.Contains("over 3 seeds (1, 2, 3). 1 of 6 runs are not finished", markdown);
        Assert.Contains("| variant | pass@1 | pass@1/sft | kl |\n|---|---|---|---|\n| a | 0.58 ± 0.22 |", markdown);
        Assert.Contains("| b,c | **0.62 ± 0.12** |", markdown);
        Assert.Contains("| a | 2 | 0.500 ± 0.020 | 0.125 ± 0.010 | 2 |", markdown);
        Assert.Contains("| b,c | 3 | – | – | – |", markdown);
        using var json = System.Text.Json.JsonDocument.Parse(File.ReadAllText(folder["out/summary.json"]));
        var variant = json.RootElement.GetProperty("variants")[1];
        Assert.Equal(0.625, variant.GetProperty("metrics").GetProperty("pass@1").GetProperty("mean").GetDouble());
        Assert.Equal("b,c/seed-2", variant.GetProperty("runs")[1].GetProperty("folder").GetString());
        Assert.False(variant.GetProperty("runs")[2].GetProperty("finished").GetBoolean());
        // Three stages of two seconds: three runs of a, two and a third of b,c.
        Assert.Equal(32, json.RootElement.GetProperty("seconds").GetDouble());
    }

    [Fact]
    public void A_stage_that_runs_share_counts_once_in_the_time()
    {
        var plan = folder.Plan("recipe: BASE\nvariants: [{ name: a }, { name: b, set: { stages.rl.steps: 9 } }]");
        foreach (var run in plan.Runs)
            SweepFolder.Finish(run);
        Assert.Equal(2 * 3 + 2 * 2, SweepResults.Read(plan).Seconds);
    }
}
