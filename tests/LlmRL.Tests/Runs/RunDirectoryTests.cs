using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class RunDirectoryTests
{
    [Fact]
    public void Checkpoints_are_listed_by_step_and_temporary_ones_are_not()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        foreach (var step in new[] { 100, 20, 3 }) Directory.CreateDirectory(run.Checkpoint("grpo", step));
        Directory.CreateDirectory(Path.Combine(run.Checkpoints("grpo"), "step-200.tmp"));
        Directory.CreateDirectory(Path.Combine(run.Checkpoints("grpo"), ".step-300"));
        Assert.Equal([3, 20, 100], run.CheckpointSteps("grpo"));
        Assert.Empty(run.CheckpointSteps("ppo"));
        run.PruneCheckpoints("grpo", keep: 2);
        Assert.Equal([20, 100], run.CheckpointSteps("grpo"));
    }

    [Fact]
    public void A_file_in_the_place_of_the_folder_is_bad_input()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["run"], "");
        Assert.Contains(folder["run"], Assert.Throws<BadInputException>(() => RunDirectory.Create(folder["run"])).Message);
        var below = Path.Combine(folder["run"], "deeper");
        Assert.Contains(below, Assert.Throws<BadInputException>(() => RunDirectory.Create(below)).Message);
    }

    [Fact]
    public void Creating_leaves_the_folder_empty_and_opening_wants_a_run()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        Assert.Empty(Directory.GetFileSystemEntries(run.Root));
        Assert.Contains(folder["run"], Assert.Throws<BadInputException>(() => RunDirectory.Open(folder["run"])).Message);
        File.WriteAllText(run.MetricsPath, "");
        Directory.CreateDirectory(folder["other"]);
        Assert.Equal(run.Root, RunDirectory.Open(folder["run"]).Root);
        Assert.Equal([run.Root], RunDirectory.List(folder.Path).Select(found => found.Root));
        Assert.Empty(RunDirectory.List(folder["absent"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    public void A_stage_name_that_is_no_folder_name_is_bad_input(string stage)
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        Assert.Throws<BadInputException>(() => run.Final(stage));
        Assert.Throws<BadInputException>(() => run.TensorBoard(stage));
    }

    [Fact]
    public void Two_sessions_cannot_hold_one_run()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        using (run.Lock()) Assert.Contains(folder["run"], Assert.Throws<BadInputException>(() => run.Lock()).Message);
        run.Lock().Dispose();
    }

    [Fact]
    public void The_log_sorts_a_step_into_its_files()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        using var output = new StringWriter();
        var clock = new FakeClock();
        using var console = RunConsole.Create(output, clock, live: false);
        using var log = new RunLog(run, console, clock, "host");
        log.StageStarted("grpo", "grpo", 3);
        log.Step(1, [new("reward", 0.5), new("tokens_per_second", 100)]);
        log.Step(2, [new("reward", 0.75), new("tokens_per_second", 101)]);
        log.Sample(new SampleRow { Step = 2, Stage = "grpo", Prompt = "p", Completion = "c" });
        Assert.Equal("{\"step\":1,\"stage\":\"grpo\",\"reward\":0.5}", File.ReadLines(run.MetricsPath).First());
        Assert.Equal("{\"step\":2,\"stage\":\"grpo\",\"tokens_per_second\":101}", File.ReadLines(run.TimingsPath).Last());
        Assert.Single(SamplesWriter.Read(run.SamplesPath));
        Assert.Single(Directory.GetFiles(run.TensorBoard("grpo")));
    }
}
