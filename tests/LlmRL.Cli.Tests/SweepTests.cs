namespace LlmRL.Cli.Tests;

/// <summary>Sweeps from the command line, in this process and in processes of their own.</summary>
public sealed class SweepTests : IDisposable
{
    private const string Recipe = """
        name: tiny
        model: { config: tiny.json, tokenizer: bytes }
        stages:
          - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: STEPS, batch_size: 4 }
          - grpo: { name: grpo, policy: sft, data: { generator: arithmetic, split: rl, count: 50 }, reward: { length: { target: 4 } }, steps: 2, num_generations: 2, prompts_per_step: 2, max_completion_length: 8 }
          - evaluate: { name: eval, policies: [sft, grpo], data: { generator: arithmetic, split: test, count: 10 }, pass_at_k: [1], max_completion_length: 8 }
        """;

    private const string Sweep = """
        name: many
        sweep:
          recipe: recipe.yaml
          seeds: [1, 2]
          jobs: 2
          metrics: [pass@1, length/sft]
          curves: [{ metric: reward }]
          variants:
            - { name: a }
            - { name: b, set: { stages.grpo.steps: 3, stages.grpo.reward: { length: { target: 2 } } } }
        """;

    private readonly Workplace place = new();

    public SweepTests()
    {
        place.Write("recipe.yaml", Recipe.Replace("STEPS", "4"));
        place.Write("sweep.yaml", Sweep);
    }

    public void Dispose() => place.Dispose();

    [Fact]
    public void Runs_are_those_that_the_recipe_makes_by_itself_and_are_compared_in_one_table()
    {
        var output = place.Run("run", "sweep.yaml").Succeeded().Output;
        Assert.Contains("[4/4]", output);
        Assert.Contains("| variant | pass@1 | length/sft |", output);
        Assert.StartsWith("variant,metric,mean,standard_error,n,seed 1,seed 2\na,pass@1,", File.ReadAllText(place["runs/many/table.csv"]));
        Assert.Contains("class=\"band f1\"", File.ReadAllText(place["runs/many/report.html"]));
        Assert.Contains("\"finished\": true", File.ReadAllText(place["runs/many/summary.json"]));

        // The second variant has its first stage from the first one, and all the same bytes as if it had run alone, on one thread or two.
        Assert.Contains("sft  is the same in", File.ReadAllText(place["runs/many/b/seed-2/log.txt"]));
        Assert.DoesNotContain("sft  is the same in", File.ReadAllText(place["runs/many/a/seed-2/log.txt"]));
        place.Run("run", "recipe.yaml", "--out", "alone", "--set", "seed=2", "--set", "stages.grpo.steps=3", "--set", "stages.grpo.reward={length: {target: 2}}").Succeeded();
        var alone = Deterministic("alone");
        var swept = Deterministic("runs/many/b/seed-2");
        Assert.Equal(alone.Keys.Order(), swept.Keys.Order());
        Assert.All(alone, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(swept[pair.Key]), pair.Key));

        var again = place.Run("run", "sweep.yaml", "--set", "sweep.metrics=[length]").Succeeded().Output;
        Assert.Contains("4 of 4 runs are done already", again);
        Assert.DoesNotContain("starts", again);
        Assert.Contains("| variant | length |", again);
    }

    [Fact]
    public void A_grid_needs_no_file()
    {
        var outcome = place.Run("sweep", "recipe.yaml", "--grid", "stages.grpo.beta=0,0.1", "--seeds", "1,7", "--metrics", "length", "--set", "stages.sft.steps=2", "--out", "here").Succeeded();
        Assert.Contains("| beta=0.1 | ", outcome.Output);
        Assert.Contains("sft  is the same in here/beta=0/seed-7", outcome.Output);
        Assert.Contains("steps: 2\n", File.ReadAllText(place["here/beta=0.1/seed-7/recipe.yaml"]));
        Assert.Contains("./llmrl sweep recipe.yaml --grid stages.grpo.beta=0,0.1 --seeds 1,7 --metrics length --set stages.sft.steps=2", File.ReadAllText(place["here/table.md"]));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public void A_sweep_that_was_interrupted_goes_on(string jobs)
    {
        place.Write("recipe.yaml", Recipe.Replace("STEPS", "400"));
        string[] command = ["run", "sweep.yaml", "--set", $"sweep.jobs={jobs}", "--set", "sweep.seeds=[1]", "--set", "sweep.variants=[{ name: a }]"];
        using (var sweep = Llmrl.Start(place.Root, command))
        {
            sweep.WaitForSteps(place["runs/many/a/seed-1/metrics.jsonl"], "sft", 3);
            sweep.Interrupt();
            var outcome = sweep.WaitForEnd();
            Assert.True(outcome.ExitCode == 130, outcome.Error);
            Assert.Contains("Repeat the command", outcome.Error);
        }

        Assert.Single(Directory.GetDirectories(place["runs/many/a/seed-1/checkpoints/sft"]), path => path.Contains("step-", StringComparison.Ordinal));
        Assert.Contains("1 of 1 runs are not finished", File.ReadAllText(place["runs/many/table.md"]));
        var output = place.Run(command).Succeeded().Output;
        Assert.Contains("resuming after step", jobs == "1" ? output : File.ReadAllText(place["runs/many/a/seed-1/log.txt"]));
        Assert.DoesNotContain("not finished", File.ReadAllText(place["runs/many/table.md"]));
    }

    [Fact]
    public void Runs_stop_where_the_sweep_is_killed()
    {
        place.Write("recipe.yaml", Recipe.Replace("STEPS", "20000"));
        using var sweep = Llmrl.Start(place.Root, "run", "sweep.yaml", "--set", "sweep.seeds=[1]");
        sweep.WaitForSteps(place["runs/many/a/seed-1/metrics.jsonl"], "sft", 3);
        sweep.Process.Kill();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!Directory.Exists(place["runs/many/a/seed-1/checkpoints/sft"]) || Directory.GetDirectories(place["runs/many/a/seed-1/checkpoints/sft"], "*.tmp").Length > 0)
        {
            Assert.True(clock.Elapsed.TotalSeconds < 30, "the run goes on");
            Thread.Sleep(20);
        }

        // The lock of the run ends with its process: then nothing writes into the folder any more.
        while (!IsFree(place["runs/many/a/seed-1/.lock"]))
        {
            Assert.True(clock.Elapsed.TotalSeconds < 30, "the process goes on");
            Thread.Sleep(20);
        }
    }

    [Fact]
    public void A_run_that_fails_fails_the_sweep_after_the_others()
    {
        place.Write("runs/many/a/seed-2/final", "in the way");
        var outcome = place.Run("run", "sweep.yaml", "--set", "sweep.seeds=[2]");
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("1 of 2 runs failed", outcome.Message);
        Assert.Contains("a, seed 2: ", outcome.Message);
        Assert.Contains("(log: runs/many/a/seed-2/log.txt)", outcome.Message);
        Assert.Contains("seed-2/final", File.ReadAllText(place["runs/many/a/seed-2/log.txt"]));
        Assert.True(File.Exists(place["runs/many/b/seed-2/report.html"]));
    }

    [Fact]
    public void A_slip_in_any_variant_stops_it_before_the_first_run()
    {
        place.Write("sweep.yaml", Sweep.Replace("grpo.steps", "grpo.stepz"));
        place.Run("run", "sweep.yaml").RefusedInOneLine("sweep.yaml:10: stages.1.grpo.stepz: unknown key. Did you mean steps?");
        place.Write("sweep.yaml", Sweep.Replace("stages.grpo.steps: 3", "stages.grpo.max_completion_length: 300"));
        place.Run("run", "sweep.yaml").RefusedInOneLine("recipe.yaml:5: stages.1.grpo.data", "exceeds the 160 positions");
        place.Run("sweep", "recipe.yaml", "--grid", "stages.sft.step=1,2").RefusedInOneLine("--grid stages.sft.step=[1,2]: stages.0.sft.step: unknown key.");
        place.Run("sweep", "recipe.yaml", "--grid", "steps").RefusedInOneLine("--grid steps: write KEY=VALUE,VALUE");
        place.Run("sweep", "recipe.yaml", "--seeds", "0").RefusedInOneLine("--seeds 0: give how many");
        place.Run("run", "sweep.yaml", "--stage", "sft").RefusedInOneLine("--stage sft: sweep.yaml is a sweep");
        Assert.False(Directory.Exists(place["runs"]));
    }

    private Dictionary<string, byte[]> Deterministic(string run) => place.Files(run)
        .Where(pair => pair.Key.StartsWith("final/", StringComparison.Ordinal) || pair.Key is "metrics.jsonl" or "samples.jsonl").ToDictionary();

    private static bool IsFree(string path)
    {
        if (!File.Exists(path))
            return true;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
