using LlmRL.Algorithms;
using LlmRL.Recipes;
using LlmRL.Runs;
using LlmRL.Sweeps;

namespace LlmRL.Tests.Sweeps;

/// <summary>Which runs are started when, with runs that only pretend.</summary>
public sealed class SweepRunnerTests : IDisposable
{
    private const string TwoByTwo = "recipe: BASE\nseeds: [1, 2]\njobs: JOBS\nvariants: [{ name: a }, { name: b, set: { stages.rl.steps: 9 } }]";

    private readonly SweepFolder folder = new();
    private readonly List<string> events = [];

    public void Dispose() => folder.Dispose();

    /// <summary>A run that trains what neither it nor a donor has, and gives other runs a chance after each stage.</summary>
    private RunLauncher Pretend(Func<SweepRun, Stage, bool>? fails = null) => async (run, donors, cancellation) =>
    {
        await Task.Yield();
        foreach (var (stage, inputs) in run.Recipe.Stages.Zip(StageLedger.InputsOf(run.Recipe)))
        {
            if (cancellation.IsCancellationRequested)
                throw new OperationCanceledException();
            if (fails?.Invoke(run, stage) == true)
                throw new RunFailedException("out of luck");
            var isTaken = FinishedStages.Find(stage, inputs, donors) is not null;
            if (!isTaken)
            {
                lock (events)
                    events.Add($"{run.Variant}{run.Seed} {stage.Name}");
                await Task.Delay(30, CancellationToken.None);
            }

            SweepFolder.Finish(run, stage);
        }
    };

    private IReadOnlyList<string> Run(SweepPlan plan, RunLauncher launcher, CancellationToken cancellation = default)
    {
        using var console = RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false);
        return new SweepRunner(plan, launcher, console, TimeProvider.System).Run(cancellation);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_stage_that_runs_share_is_trained_once_for_each_seed(int jobs)
    {
        var plan = folder.Plan(TwoByTwo.Replace("JOBS", $"{jobs}", StringComparison.Ordinal));
        Assert.Empty(Run(plan, Pretend()));
        Assert.Equal(["sft", "sft"], events.Select(text => text.Split(' ')[1]).Where(stage => stage == "sft"));
        Assert.Equal(4, events.Count(text => text.EndsWith(" rl", StringComparison.Ordinal)));
        Assert.All(plan.Runs, run => Assert.True(Pipeline.IsFinished(run.Recipe, run.Folder)));
        events.Clear();
        Run(plan, Pretend());
        Assert.Empty(events);
    }

    [Fact]
    public void No_more_runs_go_on_at_once_than_there_are_jobs()
    {
        var plan = folder.Plan("recipe: BASE\nseeds: [1, 2, 3, 4, 5, 6]\njobs: 3");
        int now = 0, most = 0;
        Run(plan, async (run, donors, cancellation) =>
        {
            lock (events)
                most = Math.Max(most, ++now);
            await Pretend()(run, donors, cancellation);
            lock (events)
                now--;
        });
        Assert.Equal(3, most);
    }

    [Fact]
    public void A_run_that_fails_is_reported_and_the_others_go_on()
    {
        var plan = folder.Plan(TwoByTwo.Replace("JOBS", "2", StringComparison.Ordinal));
        var failures = Run(plan, Pretend((run, stage) => run.Variant == "a" && run.Seed == 2 && stage.Name == "rl"));
        Assert.Equal(["a, seed 2: out of luck"], failures);
        Assert.Equal([true, false, true, true], plan.Runs.Select(run => Pipeline.IsFinished(run.Recipe, run.Folder)));
        events.Clear();
        Assert.Empty(Run(plan, Pretend()));
        Assert.Equal(["a2 rl", "a2 eval"], events);
    }

    [Fact]
    public void A_sweep_that_is_stopped_starts_nothing_more()
    {
        var plan = folder.Plan(TwoByTwo.Replace("JOBS", "1", StringComparison.Ordinal));
        using var source = new CancellationTokenSource();
        Assert.Throws<SweepStoppedException>(() => Run(plan, Pretend((run, stage) =>
        {
            if (stage.Name == "rl")
                source.Cancel();
            return false;
        }), source.Token));
        Assert.Equal(["a1 sft", "a1 rl"], events);
    }

    [Fact]
    public void Donors_are_the_other_runs_of_the_same_seed()
    {
        var plan = folder.Plan(TwoByTwo.Replace("JOBS", "1", StringComparison.Ordinal));
        var seen = new Dictionary<string, string>();
        Run(plan, (run, donors, _) =>
        {
            seen[run.Title] = string.Join(' ', donors.Select(donor => Path.GetRelativePath(folder["out"], donor)));
            SweepFolder.Finish(run);
            return Task.CompletedTask;
        });
        Assert.Equal(("b/seed-1", "a/seed-2"), (seen["a, seed 1"], seen["b, seed 2"]));
    }
}
