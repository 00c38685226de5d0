using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Rollouts;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>Tests that use tensors run one after the other: libtorch has threads of its own, and some tests count memory.</summary>
[CollectionDefinition("tensors", DisableParallelization = true)]
public sealed class TensorCollection
{
    public const string Name = "tensors";
}

/// <summary>Models so small that every gradient is looked at, and trajectories for them.</summary>
internal static class Tiny
{
    static Tiny() => Startup.Prepare();

    public static ModelConfig Llama { get; } = new()
    {
        ModelType = "llama",
        VocabSize = 29,
        HiddenSize = 16,
        NumLayers = 2,
        NumHeads = 4,
        NumKeyValueHeads = 2,
        HeadDim = 4,
        IntermediateSize = 24,
        MaxPositions = 40,
        // Wide enough that attention and next-token distributions are far from uniform.
        InitializerRange = 0.3,
    };

    /// <summary>Stages without data or reward, to be varied.</summary>
    public static Reinforce Reinforce { get; } = new() { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! };

    public static Rloo Rloo { get; } = new() { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! };

    public static Ppo Ppo { get; } = new() { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! };

    public static Grpo Grpo { get; } = new() { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! };

    public static Transformer Model(ModelConfig? config = null, bool scalarHead = false, ulong seed = 1)
    {
        var model = new Transformer(config ?? Llama, scalarHead);
        model.Parameters.Initialize(model.Config, seed);
        return model;
    }

    /// <summary>Trajectories of ragged lengths with everything a loss may read; log π_old is that of <paramref name="policy"/> plus noise.</summary>
    public static Trajectory[] Trajectories(Transformer policy, double temperature, int count = 6, double noise = 0.25, ulong seed = 3)
    {
        var random = new RandomStream(CounterRandom.Key(seed));
        float[] Normal(int length, double scale) => [.. Enumerable.Range(0, length).Select(_ => (float)(scale * random.NextNormal()))];
        int[] Tokens(int length) => [.. Enumerable.Range(0, length).Select(_ => (int)(random.NextDouble() * policy.Config.VocabSize))];
        var trajectories = new Trajectory[count];
        for (var i = 0; i < count; i++)
        {
            // Lengths 1, 4, 7, ...: the shortest completion is a single token.
            var (prompt, tokens) = (Tokens(2 + i * 3 % 5), Tokens(1 + 3 * i % 11));
            var current = LogProbs(policy, prompt, tokens, temperature);
            float[] Near(double scale) => [.. current.Zip(Normal(tokens.Length, scale), (x, n) => x + n)];
            var trajectory = trajectories[i] = Trajectory(prompt, tokens, Near(noise), i);
            trajectory.ReferenceLogProbs = Near(0.5);
            trajectory.Values = Normal(tokens.Length, 1);
            trajectory.Returns = Normal(tokens.Length, 1);
            trajectory.Advantages = Normal(tokens.Length, 1);
        }

        return trajectories;
    }

    /// <summary>A trajectory of which nothing is known but its tokens and log π_old.</summary>
    public static Trajectory Trajectory(int[] prompt, int[] tokens, float[] logProbs, int index = 0) => new()
    {
        Example = new Example { Prompt = "" },
        Prompt = prompt,
        Completion = new Completion(index, 0, tokens, logProbs, FinishReason.Stop),
        Text = "",
    };

    /// <summary>Trajectories as one minibatch with everything in one micro-batch.</summary>
    public static PolicyBatch Batch(Trajectory[] trajectories) => new(trajectories, CPU, BatchShare.Of(trajectories)) { Metrics = new BatchMetrics() };

    /// <summary>log π of a completion by the whole logits, without the training path.</summary>
    public static float[] LogProbs(Transformer policy, int[] prompt, int[] completion, double temperature)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch([[.. prompt, .. completion]]);
        var all = (policy.Logits(policy.Hidden(batch)) / temperature).log_softmax(-1);
        return [.. completion.Select((token, t) => all[prompt.Length - 1 + t, token].item<float>())];
    }

    /// <summary>What <paramref name="backward"/> leaves in the gradient buffer, which is cleared before and after.</summary>
    public static float[] Gradient(Transformer model, Action backward)
    {
        model.Parameters.ZeroGradients();
        using (NewDisposeScope())
            backward();
        var gradient = model.Parameters.Gradients!.data<float>().ToArray();
        model.Parameters.ZeroGradients();
        return gradient;
    }

    /// <summary>Every element within a fraction of the largest one.</summary>
    public static void AssertClose(float[] expected, float[] actual, double relative)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Max(Math.Abs);
        Assert.True(largest > 0, "the expected gradient is zero: the test shows nothing");
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= relative * largest, $"element {i}: expected {expected[i]:R}, got {actual[i]:R}; the largest is {largest:R}");
    }
}
