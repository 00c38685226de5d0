using LlmRL.Faults;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>Checkpoints in whole runs: what resuming accepts, what it refuses, and what a bad disk does.</summary>
[Collection(TensorCollection.Name)]
public sealed class CheckpointRunTests : IDisposable
{
    private const string Sft = "  - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 6, batch_size: 2, save_steps: 2, save_total_limit: 3, lr_scheduler_type: constant }";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_stage_goes_on_after_its_steps_were_raised()
    {
        var (whole, raised) = (New("whole", Sft), New("raised", Sft));
        whole.Run(set: ["stages.sft.steps=9"]);
        raised.Run();
        Assert.Equal([2, 4, 6], raised.Directory.CheckpointSteps("sft"));
        var output = raised.Run(resume: true, ["stages.sft.steps=9"]);
        Assert.Contains("resuming after step 6 of 9", output);
        Assert.Contains("steps was 6 and is 9", output);
        AssertSame(whole, raised);
        // Without --resume nothing is continued.
        Assert.DoesNotContain("resuming", raised.Run(set: ["stages.sft.steps=12"]));
    }

    [Theory]
    [InlineData("stages.sft.batch_size=4", "recipe.yaml:5: stages.0.sft.batch_size: it is 4 and was 2")]
    [InlineData("stages.sft.data.count=31", "stages.0.sft.data.count: it is 31 and was 30")]
    [InlineData("stages.sft.weight_decay=0.1", "stages.0.sft.weight_decay: it is 0.1 and was 0")]
    [InlineData("seed=6", "recipe.yaml:2: seed: it is 6 and was 5")]
    [InlineData("stages.sft.steps=3", "stages.0.sft.steps: it is 3, but 4 steps are done")]
    public void A_recipe_that_does_not_fit_the_checkpoints_is_refused_by_key(string set, string text)
    {
        var run = Stopped(4);
        var message = Assert.Throws<BadInputException>(() => run.Run(resume: true, [set])).Message;
        Assert.Contains(text, message);
        Assert.Contains(run.Directory.Checkpoint("sft", 4), message);
        Assert.Contains("without --resume", message);
        Assert.Contains("resuming after step 4 of 6", run.Run(resume: true, ["stages.sft.save_steps=1", "stages.sft.save_total_limit=1", "stages.sft.save_minutes=1"]));
    }

    [Fact]
    public void A_damaged_checkpoint_costs_the_steps_since_the_one_before()
    {
        var whole = New("whole", Sft);
        whole.Run();
        var run = Stopped(4);
        var weights = Path.Combine(run.Directory.Checkpoint("sft", 4), "model.safetensors");
        using (var file = File.OpenWrite(weights))
        {
            file.Seek(-1, SeekOrigin.End);
            file.WriteByte(1);
        }

        var output = run.Run(resume: true);
        Assert.Contains("warning: " + run.Directory.Checkpoint("sft", 4) + " is damaged", output);
        Assert.Contains("resuming after step 2 of 6", output);
        AssertSame(whole, run);
    }

    [Fact]
    public void Checkpoints_that_a_kill_kept_from_being_removed_are_removed_on_resume()
    {
        var run = New("run", Sft);
        run.Run();
        // As after a kill between the last checkpoint and the removal of the one it replaces, before the stage left its model.
        Directory.CreateDirectory(run.Directory.Checkpoint("sft", 1));
        File.WriteAllText(Path.Combine(run.Directory.Checkpoint("sft", 1), "config.json"), "{}");
        Directory.Delete(run.Directory.Final("sft"), recursive: true);
        Assert.Contains("resuming after step 6 of 6", run.Run(resume: true));
        Assert.Equal([2, 4, 6], run.Directory.CheckpointSteps("sft"));
    }

    [Fact]
    public void The_best_model_is_kept_and_taken()
    {
        // The rate rises steeply: the loss falls first and rises later.
        const string stage = """
              - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 8, batch_size: 4, save_steps: 2, save_total_limit: 1, learning_rate: 1, warmup_steps: 40,
                  metric_for_best_model: loss, load_best_model_at_end: true }
            """;
        var run = New("run", stage);
        var output = run.Run();
        var losses = MetricsReader.Read(run.Directory.MetricsPath).Select(row => row.Values["loss"]).ToArray();
        var best = Enumerable.Range(1, 4).MinBy(i => losses[2 * i - 2] + losses[2 * i - 1]) * 2;
        Assert.True(best < 8, "the last model is the best: the test shows nothing");
        Assert.Equal([best, 8], run.Directory.CheckpointSteps("sft"));
        Assert.Contains($"the model of step {best} is kept", output);
        Assert.Equal(File.ReadAllBytes(Path.Combine(run.Directory.Checkpoint("sft", best), "model.safetensors")), File.ReadAllBytes(Path.Combine(run.Directory.Final("sft"), "model.safetensors")));
    }

    [Theory]
    [InlineData("metric_for_best_model: loss", "metric_for_best_model: checkpoints are compared")]
    [InlineData("save_steps: 2, load_best_model_at_end: true", "load_best_model_at_end: which model is best")]
    [InlineData("save_steps: 2, metric_for_best_model: lss", "metric_for_best_model is lss, which no step up to step 2 logged. There are loss, ")]
    public void What_best_means_must_be_clear(string settings, string text)
    {
        var run = New("run", $"  - sft: {{ name: sft, data: {{ generator: arithmetic, count: 30 }}, steps: 4, batch_size: 2, {settings} }}");
        Assert.Contains(text, Assert.Throws<BadInputException>(() => run.Run()).Message);
    }

    [Fact]
    public void Some_writes_of_a_run_are_faulted()
    {
        Directory.CreateDirectory(folder["faults"]);
        var faults = new FaultedWrites(folder["faults"]);
        Assert.True(faults.Operations > 100, $"{faults.Operations} operations go through the seam");
        var failures = 0;
        for (var i = 0; i < 9; i++)
        {
            // eval/faults tries all of them.
            var (problem, failed) = faults.Try(3 + i * (faults.Operations - 3) / 9, (WriteFaultKind)(i % 3));
            Assert.Null(problem);
            failures += failed ? 1 : 0;
        }

        Assert.True(failures > 5, $"{failures} faults were noticed");
    }

    [Fact]
    public void A_clock_that_jumps_changes_nothing()
    {
        var (whole, jumping) = (New("whole", Sft), New("jumping", Sft));
        whole.Run();
        var output = jumping.Run(set: ["stages.sft.save_minutes=1"], time: new JumpingClock());
        Assert.Contains("sft  done in", output);
        AssertSame(whole, jumping);
        Assert.DoesNotContain("-", File.ReadAllText(Path.Combine(jumping.Root, "timings.jsonl")).Replace("e-", "", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("reused", jumping.Run(resume: true, ["stages.sft.save_minutes=1"], time: new JumpingClock()));
    }

    [Fact]
    public void A_failed_write_in_the_background_fails_the_run_and_names_the_last_good_checkpoint()
    {
        var run = New("run", Sft);
        using (Disk.Inject(new FaultIn("step-4")))
        {
            var message = Assert.Throws<IOException>(() => run.Run()).Message;
            Assert.Contains("the checkpoint after step 4 could not be written", message);
            Assert.Contains($"The last good one is {run.Directory.Checkpoint("sft", 2)}", message);
        }
    }

    [Fact]
    public void A_write_that_failed_is_reported_once_and_the_next_waits_for_the_last()
    {
        using var writer = new BackgroundWrite();
        var order = new List<int>();
        writer.Start(() =>
        {
            Thread.Sleep(50);
            order.Add(1);
        });
        writer.Start(() => order.Add(2));
        writer.Wait();
        Assert.Equal([1, 2], order);
        writer.Start(() => throw new IOException("full"));
        Assert.Equal("full", Assert.Throws<IOException>(writer.Wait).Message);
        writer.Wait();
    }

    private SmallRun New(string name, string stages)
    {
        Directory.CreateDirectory(folder[name]);
        return new SmallRun(folder[name], stages);
    }

    /// <summary>A run that a full disk ended after a checkpoint.</summary>
    private SmallRun Stopped(int step)
    {
        var run = New("stopped", Sft);
        using (Disk.Inject(new FaultIn($"step-{step + 2}")))
            Assert.Throws<IOException>(() => run.Run());
        Assert.Equal(step, run.Directory.CheckpointSteps("sft")[^1]);
        return run;
    }

    private static void AssertSame(SmallRun expected, SmallRun actual)
    {
        var (wanted, found) = (FaultedWrites.Results(expected.Root), FaultedWrites.Results(actual.Root));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));
    }

    /// <summary>A wall clock that is set a day back or ten days ahead whenever it is read; what measures durations goes on evenly.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        private int reads;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddDays(reads++ % 2 == 0 ? -1 : 10);
    }

    private sealed class FaultIn(string name) : IDiskFaults
    {
        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            operation == DiskOperation.Write && path.Contains(name, StringComparison.Ordinal) ? new WriteFault(0, new IOException("No space left on device")) : null;
    }
}
