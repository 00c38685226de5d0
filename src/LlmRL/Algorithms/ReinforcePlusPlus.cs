using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// REINFORCE++: PPO without a value network. A_t = Σ_{t'≥t} γ^(t'−t)·r_t' with the KL in the reward, r_t = −β·k1_t and the score at the last token
/// (<see cref="RewardToGo"/>), scaled to mean 0 and variance 1 over all tokens of the whole batch rather than within a prompt's group
/// (<see cref="Whiten"/>), and PPO's clipped surrogate (<see cref="PolicyGradient.PpoClip"/>). Hu 2025, arXiv 2501.03262, equations 3 to 5.
/// </summary>
[Variant("reinforce_plus_plus", Title = "REINFORCE++",
    About = "The model samples answers; returns are normalised over the whole batch, and updates are clipped as in PPO, without a value network.")]
public sealed record ReinforcePlusPlus : OnlineStage
{
    /// <inheritdoc/>
    [Range(1, 1 << 16)]
    public override int NumGenerations { get; init; } = 1;

    /// <summary>γ: discount per token.</summary>
    [Range(0.0, 1.0)]
    public double Gamma { get; init; } = 1;

    /// <summary>ε: the ratio's clip range below 1.</summary>
    [Range(0.0, 100.0)]
    public double Epsilon { get; init; } = 0.2;

    /// <summary>ε above 1; equal to <see cref="Epsilon"/> by default.</summary>
    [Range(0.0, 100.0)]
    public double? EpsilonHigh { get; init; }

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var returns = rollout.Trajectories.Select(TokenRewards).ToArray();
        foreach (var perToken in returns)
            RewardToGo.PerStep(perToken, Gamma, perToken);
        TokenAdvantages.Store(rollout, returns, whiten: true);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        var (low, high) = (Epsilon, EpsilonHigh ?? Epsilon);
        batch.AddClipMetrics(batch.LogProbs - batch.OldLogProbs, batch.Advantages, low, high);
        return PolicyGradient.PpoClip(batch.LogProbs, batch.OldLogProbs, batch.Advantages, low, high)
            .Aggregate(batch.Mask, Aggregation, batch.Share.For(Aggregation));
    }
}
