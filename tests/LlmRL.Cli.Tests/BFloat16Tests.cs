namespace LlmRL.Cli.Tests;

/// <summary>Whole runs in bfloat16 with gradient checkpointing, in ATen operators on the CPU, and what is said where the kernels cannot.</summary>
public sealed class BFloat16Tests : IDisposable
{
    private const string Recipe = """
        name: half
        seed: 3
        model: { config: tiny.json, tokenizer: words, vocabulary_data: { generator: tldr, count: 200 } }
        stages:
          - sft: { name: sft, data: { generator: tldr, count: 100 }, steps: 60, batch_size: 4, learning_rate: 3e-3, dtype: bfloat16, gradient_checkpointing: true }
          - reward_model: { name: rm, policy: sft, data: { generator: tldr, split: reward, count: 100 }, steps: 15, batch_size: 4, dtype: bfloat16, lora: { r: 4, dropout: 0.1 } }
          - rebel: { name: rebel, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { reward_model: { model: rm } }, steps: 9, prompts_per_step: 8,
              max_completion_length: 6, sync_ref_model: true, ref_model_sync_steps: 3, dtype: bfloat16, gradient_checkpointing: true }
          - grpo: { name: grpo, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { keywords: { words: [the] } }, steps: 9, num_generations: 4, prompts_per_step: 4,
              max_completion_length: 8, dtype: bfloat16, lora: { r: 4, dropout: 0.1 } }
        """;

    private static readonly Dictionary<string, string> Operators = new() { ["LLMRL_OPERATORS"] = "1" };

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void A_run_learns_and_an_interrupted_one_goes_on_as_if_nothing_had_happened()
    {
        place.Write("recipe.yaml", Recipe);
        using (var whole = Llmrl.Start(place.Root, Operators, "run", "recipe.yaml", "--out", "whole"))
            whole.WaitForEnd(TimeSpan.FromMinutes(2)).Succeeded();
        var losses = File.ReadLines(place["whole/metrics.jsonl"]).Where(line => line.Contains("\"sft\"", StringComparison.Ordinal))
            .Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("loss").GetDouble()).ToArray();
        Assert.True(losses[^10..].Average() < 0.7 * losses[..3].Average(), $"the loss went from {losses[0]} to {losses[^1]}");
        foreach (var (stage, step) in new[] { ("sft", 10), ("rm", 3), ("rebel", 4), ("grpo", 3) })
        {
            using var run = Llmrl.Start(place.Root, Operators, "run", "recipe.yaml", "--out", "parts", "--resume");
            run.WaitForSteps(place["parts/metrics.jsonl"], stage, step);
            run.Interrupt();
            var outcome = run.WaitForEnd();
            Assert.True(outcome.ExitCode == 130, $"exit code {outcome.ExitCode}\n{outcome.Output}\n{outcome.Error}");
        }

        using (var rest = Llmrl.Start(place.Root, Operators, "run", "recipe.yaml", "--out", "parts", "--resume"))
            Assert.Contains("resuming after step", rest.WaitForEnd(TimeSpan.FromMinutes(2)).Succeeded().Output);
        Assert.Equal(File.ReadAllText(place["whole/metrics.jsonl"]), File.ReadAllText(place["parts/metrics.jsonl"]));
        var (expected, actual) = (place.Files("whole/final"), place.Files("parts/final"));
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(actual[name]), $"final/{name} differs");
    }

    [Fact]
    public void The_cpus_kernels_refuse_it_before_anything_is_trained()
    {
        place.Write("recipe.yaml", Recipe);
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:5: stages.0.sft.dtype", "bfloat16 needs CUDA", "LLMRL_OPERATORS=1");
        place.Run("bench", "sft", "--model", "tiny.json", "--completion-length", "16", "--dtype", "bfloat16", "--device", "cpu").RefusedInOneLine("bfloat16 needs CUDA");
        place.Run("bench", "sft", "--model", "tiny.json", "--dtype", "half").RefusedInOneLine("--dtype half", "bfloat16");
    }

    [Fact]
    public void A_control_stage_has_neither()
    {
        place.Write("recipe.yaml", """
            name: c
            stages:
              - control: { name: control, environment: cartpole, algorithm: { reinforce: {} }, steps: 1, gradient_checkpointing: true }
            """);
        place.Run("run", "recipe.yaml").Refused("gradient_checkpointing", "remove it");
    }

    [Fact]
    public void Checkpointing_may_be_switched_on_for_the_rest_of_a_stage()
    {
        place.Write("recipe.yaml", """
            name: switch
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 60, batch_size: 4 }
            """);
        place.Run("run", "recipe.yaml", "--out", "whole").Succeeded();
        using (var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "parts"))
        {
            run.WaitForSteps(place["parts/metrics.jsonl"], "sft", 5);
            run.Interrupt();
            Assert.Equal(130, run.WaitForEnd().ExitCode);
        }

        Assert.Contains("resuming after step", place.Run("run", "recipe.yaml", "--out", "parts", "--resume", "--set", "stages.sft.gradient_checkpointing=true").Succeeded().Output);
        Assert.Equal(File.ReadAllText(place["whole/metrics.jsonl"]), File.ReadAllText(place["parts/metrics.jsonl"]));
    }
}
