namespace LlmRL.Cli.Tests;

/// <summary>The optimizer's state on the disk, from the command line: killed runs, the setting switched for the rest of a stage, and where it is refused.</summary>
public sealed class OptimizerOffloadTests : IDisposable
{
    private const string Recipe = """
        name: offload
        model: { config: tiny.json, tokenizer: bytes }
        stages:
          - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 60, batch_size: 4, save_steps: 5, optimizer_offload: WHERE }
        """;

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("disk", "none")]
    [InlineData("none", "disk")]
    public void A_killed_run_leaves_nothing_of_it_and_goes_on_with_the_moments_elsewhere(string first, string then)
    {
        place.Write("recipe.yaml", Recipe.Replace("WHERE", "none"));
        place.Run("run", "recipe.yaml", "--out", "whole").Succeeded();
        place.Write("recipe.yaml", Recipe.Replace("WHERE", first));
        using (var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "parts"))
        {
            run.WaitForSteps(place["parts/metrics.jsonl"], "sft", 12);
            run.Process.Kill();
            run.Process.WaitForExit();
        }

        Assert.Empty(Directory.GetFiles(place["parts"], "*.moments.*", SearchOption.AllDirectories));
        Assert.Contains("resuming after step", place.Run("run", "recipe.yaml", "--out", "parts", "--resume", "--set", $"stages.sft.optimizer_offload={then}").Succeeded().Output);
        Assert.Equal(File.ReadAllText(place["whole/metrics.jsonl"]), File.ReadAllText(place["parts/metrics.jsonl"]));
        foreach (var file in new[] { "final/sft/model.safetensors", "checkpoints/sft/step-60/optimizer.safetensors" })
            Assert.True(File.ReadAllBytes(place["whole/" + file]).AsSpan().SequenceEqual(File.ReadAllBytes(place["parts/" + file])), $"{file} differs");
    }

    [Fact]
    public void Where_the_cpus_kernels_do_not_take_the_steps_it_is_refused_before_anything_is_trained()
    {
        place.Write("recipe.yaml", Recipe.Replace("WHERE", "disk"));
        var operators = new Dictionary<string, string> { ["LLMRL_OPERATORS"] = "1" };
        using (var run = Llmrl.Start(place.Root, operators, "run", "recipe.yaml", "--out", "run"))
            run.WaitForEnd().RefusedInOneLine("recipe.yaml:4: stages.0.sft.optimizer_offload", "works with the CPU's kernels only", "unset LLMRL_OPERATORS");
        Assert.False(Directory.Exists(place["run"]));
        using (var bench = Llmrl.Start(place.Root, operators, "bench", "sft", "--model", "tiny.json", "--completion-length", "16", "--optimizer-offload", "disk"))
            bench.WaitForEnd().RefusedInOneLine("works with the CPU's kernels only");
        place.Write("recipe.yaml", """
            name: c
            stages:
              - control: { name: control, environment: cartpole, algorithm: { reinforce: {} }, steps: 1, optimizer_offload: disk }
            """);
        place.Run("run", "recipe.yaml").Refused("optimizer_offload", "remove it");
        place.Write("recipe.yaml", Recipe.Replace("WHERE", "dsk"));
        place.Run("run", "recipe.yaml").Refused("optimizer_offload", "disk");
    }

    [Fact]
    public void Bench_times_it()
    {
        string[] shape = ["--model", "tiny.json", "--batch", "2", "--completion-length", "16", "--prompt-length", "4", "--steps", "1", "--warm-up", "0", "--json", "--optimizer-offload"];
        Assert.Contains("\"optimizer_offload\":\"disk\"", place.Run(["bench", "sft", .. shape, "disk"]).Succeeded().Output);
        place.Run(["bench", "sft", .. shape, "tape"]).RefusedInOneLine("--optimizer-offload tape: use none or disk.");
    }
}
