using System.ComponentModel.DataAnnotations;
using LlmRL.Rollouts;

namespace LlmRL.Algorithms;

/// <summary>How a policy answers held-out prompts while it is trained. Training draws its own random numbers: with and without evaluation it is the same.</summary>
public sealed record EvalSampling
{
    /// <summary>Completions per prompt. With more than one, <c>eval/pass@k</c> is measured for k = 1 and for all of them.</summary>
    [Range(1, 1 << 16)]
    public int NumGenerations { get; init; } = 1;

    /// <summary>τ: sampling temperature, 0 takes the most probable token; by default the stage's.</summary>
    [Range(0.0, 100.0)]
    public double? Temperature { get; init; }

    /// <summary>Nucleus sampling: the smallest set of tokens with at least this probability.</summary>
    [Range(0.0, 1.0)]
    public double TopP { get; init; } = 1;

    /// <summary>Only the k most probable tokens are sampled from; 0: all.</summary>
    [Range(0, 1 << 24)]
    public int TopK { get; init; }

    /// <summary>Tokens less probable than this fraction of the most probable one are left out; 0: none.</summary>
    [Range(0.0, 1.0)]
    public double MinP { get; init; }

    /// <summary>Most tokens of a completion, EOS included; by default the stage's.</summary>
    [Range(1, 1 << 20)]
    public int? MaxCompletionLength { get; init; }

    /// <summary>Seed of these samples alone; by default it follows from the recipe's. All evaluations of a stage draw the same numbers, so that their difference is the policy's.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Whether completions are samples of π itself, whose log-probabilities say how far it is from another policy.</summary>
    internal bool IsWholeDistribution(OnlineStage stage) => (Temperature ?? stage.Temperature) > 0 && TopP >= 1 && TopK == 0 && MinP == 0;

    /// <summary>The engine's options, what is not set here taken from the stage.</summary>
    internal SamplingOptions Options(OnlineStage stage) => new()
    {
        Temperature = Temperature ?? stage.Temperature,
        TopP = TopP,
        TopK = TopK,
        MinP = MinP,
        MaxNewTokens = MaxCompletionLength ?? stage.MaxCompletionLength,
    };
}
