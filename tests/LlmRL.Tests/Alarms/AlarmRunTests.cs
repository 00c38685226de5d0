using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Faults;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Alarms;

/// <summary>Alarms in whole runs: what is shown and kept, what stops, and that resuming changes nothing.</summary>
[Collection(TensorCollection.Name)]
public sealed class AlarmRunTests : IDisposable
{
    // Random weights rarely end a completion, so that nearly all are cut off.
    private const string Settings = "alarms: { clipped_completions: { above: 0.1, window: 3 } }";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_alarm_is_on_the_console_in_the_summary_and_in_the_report()
    {
        var run = New("run", Settings);
        var output = run.Run();
        Assert.Contains("alarm: rl: clipped_completions since step 3: completions/clipped_ratio is ", output);
        Assert.Contains("Raise max_completion_length", output);
        Assert.Matches("rl  6/6 .*  ! clipped_completions", output);
        var stage = RunSummary.Read(run.Directory.SummaryPath)!.Stage("rl")!;
        var found = Assert.Single(stage.Alarms!);
        Assert.Equal(("clipped_completions", 3, null, 6), (found.Alarm, found.From, found.To, stage.Steps));
        var html = File.ReadAllText(run.Directory.ReportPath);
        Assert.Contains("<section id=\"alarms\">", html);
        Assert.Contains("<rect class=\"alarm\"", html);
        Assert.Contains("Shaded: alarm clipped_completions.", html);
        Assert.Contains("3 to 6 (end)", html);
        Assert.Contains("arXiv 2503.14476", html);
    }

    [Fact]
    public void A_run_without_alarms_says_so_and_one_that_has_them_off_says_nothing()
    {
        var (quiet, off) = (New("quiet", "alarms: { clipped_completions: off }"), New("off", "alarms: off"));
        quiet.Run();
        off.Run();
        Assert.Contains("None was raised in rl.", File.ReadAllText(quiet.Directory.ReportPath));
        Assert.DoesNotContain("id=\"alarms\"", File.ReadAllText(off.Directory.ReportPath));
        Assert.Empty(RunSummary.Read(quiet.Directory.SummaryPath)!.Stage("rl")!.Alarms!);
    }

    [Fact]
    public void A_run_that_was_interrupted_has_the_same_alarms()
    {
        var (whole, stopped) = (New("whole", Settings), New("stopped", Settings));
        whole.Run();
        using (Disk.Inject(new FaultIn("step-4")))
            Assert.Throws<IOException>(() => stopped.Run());
        // Raised at step 3, before the checkpoint after step 2 could tell: it is raised again. The window reaches back over the checkpoint.
        var output = stopped.Run(resume: true);
        Assert.Contains("resuming after step 2 of 6", output);
        Assert.Contains("clipped_completions since step 3", output);
        AssertSame(whole, stopped);
    }

    [Fact]
    public void An_alarm_that_stops_ends_the_stage_with_a_checkpoint_and_its_model()
    {
        var settings = Settings.Replace("window: 3", "window: 3, stop: true", StringComparison.Ordinal);
        var (whole, stopped) = (New("whole", settings), New("stopped", settings));
        var output = whole.Run();
        Assert.Contains($"rl: ended after step 3 of 6 by the alarm clipped_completions, checkpoint {whole.Directory.Checkpoint("rl", 3)}", output);
        Assert.Equal([2, 3], whole.Directory.CheckpointSteps("rl"));
        var stage = RunSummary.Read(whole.Directory.SummaryPath)!.Stage("rl")!;
        Assert.Equal((3, 3), (stage.Steps, Assert.Single(stage.Alarms!).From));
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole.Directory.Checkpoint("rl", 3), "model.safetensors")), File.ReadAllBytes(Path.Combine(whole.Directory.Final("rl"), "model.safetensors")));
        // Finished, and reused as such.
        Assert.Contains("rl  already done", whole.Run());

        using (Disk.Inject(new FaultIn(Path.Combine("final", "rl"))))
            Assert.Throws<IOException>(() => stopped.Run());
        Assert.Contains("resuming after step 3 of 6", stopped.Run(resume: true));
        AssertSame(whole, stopped);
    }

    [Fact]
    public void Alarms_that_only_watch_are_no_other_recipe_and_those_that_stop_are()
    {
        var run = New("run", Settings);
        run.Run();
        Assert.Contains("rl  already done", run.Run(set: ["stages.0.grpo.alarms=off"]));
        Assert.Contains("rl  already done", run.Run(set: ["alarms.kl.above=3"]));
        Assert.DoesNotContain("already done", run.Run(set: ["alarms.kl.stop=true"]));
    }

    [Fact]
    public void The_console_says_that_an_alarm_sees_nothing()
    {
        var run = New("run", "kl_in: reward, alarms: { over_optimisation: { gold: kl, window: 2 } }");
        var output = run.Run();
        Assert.Contains("warning: rl: the alarm over_optimisation sees nothing: no step so far has logged kl. There are ", output);
        Assert.Single(output.Split('\n'), line => line.Contains("sees nothing", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_metric_that_a_stage_logs_is_known_before_it_runs()
    {
        const string common = "policy: base, data: { generator: arithmetic, count: 30 }, reward: { weighted: { terms: [{ reward: math }, { reward: { length: { target: 4 } }, name: short }] } }, steps: 1, "
            + "prompts_per_step: 2, max_completion_length: 4, eval_data: { generator: arithmetic, split: test, count: 3 }, eval_steps: 1, eval_sampling: { num_generations: 2 }";
        string[] stages =
        [
            $"grpo: {{ name: a, {common}, num_generations: 2, num_iterations: 2, target_kl: 1, dynamic_sampling: {{}}, entropy_coef: 0.1, entropy_coef_final: 0, adaptive_kl: {{}}, kl_in: reward }}",
            $"grpo: {{ name: b, {common}, num_generations: 2, loss_type: cispo, epsilon_high: 5 }}",
            $"ppo: {{ name: c, {common}, num_ppo_epochs: 2, cliprange_value: 0.2 }}",
            $"reinforce: {{ name: d, {common}, baseline: moving_average, num_iterations: 2 }}",
            $"reinforce: {{ name: e, {common}, baseline: value, reward_to_go: true }}",
            $"rloo: {{ name: f, {common}, num_generations: 2 }}",
            $"rebel: {{ name: g, {common} }}",
            $"rejection_sampling: {{ name: h, {common}, num_generations: 2 }}",
            $"reinforce_plus_plus: {{ name: i, {common} }}",
        ];
        Directory.CreateDirectory(folder["all"]);
        var run = new SmallRun(folder["all"], string.Join('\n', stages.Select(stage => "  - " + stage)));
        run.Run();
        var recipe = RecipeBinder.Load<Recipe>(run.RecipeFile);
        Assert.Equal(Variants.Of(typeof(Stage)).ByName.Values.Where(kind => typeof(OnlineStage).IsAssignableFrom(kind)).ToHashSet(), recipe.Stages.Select(stage => stage.GetType()).ToHashSet());
        foreach (var row in MetricsReader.Read(run.Directory.MetricsPath))
        {
            var known = ((IWatchedStage)recipe.Stages.Single(stage => stage.Name == row.Stage)).LoggedMetrics.ToHashSet();
            Assert.All(row.Values.Keys, name => Assert.True(known.Contains(name), $"{row.Stage} logs {name}"));
        }
    }

    private SmallRun New(string name, string settings)
    {
        Directory.CreateDirectory(folder[name]);
        return new SmallRun(folder[name], $$"""
              - grpo: { name: rl, policy: base, data: { generator: arithmetic, count: 30 }, reward: { length: { target: 4 } }, steps: 6, prompts_per_step: 2, num_generations: 2,
                  max_completion_length: 4, save_steps: 2, {{settings}} }
            """);
    }

    private static void AssertSame(SmallRun expected, SmallRun actual)
    {
        var (wanted, found) = (FaultedWrites.Results(expected.Root), FaultedWrites.Results(actual.Root));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));
        IReadOnlyList<AlarmEvent> Alarms(SmallRun run) => RunSummary.Read(run.Directory.SummaryPath)!.Stage("rl")!.Alarms!;
        Assert.Equal(Alarms(expected), Alarms(actual));
    }

    private sealed class FaultIn(string name) : IDiskFaults
    {
        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            operation == DiskOperation.Write && path.Contains(name, StringComparison.Ordinal) ? new WriteFault(0, new IOException("No space left on device")) : null;
    }
}
