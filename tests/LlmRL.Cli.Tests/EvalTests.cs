using System.Text.Json;

namespace LlmRL.Cli.Tests;

/// <summary><c>llmrl eval</c>, for a model and for a recipe.</summary>
public sealed class EvalTests(TrainedModel trained) : IClassFixture<TrainedModel>, IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void A_model_is_measured_on_a_generator_or_a_file()
    {
        string[] arguments = ["eval", "--model", trained.Policy, "--data", "arithmetic/test", "--count", "6", "--pass-at-k", "1,2", "--max-new-tokens", "8", "--reference", trained.Policy, "--json"];
        var result = Parse(place.Run(arguments));
        Assert.Equal(["model", "data", "metrics"], result.EnumerateObject().Select(property => property.Name));
        var metrics = result.GetProperty("metrics");
        Assert.InRange(metrics.GetProperty("pass@1").GetDouble(), 0, 1);
        Assert.InRange(metrics.GetProperty("pass@2_se").GetDouble(), 0, 1);
        Assert.Equal(0, metrics.GetProperty("kl").GetDouble(), 1e-4);
        Assert.Equal(metrics.GetRawText(), Parse(place.Run(arguments)).GetProperty("metrics").GetRawText());
        Assert.Empty(Directory.GetDirectories(place.Root));

        // A worked solution holds the gold answer, as in GSM8K.
        place.Write("rows.jsonl", "{\"question\":\"Q: 1+1\\nA:\",\"answer\":\"1+1=2\\n#### 2\"}\n");
        Assert.Contains("pass@1", place.Run("eval", "--model", trained.Policy, "--data", "rows.jsonl", "--temperature", "0", "--max-new-tokens", "4", "--pass-at-k", "1").Succeeded().Output);
    }

    [Fact]
    public void Evaluate_stages_run_on_the_finished_models_of_a_run()
    {
        place.Write("recipe.yaml", """
            name: measured
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 2, batch_size: 2 }
              - evaluate: { name: eval, policies: [base, sft], data: { generator: arithmetic, split: test, count: 5 }, pass_at_k: [1], max_completion_length: 8 }
            """);
        place.Run("eval", "recipe.yaml").RefusedInOneLine("runs/measured-seed1: no such run", "./llmrl run recipe.yaml");
        Assert.False(Directory.Exists(place["runs"]));
        place.Run("run", "recipe.yaml", "--stage", "sft").Succeeded();
        var result = Parse(place.Run("eval", "recipe.yaml", "--json"));
        Assert.Equal("eval", result.GetProperty("stage").GetString());
        Assert.True(result.GetProperty("metrics").TryGetProperty("pass@1/sft", out _));
        Assert.Contains("sft  already done", place.Run("run", "recipe.yaml").Succeeded().Output);
        var recipe = File.ReadAllText(place["runs/measured-seed1/recipe.yaml"]);
        place.Run("eval", "recipe.yaml", "--set", "stages.sft.steps=3").RefusedInOneLine("stage sft is not finished, or was made with other settings");
        Assert.Equal(recipe, File.ReadAllText(place["runs/measured-seed1/recipe.yaml"]));
    }

    [Theory]
    [InlineData("either a recipe", "eval")]
    [InlineData("either a recipe", "eval", "recipe.yaml", "--model", "m")]
    [InlineData("--data", "eval", "--model", "MODEL")]
    [InlineData("nowhere: no such model folder", "eval", "--model", "nowhere", "--data", "arithmetic/test")]
    [InlineData("arithmetic/tset: 'tset' is not a split", "eval", "--model", "MODEL", "--data", "arithmetic/tset")]
    [InlineData("--pass-at-k 1,x: 'x'", "eval", "--model", "MODEL", "--data", "arithmetic/test", "--pass-at-k", "1,x")]
    [InlineData("--n 2: pass@4", "eval", "--model", "MODEL", "--data", "arithmetic/test", "--pass-at-k", "4", "--n", "2")]
    [InlineData("--count 0", "eval", "--model", "MODEL", "--data", "arithmetic/test", "--count", "0")]
    [InlineData("--data arithmetic/test: the prompt at arithmetic/test/0 has", "eval", "--model", "MODEL", "--data", "arithmetic/test", "--max-new-tokens", "3000", "--count", "5")]
    [InlineData("--reward-model: ", "eval", "--model", "MODEL", "--data", "arithmetic/test", "--reward-model", "MODEL", "--count", "5")]
    public void Faults_are_refused(string text, params string[] arguments) =>
        place.Run([.. arguments.Select(argument => argument.Replace("MODEL", trained.Policy))]).RefusedInOneLine(text);

    private static JsonElement Parse(Outcome outcome) => JsonDocument.Parse(outcome.Succeeded().Output).RootElement;
}
