using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Rollouts;

namespace LlmRL.Gpu;

/// <summary>Made-up batches of ragged lengths, the same for both sides of a comparison.</summary>
internal static class CheckInputs
{
    private const int Prompts = 3, Group = 3, MaxNewTokens = 24;

    /// <summary>Random token ids.</summary>
    public static int[] Tokens(int vocabulary, int length, ulong seed)
    {
        var random = new RandomStream(CounterRandom.Key(seed, (ulong)length));
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(0, vocabulary))];
    }

    /// <summary>Normally distributed numbers.</summary>
    public static float[] Normal(RandomStream random, int count, double scale) => [.. Enumerable.Range(0, count).Select(_ => (float)(scale * random.NextNormal()))];

    /// <summary>Demonstrations, or pairs.</summary>
    public static List<EncodedExample> Rows(int vocabulary, int sequences) => [.. Enumerable.Range(0, 7).Select(i =>
    {
        var prompt = Tokens(vocabulary, 2 + i % 3, (ulong)(100 + i));
        int[][] rows = [.. Enumerable.Range(0, sequences).Select(j => (int[])[.. prompt, .. Tokens(vocabulary, 1 + (11 * i + 7 * j) % 29, (ulong)(200 + 10 * i + j))])];
        return new EncodedExample(rows, prompt.Length, new Example { Prompt = "" });
    })];

    /// <summary>Completions that a model sampled, with made-up advantages, values and reference.</summary>
    /// <param name="policy">A model on the CPU.</param>
    /// <param name="noise">How far log π_old lies from what was sampled: so far are ratios from 1.</param>
    public static Trajectory[] Trajectories(Transformer policy, double noise)
    {
        var random = new RandomStream(CounterRandom.Key(3));
        float[] Near(float[] values, double scale) => [.. values.Zip(Normal(random, values.Length, scale), (value, other) => value + other)];
        return [.. Sample(policy).Select((completion, i) => new Trajectory
        {
            Example = new Example { Prompt = "" },
            Prompt = Prompt(policy, completion.PromptIndex),
            // Cut to differing lengths.
            Completion = Cut(completion, MaxNewTokens - i, Near(completion.LogProbs, noise)),
            Text = "",
            ReferenceLogProbs = Near(completion.LogProbs[..(MaxNewTokens - i)], 0.3),
            Advantages = Normal(random, MaxNewTokens - i, 1),
            Values = Normal(random, MaxNewTokens - i, 1),
            Returns = Normal(random, MaxNewTokens - i, 1),
        })];
    }

    /// <summary>Samples from a model on the CPU.</summary>
    public static IReadOnlyList<Completion> Sample(Transformer policy)
    {
        using var engine = new RolloutEngine(policy.DecoderWeights());
        return engine.Generate([.. Enumerable.Range(0, Prompts).Select(i => Prompt(policy, i))], Group, new SamplingOptions { MaxNewTokens = MaxNewTokens }, new SampleKey(8, 0));
    }

    /// <summary>The largest difference of two numbers at the same place; NaN where one is.</summary>
    public static double Difference(float[] expected, float[] actual)
    {
        if (expected.Length != actual.Length)
            throw new ArgumentException($"{expected.Length} numbers are compared with {actual.Length}");
        // A NaN stays: Math.Max keeps it.
        return expected.Zip(actual, (e, a) => (double)Math.Abs(e - a)).Aggregate(0.0, Math.Max);
    }

    private static Completion Cut(Completion completion, int length, float[] logProbs) => completion with { Tokens = completion.Tokens[..length], LogProbs = logProbs[..length] };

    private static int[] Prompt(Transformer policy, int index) => Tokens(policy.Config.VocabSize, 3 + 4 * index, (ulong)(300 + index));
}
