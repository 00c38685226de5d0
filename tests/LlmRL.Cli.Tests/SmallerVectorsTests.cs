using System.Text.Json;

namespace LlmRL.Cli.Tests;

/// <summary>Processors without registers of 512 bits: the same program, in narrower instructions, trains and samples the same but for rounding.</summary>
public sealed class SmallerVectorsTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableAVX2")]
    public void Training_and_sampling_give_the_same(string without)
    {
        place.Write("recipe.yaml", """
            name: narrow
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 100 }, steps: 3, batch_size: 4 }
              - grpo: { name: grpo, policy: sft, data: { generator: arithmetic, split: rl, count: 20 }, reward: { math: {} }, steps: 2, num_generations: 4, prompts_per_step: 4, max_completion_length: 16, beta: 0.1 }
            """);
        Run("wide", []);
        Run("narrow", new() { [without] = "0" });
        var (wide, narrow) = (Metrics("wide"), Metrics("narrow"));
        Assert.Equal(5, wide.Length);
        foreach (var (expected, actual) in wide.Zip(narrow).Take(3))
            foreach (var name in new[] { "loss", "grad_norm" })
                Assert.Equal(expected.GetProperty(name).GetDouble(), actual.GetProperty(name).GetDouble(), 1e-4 * Math.Abs(expected.GetProperty(name).GetDouble()));
        foreach (var step in narrow.Skip(3))
            Assert.InRange(step.GetProperty("sampling/sampling_logp_difference/max").GetDouble(), 0, 1e-4);
    }

    private void Run(string folder, Dictionary<string, string> environment)
    {
        using var run = Llmrl.Start(place.Root, environment, "run", "recipe.yaml", "--out", folder);
        run.WaitForEnd(TimeSpan.FromMinutes(2)).Succeeded();
    }

    private JsonElement[] Metrics(string folder) => [.. File.ReadLines(place[folder + "/metrics.jsonl"]).Select(line => JsonDocument.Parse(line).RootElement)];
}
