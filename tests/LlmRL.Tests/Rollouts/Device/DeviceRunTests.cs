using LlmRL.Faults;
using LlmRL.Gpu;
using LlmRL.Models.Lora;
using LlmRL.Rollouts;
using LlmRL.Rollouts.Device;
using LlmRL.Runs;
using LlmRL.Tests.Models.Lora;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Rollouts.Device;

/// <summary>Adapters and whole stages with decoding in tensor operators, as on a GPU.</summary>
[Collection(TensorCollection.Name)]
public sealed class DeviceRunTests : IDisposable
{
    private const string Grpo = "policy: sft, data: { generator: arithmetic, split: rl, count: 30 }, reward: { length: { target: 3 } }, steps: 4, num_generations: 4, prompts_per_step: 3, "
        + "max_completion_length: 12, learning_rate: 1e-3, beta: 0.1, log_completions_steps: 1";

    private readonly Runs.TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("gpt2")]
    [InlineData("qwen3")]
    public void Adapters_are_sampled_from_as_they_are_trained(string shape)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 3, Alpha = 7 });
        using var merged = new MergedWeights(test.Model, test.Adapters, onDevice: true);
        merged.Refresh();
        using var device = new DeviceRolloutEngine(test.Model, merged, maxSlots: 5);
        int[][] prompts = [[5, 1, 70, 33, 2], [40], [7, 7, 3, 60, 21, 8, 8, 8, 12]];
        var options = new SamplingOptions { MaxNewTokens = 15 };
        var key = new SampleKey(4, 2);
        Check(device.Generate(prompts, 3, options, key));
        // Training changes the adapters in place.
        LoraCase.Shake(test.Adapters, 12);
        merged.Refresh();
        var second = device.Generate(prompts, 3, options, key);
        Check(second);
        using var cpu = new RolloutEngine(merged.Pointers());
        var comparison = new CompletionComparison(test.Model, prompts, options, key);
        Assert.Empty(comparison.Compare(cpu.Generate(prompts, 3, options, key), second));

        void Check(IReadOnlyList<Completion> completions)
        {
            // Training applies the adapters unmerged.
            test.Model.UsesKernels = false;
            foreach (var completion in completions)
            {
                var expected = Tiny.LogProbs(test.Model, prompts[completion.PromptIndex], completion.Tokens, 1);
                for (var t = 0; t < expected.Length; t++)
                    Assert.Equal(expected[t], completion.LogProbs[t], 1e-4);
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(", lora: { r: 4, alpha: 16 }")]
    public void A_grpo_stage_learns_from_the_same_rewards(string lora)
    {
        var stages = "  - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 3, batch_size: 4 }\n"
            + $"  - grpo: {{ name: grpo, {Grpo}{lora} }}\n"
            + "  - evaluate: { name: eval, policies: [sft, grpo], data: { generator: arithmetic, split: test, count: 5 }, pass_at_k: [1, 2], temperature: 0.8, top_p: 0.9, max_completion_length: 12 }";
        var (expected, actual) = (Run("cpu", onDevice: false), Run("device", onDevice: true));
        var (wanted, found) = (Steps(expected), Steps(actual));
        Assert.Equal(4, wanted.Length);
        Assert.Equal(wanted.Select(row => row["reward"]), found.Select(row => row["reward"]));
        Assert.Equal(wanted.Select(row => row["completions/mean_length"]), found.Select(row => row["completions/mean_length"]));
        for (var step = 0; step < wanted.Length; step++)
            Assert.Equal(wanted[step]["loss"], found[step]["loss"], 1e-4);
        Assert.True(wanted.Select(row => row["reward"]).Distinct().Count() > 1, "all rewards are alike: the test shows nothing");
        Assert.All(found, row => Assert.InRange(row["sampling/sampling_logp_difference/max"], 0, 1e-4));

        RunDirectory Run(string name, bool onDevice)
        {
            Directory.CreateDirectory(folder[name]);
            var run = new SmallRun(folder[name], stages);
            run.Run(decodesOnDevice: onDevice);
            return run.Directory;
        }

        static OrderedDictionary<string, double>[] Steps(RunDirectory run) => [.. MetricsReader.Read(run.MetricsPath).Where(row => row.Stage == "grpo").Select(row => row.Values)];
    }
}
