using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class RunConsoleTests
{
    private static KeyValuePair<string, double>[] Grpo(double reward) =>
        [new("loss", 0.001), new("kl", 0.0132), new("reward", reward), new("completions/mean_length", 21.37), new("tokens_per_second", 12_345.6)];

    [Fact]
    public void Plain_lines_come_at_the_first_and_last_step_and_every_few_seconds_between()
    {
        var clock = new FakeClock();
        using var output = new StringWriter();
        using var console = RunConsole.Create(output, clock, live: false);
        console.StageStarted("grpo", "grpo", 150);
        for (var step = 1; step <= 150; step++)
        {
            clock.Advance(0.5);
            console.Step(step, Grpo(0.62));
        }

        var lines = output.ToString().ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("grpo  1/150  reward 0.62  kl 0.0132  len 21.4  12,300 tok/s  eta 1:14", lines[0]);
        Assert.Equal("grpo  7/150  reward 0.62  kl 0.0132  len 21.4  12,300 tok/s  eta 1:12", lines[1]);
        Assert.Equal("grpo  150/150  reward 0.62  kl 0.0132  len 21.4  12,300 tok/s  eta 0:00", lines[^1]);
        Assert.Equal(1 + 24 + 1, lines.Length);
    }

    [Fact]
    public void The_slow_first_step_does_not_spoil_the_time_left()
    {
        var clock = new FakeClock();
        using var output = new StringWriter();
        using var console = RunConsole.Create(output, clock, live: false);
        console.StageStarted("sft", "sft", 10);
        clock.Advance(60);
        console.Step(1, [new("loss", 2)]);
        clock.Advance(4);
        console.Step(2, [new("loss", 1)]);
        Assert.EndsWith("sft  2/10  loss 1  eta 0:32\n", output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_finished_stage_says_how_long_it_took_what_changed_and_where_it_is()
    {
        var clock = new FakeClock();
        using var output = new StringWriter();
        using var console = RunConsole.Create(output, clock, live: false);
        console.StageStarted("sft", "sft", 2);
        console.Step(1, [new("loss", 2.31), new("mean_token_accuracy", 0.3)]);
        console.Step(2, [new("loss", 0.41), new("mean_token_accuracy", 0.9)]);
        console.StageFinished(new StageSummary("sft", "sft", 2, 41.23, []), "runs/x/final/sft");
        Assert.EndsWith("sft  done in 41.2 s  loss 2.31 -> 0.41  acc 0.3 -> 0.9  -> runs/x/final/sft\n", output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public void The_end_shows_the_results_before_and_after_and_where_to_look()
    {
        using var folder = new TemporaryFolder();
        var directory = RunDirectory.Create(folder["x"]);
        foreach (var (stage, head) in new[] { ("grpo", "LlamaForSequenceClassification"), ("sft", "LlamaForCausalLM"), ("zzz.tmp", "") })
        {
            Directory.CreateDirectory(directory.Final(stage));
            File.WriteAllText(Path.Combine(directory.Final(stage), "config.json"), $$"""{"architectures":["{{head}}"]}""");
        }

        File.WriteAllText(directory.ReportPath, "");
        using var output = new StringWriter();
        using var console = RunConsole.Create(output, new FakeClock(), live: false);
        console.RunFinished(RunSummaryTests.Example, directory);
        var text = output.ToString().ReplaceLineEndings("\n");
        Assert.Contains("arithmetic-grpo: 3 stages done in 3 min 12 s.", text);
        Assert.Contains("  pass@1       0.421 ± 0.016   0.713 ± 0.014   +0.292\n", text);
        Assert.Contains("  pass@8       0.81            0.9             +0.09\n", text);
        Assert.Contains(directory.ReportPath, text);
        Assert.Contains($"Models  {directory.Final("sft")}, {directory.Final("grpo")}  (", text);
        // What writes nothing is not what to try.
        Assert.Contains($"llmrl generate --model {directory.Final("sft")} --prompt", text);
        Assert.DoesNotContain('\u001b', text);
        File.WriteAllText(Path.Combine(directory.Final("sft"), "chat_template.jinja"), "");
        Assert.Contains($"llmrl generate --model {directory.Final("sft")} --chat --prompt", string.Join('\n', PlainText.Results(RunSummaryTests.Example, directory)));
    }

    [Theory]
    [InlineData(false, "TERM", "xterm-256color", true)]
    [InlineData(true, "TERM", "xterm-256color", false)]
    [InlineData(false, "TERM", "dumb", false)]
    [InlineData(false, "NO_COLOR", "1", false)]
    [InlineData(false, "CI", "true", false)]
    public void The_display_moves_only_on_a_terminal_that_can(bool redirected, string name, string value, bool expected)
    {
        var environment = new Dictionary<string, string> { ["TERM"] = "xterm" };
        environment[name] = value;
        Assert.Equal(expected, RunConsole.CanBeLive(redirected, environment.GetValueOrDefault));
    }

    [Fact]
    public void The_live_display_shows_bar_trend_and_warnings_and_cleans_up()
    {
        var clock = new FakeClock();
        using var output = new StringWriter();
        using (var console = RunConsole.Create(output, clock, live: true, width: 100))
        {
            console.StageStarted("grpo [x]", "grpo", 4);
            for (var step = 1; step <= 4; step++)
            {
                clock.Advance(1);
                console.Step(step, Grpo(step / 4.0));
            }

            console.Warn("the [learning] rate is high");
            console.StageFinished(new StageSummary("grpo [x]", "grpo", 4, 4, []));
        }

        var text = output.ToString();
        Assert.Contains("4/4", text);
        Assert.Contains("▁▃▆█", text);
        Assert.Contains("warning: the [learning] rate is high", text);
        Assert.Contains("grpo [x]  done in 4.0 s  reward 0.25 -> 1", text);
        Assert.Contains("\u001b[?25h", text);
    }

    [Fact]
    public void A_warning_stays_on_one_line_however_long()
    {
        using var output = new StringWriter();
        using var console = RunConsole.Create(output, new FakeClock(), live: false);
        var message = string.Join(' ', Enumerable.Repeat("word", 60));
        console.Warn(message);
        Assert.Equal($"warning: {message}\n", output.ToString().ReplaceLineEndings("\n"));
    }
}
