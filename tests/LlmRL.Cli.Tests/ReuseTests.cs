namespace LlmRL.Cli.Tests;

/// <summary>What a second run of a recipe does again, and that one seed gives the same bytes.</summary>
public sealed class ReuseTests : IDisposable
{
    private const string Recipe = """
        name: reuse
        model: { config: tiny.json, tokenizer: bytes }
        stages:
          - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 4, batch_size: 4 }
          - grpo: { name: grpo, policy: sft, data: { generator: arithmetic, split: rl, count: 50 }, reward: { length: { target: 4 } }, steps: 2, num_generations: 2, prompts_per_step: 2, max_completion_length: 8 }
          - sft: { name: other, policy: base, data: { path: rows.jsonl }, steps: 2, batch_size: 2 }
          - evaluate: { name: eval, policies: [sft, grpo], data: { generator: arithmetic, split: test, count: 10 }, pass_at_k: [1], max_completion_length: 8 }
        """;

    private readonly Workplace place = new();

    public ReuseTests()
    {
        place.Write("recipe.yaml", Recipe);
        place.Write("rows.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"c\",\"completion\":\"d\"}\n");
    }

    public void Dispose() => place.Dispose();

    [Fact]
    public void A_stage_runs_again_where_its_inputs_changed_and_only_there()
    {
        Run([], again: ["sft", "grpo", "other", "eval"]);
        var rows = Rows();
        var weights = place.Files("run/final");
        Run([], again: []);
        Assert.Equal(rows, Rows());
        Run(["--set", "stages.grpo.steps=3"], again: ["grpo", "eval"]);
        Assert.Equal(["sft 1", "sft 2", "sft 3", "sft 4", "other 1", "other 2", "grpo 1", "grpo 2", "grpo 3", "eval 1", "eval 2"], Rows());
        // A copy of a file has another time; what counts is what it holds.
        File.SetLastWriteTimeUtc(place["rows.jsonl"], DateTime.UnixEpoch);
        Run(["--set", "stages.grpo.steps=3"], again: []);
        var held = File.ReadAllText(place["rows.jsonl"]);
        File.WriteAllText(place["rows.jsonl"], held + held);
        Run(["--set", "stages.grpo.steps=3"], again: ["other"]);
        Directory.Delete(place["run/final/sft"], recursive: true);
        Run(["--set", "stages.grpo.steps=3"], again: ["sft"]);
        File.WriteAllText(place["rows.jsonl"], held);
        Run([], again: ["other", "grpo", "eval"]);
        var again = place.Files("run/final");
        Assert.All(weights, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(again[pair.Key]), pair.Key));
        Run(["--set", "seed=2"], again: ["sft", "grpo", "other", "eval"]);
    }

    [Fact]
    public void One_stage_and_what_it_needs_can_be_run()
    {
        place.Run("run", "recipe.yaml", "--out", "run", "--stage", "grpo").Succeeded();
        Assert.Equal(["grpo", "sft"], Directory.GetDirectories(place["run/final"]).Select(path => Path.GetFileName(path)!).Order());
        Run([], again: ["other", "eval"]);
    }

    [Fact]
    public void One_seed_gives_one_result_and_another_seed_another()
    {
        place.Run("run", "recipe.yaml", "--out", "a").Succeeded();
        place.Run("run", "recipe.yaml", "--out", "b").Succeeded();
        place.Run("run", "recipe.yaml", "--out", "c", "--set", "seed=7").Succeeded();
        var files = Deterministic("a").Keys;
        Assert.Contains("final/grpo/model.safetensors", files);
        foreach (var (name, bytes) in Deterministic("a"))
        {
            Assert.True(bytes.AsSpan().SequenceEqual(Deterministic("b")[name]), $"{name} differs between two runs with one seed");
            if (name.EndsWith(".jsonl", StringComparison.Ordinal) || name.EndsWith(".safetensors", StringComparison.Ordinal))
                Assert.False(bytes.AsSpan().SequenceEqual(Deterministic("c")[name]), $"{name} is the same with another seed");
        }
    }

    private Dictionary<string, byte[]> Deterministic(string run) => place.Files(run)
        .Where(pair => pair.Key.StartsWith("final/", StringComparison.Ordinal) || pair.Key is "metrics.jsonl" or "samples.jsonl").ToDictionary();

    private void Run(string[] options, string[] again)
    {
        var output = place.Run(["run", "recipe.yaml", "--out", "run", .. options]).Succeeded().Output;
        foreach (var stage in new[] { "sft", "grpo", "other", "eval" })
            Assert.True(output.Contains($"{stage}  already done", StringComparison.Ordinal) != again.Contains(stage), $"{stage}:\n{output}");
    }

    private List<string> Rows() =>
        [.. Lines("metrics.jsonl").Select(row => $"{row.GetProperty("stage").GetString()} {row.GetProperty("step").GetInt32()}")];

    private IEnumerable<System.Text.Json.JsonElement> Lines(string name) =>
        File.ReadLines(place["run/" + name]).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement);
}
