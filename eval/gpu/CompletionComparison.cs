using LlmRL.Models;
using LlmRL.Rollouts;
using static TorchSharp.torch;

namespace LlmRL.Gpu;

/// <summary>
/// Completions of one policy that two engines sampled from the same keys. They agree in every token but where a uniform number lies so near the border of two tokens that
/// rounding decides; from there on they are different texts.
/// </summary>
/// <param name="policy">A model on the CPU with the weights that both sampled from.</param>
/// <param name="prompts">The prompts.</param>
/// <param name="options">How tokens were sampled.</param>
/// <param name="key">Of which keys.</param>
/// <param name="promptKeys">Keys of the prompts; null: their numbers.</param>
internal sealed class CompletionComparison(Transformer policy, int[][] prompts, SamplingOptions options, SampleKey key, ulong[]? promptKeys = null)
{
    private const int Attempts = 64;

    /// <summary>How far logits may be apart by rounding.</summary>
    private const double Rounding = 2e-5;

    /// <summary>The largest difference of a log-probability before the first token that differs; NaN where one is.</summary>
    public double LogProbDifference { get; private set; }

    /// <summary>Completions that part where rounding decides.</summary>
    public int Parted { get; private set; }

    /// <summary>Compares completions.</summary>
    /// <returns>What is wrong with each that rounding does not explain.</returns>
    public IReadOnlyList<string> Compare(IReadOnlyList<Completion> expected, IReadOnlyList<Completion> actual)
    {
        if (expected.Count != actual.Count)
            return [$"{actual.Count} completions instead of {expected.Count}"];
        return [.. expected.Zip(actual, Compare).OfType<string>()];
    }

    private string? Compare(Completion expected, Completion actual)
    {
        var name = $"prompt {expected.PromptIndex}, sample {expected.SampleIndex}";
        if ((actual.PromptIndex, actual.SampleIndex) != (expected.PromptIndex, expected.SampleIndex))
            return $"{name} is prompt {actual.PromptIndex}, sample {actual.SampleIndex}";
        if (actual.LogProbs.Length != actual.Tokens.Length)
            return $"{name} has {actual.LogProbs.Length} log-probabilities of {actual.Tokens.Length} tokens";
        var same = expected.Tokens.AsSpan().CommonPrefixLength(actual.Tokens);
        for (var t = 0; t < same; t++)
            LogProbDifference = Math.Max(LogProbDifference, Math.Abs((double)expected.LogProbs[t] - actual.LogProbs[t]));
        if (same == expected.Tokens.Length && same == actual.Tokens.Length)
            return expected.Finish == actual.Finish ? null : $"{name} ends by {actual.Finish} instead of {expected.Finish}";
        if (same == expected.Tokens.Length || same == actual.Tokens.Length)
            return $"{name} has {actual.Tokens.Length} tokens instead of {expected.Tokens.Length}";
        if (!RoundingDecides(expected, same, actual.Tokens[same]))
            return $"{name}, token {same}: {actual.Tokens[same]} instead of {expected.Tokens[same]}";
        Parted++;
        return null;
    }

    /// <summary>Whether logits that differ by rounding give either token.</summary>
    private bool RoundingDecides(Completion expected, int position, int other)
    {
        var (prompt, generated) = (prompts[expected.PromptIndex], expected.Tokens[..position]);
        var logits = Logits([.. prompt, .. generated]);
        var sampleKey = CounterRandom.Key(key.Seed, key.Step, promptKeys is null ? (ulong)expected.PromptIndex : promptKeys[expected.PromptIndex], (ulong)expected.SampleIndex);
        var sampler = new Sampler(options, policy.Config.VocabSize);
        var random = new RandomStream(CounterRandom.Key(sampleKey, (ulong)position));
        var (drewThis, drewOther) = (false, false);
        for (var i = 0; i < Attempts; i++)
        {
            float[] near = [.. logits.Select(logit => (float)(logit + Rounding * (2 * random.NextDouble() - 1)))];
            sampler.Draw(near, sampleKey, prompt, generated, out var token, out _);
            drewThis |= token == expected.Tokens[position];
            drewOther |= token == other;
        }

        return drewThis && drewOther;
    }

    private float[] Logits(int[] sequence)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch([sequence]);
        return policy.Logits(policy.Hidden(batch).narrow(0, sequence.Length - 1, 1)).squeeze(0).data<float>().ToArray();
    }
}
