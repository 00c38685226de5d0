namespace LlmRL.Rollouts;

/// <summary>Why a completion ended.</summary>
public enum FinishReason
{
    /// <summary>A stop token (EOS) was sampled; it is the last token of the completion.</summary>
    Stop,

    /// <summary>The length limit was reached without a stop token.</summary>
    Length,
}

/// <summary>One sampled completion.</summary>
/// <param name="PromptIndex">Index of its prompt in the call.</param>
/// <param name="SampleIndex">0 ≤ SampleIndex &lt; samples per prompt.</param>
/// <param name="Tokens">The sampled ids, the stop token included where there is one.</param>
/// <param name="LogProbs">log π(token | prefix) of each token in nats, from the full softmax of logits / temperature, before any truncation (top-k, top-p, min-p).</param>
/// <param name="Finish">Why it ended.</param>
public sealed record Completion(int PromptIndex, int SampleIndex, int[] Tokens, float[] LogProbs, FinishReason Finish);

/// <summary>How tokens are sampled.</summary>
public sealed record SamplingOptions
{
    /// <summary>Logits are divided by it; 0 takes the most probable token.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only the smallest set of tokens with at least this probability is sampled from (1: all).</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only the k most probable tokens are sampled from (0: all).</summary>
    public int TopK { get; init; }

    /// <summary>Tokens less probable than this fraction of the most probable one are left out (0: none).</summary>
    public double MinP { get; init; }

    /// <summary>Logits of tokens already present are divided by it when positive, multiplied when negative (1: off; Keskar et al. 2019, arXiv 1909.05858).</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Length limit in tokens.</summary>
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>Stop tokens are not sampled before this many tokens.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Ids that end a completion.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];
}

/// <summary>What a sample's randomness is keyed by, beside prompt, sample and position.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">The step of the loop, or any number that sets calls apart.</param>
public readonly record struct SampleKey(ulong Seed, ulong Step);
