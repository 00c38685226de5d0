using System.Text.Json;
using LlmRL.Faults;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Tests.Rewards;
using LlmRL.Tests.Runs;

namespace LlmRL.Tests.Training;

/// <summary>Evaluation on held-out rows while a stage trains: its numbers, and that nothing else changes, also where a run is stopped.</summary>
[Collection(TensorCollection.Name)]
public sealed class HeldOutTests : IDisposable
{
    private const string Common = "policy: base, data: { generator: arithmetic, split: rl, count: 30 }, reward: { length: { target: 4 } }, prompts_per_step: 2, max_completion_length: 4, learning_rate: 1e-2";
    private const string Held = ", eval_data: { generator: arithmetic, split: test, count: 6 }, eval_steps: 2";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("grpo", "num_generations: 2, beta: 0.02, dynamic_sampling: { max_rounds: 2 }")]
    [InlineData("rloo", "num_generations: 2")]
    [InlineData("ppo", "num_ppo_epochs: 2, num_mini_batches: 2")]
    [InlineData("reinforce", "baseline: moving_average, lora: { r: 2, dropout: 0.1 }")]
    [InlineData("grpo", "num_generations: 2, reward: { weighted: { normalize: before, normalize_over: running, terms: [{ reward: { length: { target: 4 } } }, { reward: { regex: { pattern: '[a-m]' } } }] } }")]
    public void Training_has_the_same_bytes_with_and_without_it(string kind, string settings)
    {
        var common = settings.Contains("reward:", StringComparison.Ordinal) ? Common.Replace("reward: { length: { target: 4 } }, ", "", StringComparison.Ordinal) : Common;
        string Stage(string held) => $"  - {kind}: {{ name: rl, {common}, steps: 5, save_steps: 2, {settings}{held} }}";
        var (plain, held) = (New("plain", Stage("")), New("held", Stage(Held + ", eval_on_start: true, eval_sampling: { num_generations: 3, temperature: 0.7 }")));
        plain.Run();
        held.Run();
        var (wanted, found) = (FaultedWrites.Results(plain.Root), FaultedWrites.Results(held.Root));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted.Where(pair => pair.Key is not ("metrics.jsonl" or "samples.jsonl")), pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));
        var lines = File.ReadAllLines(held.Directory.MetricsPath);
        Assert.Equal(File.ReadAllLines(plain.Directory.MetricsPath), lines.Where(line => !line.Contains("\"eval/", StringComparison.Ordinal)));
        Assert.Equal([0, 2, 4, 5], Rows(held).Select(row => row.Step));
        var samples = File.ReadAllLines(held.Directory.SamplesPath);
        Assert.Equal(File.ReadAllLines(plain.Directory.SamplesPath), samples.Where(line => !line.Contains("\"split\":\"eval\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Answers_to_the_first_held_out_prompts_are_among_the_samples_and_in_the_report()
    {
        string Stage(string name, string settings) => $"  - grpo: {{ name: {name}, {Common}, steps: 5, num_generations: 2, eval_on_start: true, eval_sampling: {{ num_generations: 3 }}{Held}{settings} }}";
        var run = New("samples", string.Join('\n', Stage("few", ""), Stage("none", ", log_completions_steps: 0")));
        run.Run();
        var samples = SamplesWriter.Read(run.Directory.SamplesPath);
        Assert.All(samples, row => Assert.Equal("few", row.Stage));
        var held = samples.Where(row => row.Split == SampleRow.HeldOut).ToArray();
        // After the steps that metrics.jsonl has a row of, the same prompts each time, others than training's.
        Assert.Equal([0, 2, 4, 5], held.Select(row => row.Step).Distinct());
        Assert.All(held.GroupBy(row => row.Step), rows => Assert.Equal([0, 1, 2, 3], rows.Select(row => row.PromptIndex)));
        Assert.Equal(4, held.Select(row => row.Prompt).Distinct().Count());
        Assert.All(held.GroupBy(row => row.PromptIndex), rows => Assert.Single(rows.Select(row => row.Prompt).Distinct()));
        Assert.All(held, row => Assert.True(row.Reward is >= -1 and <= 0));
        var trained = samples.Where(row => row.Split is null).ToArray();
        Assert.Equal([1], trained.Select(row => row.Step).Distinct());
        Assert.Empty(trained.Select(row => row.Prompt).Intersect(held.Select(row => row.Prompt)));
        var html = File.ReadAllText(run.Directory.ReportPath);
        var (training, heldOut) = (html.IndexOf("<summary>Samples while training", StringComparison.Ordinal), html.IndexOf("<summary>Samples of held-out prompts", StringComparison.Ordinal));
        Assert.InRange(training, 0, heldOut);
        Assert.Contains(Html(trained[0]), html[training..heldOut]);
        Assert.All(held.Where(row => row.PromptIndex == 0), row => Assert.Contains($"<td class=\"n\">{row.Step}</td><td>{Html(row)}", html[heldOut..]));

        static string Html(SampleRow row) => $"<pre>{LlmRL.Runs.Plotting.Html.Escape(row.Prompt)}</pre>";
    }

    [Fact]
    public void Greedy_answers_score_as_an_evaluate_stage_says()
    {
        const string reward = "reward: { regex: { pattern: '[a-z]' } }";
        const string data = "{ path: DATA }";
        var stages = $"""
              - grpo: {Braces($"name: rl, {Common.Replace("reward: { length: { target: 4 } }", reward, StringComparison.Ordinal)}, steps: 2, num_generations: 4, eval_data: {data}, eval_sampling: {Braces("temperature: 0, max_completion_length: 6")}")}
              - evaluate: {Braces($"name: eval, policies: [rl], reference: base, data: {data}, {reward}, temperature: 0, max_completion_length: 6")}
            """;
        // Prompts that end alike are answered alike by a model that knows nothing.
        using var run = new TinyRun(stages, string.Join('\n', "abcdefghijklmnopqrstuvwxyz".Select(letter => $"{{\"prompt\": \"{letter}\"}}")));
        var (trained, evaluated) = (run.Summary.Stage("rl")!.Metrics, run.Summary.Stage("eval")!.Metrics);
        Assert.Equal(evaluated["reward/rl"], trained["eval/reward"], 12);
        Assert.Equal(evaluated["reward_se/rl"], trained["eval/reward_se"], 12);
        Assert.True(trained["eval/reward_se"] > 0);
        Assert.Equal(evaluated["length/rl"], trained["eval/completions/mean_length"], 12);
        Assert.Equal(evaluated["clipped_ratio/rl"], trained["eval/completions/clipped_ratio"], 12);
        // Without eval_steps: after the last step. What is taken greedily says nothing of KL.
        Assert.Equal(trained["eval/reward"], Assert.Single(run.Metric("rl", "eval/reward")));
        Assert.DoesNotContain("eval/objective/kl", trained.Keys);
    }

    [Fact]
    public void Rates_of_right_answers_are_over_prompts()
    {
        // One prompt with two gold answers: whatever it is answered, one of the two rows is right at most.
        const string rows = """
            {"prompt": "q", "completion": "#### 7", "answer": "7"}
            {"prompt": "q", "completion": "#### 7", "answer": "8"}
            """;
        using var run = new TinyRun("""
              - sft: { name: sft, data: { path: DATA }, steps: 60, batch_size: 2, learning_rate: 1e-2 }
              - grpo: { name: rl, policy: sft, data: { path: DATA }, reward: { math: { format_bonus: 1 } }, steps: 1, learning_rate: 0, prompts_per_step: 2, num_generations: 2, max_completion_length: 8,
                  eval_data: { path: DATA }, eval_on_start: true, eval_sampling: { num_generations: 4, temperature: 0.2 } }
            """, rows);
        Assert.Equal([0.5, 0.5], run.Metric("rl", "eval/pass@1"));
        Assert.Equal([0.5, 0.5], run.Metric("rl", "eval/pass@4"));
        // Of 1 and 0: s = √½, over √2.
        Assert.Equal(0.5, run.Metric("rl", "eval/pass@1_se")[0], 12);
        Assert.Equal([1.5, 1.5], run.Metric("rl", "eval/reward"));
        Assert.Equal(run.Metric("rl", "eval/reward"), run.Metric("rl", "eval/rewards/math/mean"));
        // The policy is its reference: what is left is the difference of two kernels.
        Assert.All(run.Metric("rl", "eval/objective/kl"), kl => Assert.InRange(Math.Abs(kl), 0, 1e-4));
    }

    [Fact]
    public void All_evaluations_draw_the_same_numbers_and_the_seed_is_their_own()
    {
        string Stage(string name, string extra) =>
            $"  - grpo: {Braces($"name: {name}, {Common.Replace("1e-2", "0", StringComparison.Ordinal)}, steps: 2, num_generations: 2, eval_data: {Test}, eval_steps: 1, eval_on_start: true{extra}")}";
        using var run = new TinyRun(string.Join('\n', Stage("a", ""), Stage("b", ", eval_sampling: { seed: 1 }"), Stage("c", ", eval_sampling: { seed: 1 }"), Stage("d", ", eval_sampling: { seed: 2 }")));
        double[] Of(string stage) => run.Metric(stage, "eval/objective/kl");
        Assert.All("abcd".Select(name => Of($"{name}")), values => Assert.Equal([values[0], values[0], values[0]], values));
        Assert.Equal(Of("b"), Of("c"));
        Assert.NotEqual(Of("a"), Of("b"));
        Assert.NotEqual(Of("b"), Of("d"));
    }

    [Fact]
    public void A_run_that_was_stopped_between_checkpoints_evaluates_again_and_has_the_same_bytes()
    {
        var stage = $"  - grpo: {{ name: rl, {Common}, steps: 6, num_generations: 2, save_steps: 2, save_total_limit: 3, metric_for_best_model: eval/reward, load_best_model_at_end: true{Held} }}";
        var (whole, stopped) = (New("whole", stage), New("stopped", stage));
        whole.Run();
        using (Disk.Inject(new FaultIn("step-4")))
            Assert.Throws<IOException>(() => stopped.Run());
        Assert.Equal(2, stopped.Directory.CheckpointSteps("rl")[^1]);
        Assert.Contains("resuming after step 2 of 6", stopped.Run(resume: true));
        AssertSame(whole, stopped);
    }

    [Fact]
    public void A_run_that_was_stopped_while_it_evaluated_goes_on_with_that()
    {
        using var stop = new CancellationTokenSource();
        using var server = Server(afterEvaluations: 2, stop.Cancel, new Reply("") { Delay = TimeSpan.FromMinutes(1) });
        var stage = Served(server.Url);
        var run = New("stopped", stage);
        Assert.ThrowsAny<OperationCanceledException>(() => run.Run(cancellation: stop.Token));
        // The fourth step is done and logged, its evaluation is not.
        Assert.Equal(4, run.Directory.CheckpointSteps("rl")[^1]);
        Assert.Equal([0, 2], Rows(run).Select(row => row.Step));
        Assert.Equal(4, MetricsReader.Read(run.Directory.MetricsPath)[^1].Step);
        Assert.Contains("resuming after step 4 of 6", run.Run(resume: true));
        AssertSameAsWhole(run, stage);
    }

    [Fact]
    public void A_server_that_fails_in_an_evaluation_costs_no_step()
    {
        using var server = Server(afterEvaluations: 2, () => { }, new Reply("", "400 Bad Request"));
        var stage = Served(server.Url);
        var run = New("failed", stage);
        var fault = Assert.Throws<RewardFailedException>(() => run.Run());
        Assert.Contains(run.Directory.Checkpoint("rl", 4), fault.Message);
        Assert.Equal(4, run.Directory.CheckpointSteps("rl")[^1]);
        run.Run(resume: true);
        AssertSameAsWhole(run, stage);
    }

    [Fact]
    public void The_model_that_does_best_on_held_out_prompts_is_kept()
    {
        // The rate rises steeply: the policy learns first and breaks later.
        var run = New("best", $"""
              - grpo: {Braces($"name: rl, policy: base, data: {Test}, reward: {Braces("regex: { pattern: '[a-m]' }")}, steps: 24, prompts_per_step: 8, num_generations: 8, max_completion_length: 4, learning_rate: 10, warmup_steps: 250, beta: 0, save_steps: 4, save_total_limit: 1, metric_for_best_model: eval/reward, load_best_model_at_end: true, eval_steps: 2, eval_data: {Test}")}
            """);
        var output = run.Run();
        var best = Rows(run).Where(row => row.Step % 4 == 0).MaxBy(row => row.Values["eval/reward"])!;
        Assert.True(best.Step < 24, "the last model is the best: the test shows nothing");
        Assert.Contains($"the model of step {best.Step} is kept, which had the best eval/reward", output);
        Assert.Equal(File.ReadAllBytes(Path.Combine(run.Directory.Checkpoint("rl", best.Step), "model.safetensors")), File.ReadAllBytes(Path.Combine(run.Directory.Final("rl"), "model.safetensors")));
        Assert.Equal(best.Values["eval/reward"], RunSummary.Read(run.Directory.SummaryPath)!.Stage("rl")!.Metrics["eval/reward"]);
    }

    [Fact]
    public void It_is_on_the_console_in_the_report_and_among_the_curves()
    {
        var run = New("shown", $"  - grpo: {{ name: rl, {Common}, steps: 4, num_generations: 2, eval_on_start: true{Held} }}");
        var output = run.Run();
        Assert.Matches("rl  2/4  reward [^ ]+  eval reward -?[0-9.]+  ", output);
        Assert.Matches("rl  done in .*  eval reward -?[0-9.]+ -> -?[0-9.]+", output);
        var html = File.ReadAllText(run.Directory.ReportPath);
        Assert.Contains("held-out", html);
        // Beside the curve of the same name, which gives the plot its title.
        Assert.DoesNotContain("Reward, held-out", html);
        Assert.Contains("<path class=\"band f1\"", html);
        Assert.DoesNotContain("eval/reward_se", html[..html.IndexOf("<details", StringComparison.Ordinal)]);
        Assert.Contains("\"time/evaluation\"", File.ReadAllText(Path.Combine(run.Root, "timings.jsonl")));
        Assert.DoesNotContain("time/evaluation", File.ReadAllText(run.Directory.MetricsPath));
    }

    [Fact]
    public void A_stage_whose_steps_were_raised_keeps_what_was_measured_at_its_old_end_and_is_otherwise_the_same()
    {
        var stage = $"  - grpo: {{ name: rl, {Common}, steps: 5, num_generations: 2, save_steps: 2, save_total_limit: 9, metric_for_best_model: eval/reward, lr_scheduler_type: constant{Held} }}";
        var (whole, raised) = (New("whole", stage), New("raised", stage));
        whole.Run(set: ["stages.rl.steps=8"]);
        raised.Run();
        var end = Rows(raised)[^1];
        Assert.Contains("resuming after step 5 of 8", raised.Run(resume: true, ["stages.rl.steps=8"]));
        Assert.Equal([2, 4, 6, 8], Rows(whole).Select(row => row.Step));
        Assert.Equal([2, 4, 5, 6, 8], Rows(raised).Select(row => row.Step));
        // It says what it said, of weights that there are still, so that a best checkpoint may be this one.
        Assert.Equal(end.Values, Rows(raised)[2].Values);
        Assert.Contains(5, raised.Directory.CheckpointSteps("rl"));
        // All else is as if there had never been another end, the numbers of the summary too.
        static bool IsOfOldEnd(string line) => line.Contains("\"step\":5,", StringComparison.Ordinal) && (line.Contains("\"eval/", StringComparison.Ordinal) || line.Contains("\"split\":", StringComparison.Ordinal));
        foreach (var path in new Func<RunDirectory, string>[] { run => run.MetricsPath, run => run.SamplesPath })
        {
            var lines = File.ReadAllLines(path(raised.Directory));
            Assert.Contains(lines, IsOfOldEnd);
            Assert.Equal(File.ReadAllLines(path(whole.Directory)), lines.Where(line => !IsOfOldEnd(line)));
        }

        File.Copy(whole.Directory.MetricsPath, raised.Directory.MetricsPath, overwrite: true);
        File.Copy(whole.Directory.SamplesPath, raised.Directory.SamplesPath, overwrite: true);
        AssertSame(whole, raised);
    }

    [Fact]
    public void Stages_that_learn_from_data_look_at_held_out_rows_too()
    {
        string Stage(string held) => $"  - sft: {{ name: sft, data: {{ generator: arithmetic, count: 30 }}, eval_data: {Test}, steps: 5, batch_size: 2, save_steps: 2, save_total_limit: 3{held} }}";
        var (plain, held, stopped) = (New("plain", Stage("")), New("held", Stage(", eval_steps: 2")), New("stopped", Stage(", eval_steps: 2")));
        plain.Run();
        held.Run();
        Assert.Equal([2, 4, 5], Rows(held).Select(row => row.Step));
        Assert.Equal(File.ReadAllLines(plain.Directory.MetricsPath), File.ReadAllLines(held.Directory.MetricsPath).Where(line => !line.Contains("\"eval/", StringComparison.Ordinal)));
        var summary = RunSummary.Read(held.Directory.SummaryPath)!.Stage("sft")!.Metrics;
        Assert.Equal(RunSummary.Read(plain.Directory.SummaryPath)!.Stage("sft")!.Metrics, summary);
        Assert.Equal(summary["eval/loss"], Rows(held)[^1].Values["eval/loss"]);
        using (Disk.Inject(new FaultIn("step-4")))
            Assert.Throws<IOException>(() => stopped.Run());
        stopped.Run(resume: true);
        AssertSame(held, stopped);
    }

    [Theory]
    [InlineData("eval_steps: 2", "eval_steps: there are no held-out prompts to answer; name them under eval_data")]
    [InlineData("eval_sampling: { top_p: 0.9 }", "eval_sampling: there are no held-out prompts")]
    [InlineData("save_steps: 2, metric_for_best_model: eval/reward", "metric_for_best_model: eval/reward is measured on held-out rows, which this stage does not do while it runs")]
    [InlineData("save_steps: 3, metric_for_best_model: eval/reward, eval_steps: 2, eval_data: { generator: arithmetic, split: test, count: 6 }", "set eval_steps to a divisor of save_steps, which is 3")]
    [InlineData("save_steps: 2, metric_for_best_model: eval/rewrd, eval_steps: 2, eval_data: { generator: arithmetic, split: test, count: 6 }", "metric_for_best_model is eval/rewrd, which no step up to step 2 logged. There are ")]
    [InlineData("eval_data: { generator: arithmetic, split: test, count: 6 }, eval_sampling: { max_completion_length: 150 }", "eval_data: the prompt at ")]
    [InlineData("eval_data: { generator: arithmetic, split: test, count: 6 }, eval_sampling: { temprature: 1 }", "Did you mean temperature?")]
    public void What_cannot_be_measured_is_refused(string settings, string text)
    {
        var run = New("refused", $"  - grpo: {{ name: rl, {Common}, steps: 4, num_generations: 2, {settings} }}");
        Assert.Contains(text, Assert.Throws<BadInputException>(() => run.Run()).Message);
    }

    private const string Test = "{ generator: arithmetic, split: test, count: 6 }";

    private static string Braces(string inner) => "{ " + inner + " }";

    private static MetricsRow[] Rows(SmallRun run) => [.. MetricsReader.Read(run.Directory.MetricsPath).Where(row => row.Values.Keys.Any(key => key.StartsWith("eval/", StringComparison.Ordinal)))];

    /// <summary>Scores letters; of the requests with held-out prompts, which alone come by sixes, one is answered otherwise.</summary>
    private static FaultyServer Server(int afterEvaluations, Action then, Reply instead)
    {
        var evaluations = 0;
        return new FaultyServer((_, request) =>
        {
            if (request.Completions.Length != 6 || evaluations++ != afterEvaluations)
                return FaultyServer.Scores(request, text => text.Count(char.IsLetter));
            then();
            return instead;
        });
    }

    private static string Served(string url) => $"  - grpo: {{ name: rl, {Common.Replace("length: { target: 4 }", $"http: {{ url: \"{url}\", batch_size: 64, retries: 0 }}", StringComparison.Ordinal)}, steps: 6, "
        + $"num_generations: 2, save_steps: 2, metric_for_best_model: eval/reward, load_best_model_at_end: true, eval_on_start: true{Held} }}";

    private void AssertSameAsWhole(SmallRun run, string stage)
    {
        var whole = New("whole", stage);
        whole.Run();
        Assert.Equal([0, 2, 4, 6], Rows(whole).Select(row => row.Step));
        AssertSame(whole, run);
    }

    private static void AssertSame(SmallRun expected, SmallRun actual)
    {
        var (wanted, found) = (FaultedWrites.Results(expected.Root), FaultedWrites.Results(actual.Root));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));
        string Metrics(SmallRun run) => JsonSerializer.Serialize(RunSummary.Read(run.Directory.SummaryPath)!.Stages.Select(stage => stage.Metrics));
        Assert.Equal(Metrics(expected), Metrics(actual));
    }

    private SmallRun New(string name, string stages)
    {
        Directory.CreateDirectory(folder[name]);
        return new SmallRun(folder[name], stages);
    }

    private sealed class FaultIn(string name) : IDiskFaults
    {
        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            operation == DiskOperation.Write && path.Contains(name, StringComparison.Ordinal) ? new WriteFault(0, new IOException("No space left on device")) : null;
    }
}
