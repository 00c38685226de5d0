using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>−|n − target| / target, clipped to [−1, 0], where n counts words (or characters): 0 for a completion of just the wanted length.</summary>
[Variant("length")]
public sealed record LengthReward : IReward
{
    /// <summary>The wanted length.</summary>
    [Range(1, 1_000_000)]
    public int Target { get; init; } = 20;

    /// <summary>Lengths within this of the target are as good as the target.</summary>
    [Range(0, 1_000_000)]
    public int Tolerance { get; init; }

    /// <summary>Whether characters are counted instead of words.</summary>
    public bool Characters { get; init; }

    /// <inheritdoc/>
    string IReward.Name => "length";

    /// <inheritdoc/>
    public double Score(Example example, string completion)
    {
        var length = Characters ? completion.Length : KeywordReward.SplitWords(completion).Count;
        return -Math.Min(1, Math.Max(0, Math.Abs(length - Target) - Tolerance) / (double)Target);
    }
}
