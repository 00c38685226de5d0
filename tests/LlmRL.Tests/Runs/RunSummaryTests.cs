using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class RunSummaryTests
{
    internal static RunSummary Example { get; } = new()
    {
        Name = "arithmetic-grpo",
        Seed = ulong.MaxValue,
        Version = "0.1.0",
        Command = "llmrl run recipes/x.yaml",
        Stages =
        [
            new StageSummary("sft", "sft", 400, 61.5, new() { ["loss_before"] = 2.31, ["loss_after"] = 0.41 }),
            new StageSummary("grpo", "grpo", 150, 120.25, []),
            new StageSummary("eval", "evaluate", 0, 10.5, new()
            {
                ["pass@8/sft"] = 0.81,
                ["pass@8/grpo"] = 0.9,
                ["pass@1/sft"] = 0.421,
                ["pass@1_se/sft"] = 0.0156,
                ["pass@1/grpo"] = 0.713,
                ["pass@1_se/grpo"] = 0.0143,
                ["length/sum/grpo"] = double.NaN,
            }),
        ],
    };

    [Fact]
    public void The_file_has_the_agreed_form_and_reads_back()
    {
        using var folder = new TemporaryFolder();
        (Example with { Stages = [Example.Stages[0]] }).Write(folder["summary.json"]);
        Assert.Equal(
            """
            {
              "name": "arithmetic-grpo",
              "seed": 18446744073709551615,
              "seconds": 61.5,
              "version": "0.1.0",
              "command": "llmrl run recipes/x.yaml",
              "stages": [
                {
                  "name": "sft",
                  "kind": "sft",
                  "steps": 400,
                  "seconds": 61.5,
                  "metrics": {
                    "loss_before": 2.31,
                    "loss_after": 0.41
                  }
                }
              ]
            }

            """.ReplaceLineEndings("\n"), File.ReadAllText(folder["summary.json"]));

        Example.Write(folder["summary.json"]);
        var read = RunSummary.Read(folder["summary.json"])!;
        Assert.Equal((Example.Name, Example.Seed, Example.Version, Example.Command), (read.Name, read.Seed, read.Version, read.Command));
        Assert.Equal(192.25, read.Seconds);
        foreach (var (expected, actual) in Example.Stages.Zip(read.Stages))
        {
            Assert.Equal((expected.Name, expected.Kind, expected.Steps, expected.Seconds), (actual.Name, actual.Kind, actual.Steps, actual.Seconds));
            Assert.Equal(expected.Metrics, actual.Metrics);
        }
    }

    [Fact]
    public void An_absent_file_is_no_summary_and_a_broken_one_is_an_error_that_names_it()
    {
        using var folder = new TemporaryFolder();
        Assert.Null(RunSummary.Read(folder["summary.json"]));
        foreach (var text in new[] { "{", "[]", "{\"name\":\"x\"}", "{\"name\":\"x\",\"seed\":-1,\"stages\":[]}" })
        {
            File.WriteAllText(folder["summary.json"], text);
            Assert.Contains(folder["summary.json"], Assert.Throws<BadInputException>(() => RunSummary.Read(folder["summary.json"])).Message);
        }
    }

    [Fact]
    public void A_second_run_of_a_stage_takes_the_place_of_the_first_and_other_stages_stay()
    {
        var again = new StageSummary("grpo", "grpo", 300, 200, []);
        Assert.Equal(["sft", "grpo", "eval"], Example.With(again).Stages.Select(stage => stage.Name));
        Assert.Equal(300, Example.With(again).Stage("grpo")!.Steps);
        var fresh = (Example with { Stages = [] }).With(again).MergedWith(Example);
        Assert.Equal([("sft", 400), ("eval", 0), ("grpo", 300)], fresh.Stages.Select(stage => (stage.Name, stage.Steps)));
    }

    [Fact]
    public void Evaluate_metrics_become_a_table_of_policies()
    {
        var table = EvaluationTable.Of(Example.Stage("eval")!);
        Assert.Equal(["sft", "grpo"], table.Policies);
        Assert.Equal(["pass@1", "pass@8", "length/sum"], table.Rows.Select(row => row.Metric));
        var row = table.Rows[0];
        Assert.Equal(new Measurement(0.421, 0.0156), row.Cells["sft"]);
        Assert.Equal(0.292, row.Change!.Value.Value, 12);
        Assert.Equal(Math.Sqrt(0.0156 * 0.0156 + 0.0143 * 0.0143), row.Change.Value.Error!.Value, 15);
        Assert.Null(table.Rows[2].Change);
        Assert.Empty(EvaluationTable.Of(Example.Stage("sft")!).Rows);
    }

    [Theory]
    [InlineData(0.713, 0.0143, "0.713 ± 0.014")]
    [InlineData(0.5, 0.1, "0.50 ± 0.10")]
    [InlineData(21.37, 0.4, "21.37 ± 0.40")]
    [InlineData(12345.6, 40, "12346 ± 40")]
    [InlineData(1, 0, "1 ± 0")]
    [InlineData(0.992, 1e-17, "0.992 ± 0")]
    public void A_measurement_is_shown_to_the_digits_its_error_supports(double value, double error, string expected) =>
        Assert.Equal(expected, Shown.Measured(value, error));

    [Theory]
    [InlineData(0.62, "0.62")]
    [InlineData(0.01234, "0.0123")]
    [InlineData(21.37, "21.4")]
    [InlineData(999.7, "1,000")]
    [InlineData(12345, "12,345")]
    [InlineData(0.000015, "1.5e-5")]
    [InlineData(-0.5, "-0.5")]
    [InlineData(0, "0")]
    [InlineData(double.NaN, "NaN")]
    public void A_number_is_shown_to_three_digits(double value, string expected) => Assert.Equal(expected, Shown.Number(value));

    [Theory]
    [InlineData(35.4, "0:35")]
    [InlineData(727, "12:07")]
    [InlineData(3729, "1:02:09")]
    public void A_clock_time(double seconds, string expected) => Assert.Equal(expected, Shown.Clock(seconds));

    [Theory]
    [InlineData(41.23, "41.2 s")]
    [InlineData(59.96, "1 min 00 s")]
    [InlineData(192, "3 min 12 s")]
    [InlineData(7500, "2 h 05 min")]
    public void A_duration(double seconds, string expected) => Assert.Equal(expected, Shown.Duration(seconds));

    [Fact]
    public void A_trend_is_drawn_from_its_lowest_to_its_highest_value()
    {
        Assert.Equal("▁▂▃▄▅▆▇█", Shown.Sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8));
        Assert.Equal("▁█", Shown.Sparkline([0, 0, 0, 5, 5, 5], 2));
        Assert.Equal("▄▄", Shown.Sparkline([3, 3], 8));
        Assert.Equal("▁ █", Shown.Sparkline([0, double.NaN, 1], 3));
        Assert.Equal("", Shown.Sparkline([], 3));
    }
}
