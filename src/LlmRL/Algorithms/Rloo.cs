using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// REINFORCE leave-one-out: the completion is one action with reward R_i = score − β·Σ_t k1_t; A_i = R_i − mean of the other k − 1 completions of the
/// prompt (<see cref="LeaveOneOut"/>); the loss is −A·ρ with the sequence's ratio ρ = π/π_old, clipped as in PPO when samples are used more than once.
/// Ahmadian et al. 2024, arXiv 2402.14740.
/// </summary>
[Variant("rloo", Title = "RLOO",
    About = "The model samples several answers a prompt; each is compared with the mean reward of the others.")]
public sealed record Rloo : OnlineStage
{
    /// <summary>k: completions per prompt.</summary>
    [Range(2, 1 << 16)]
    public override int NumGenerations { get; init; } = 4;

    /// <summary>ε: the sequence ratio's clip range.</summary>
    [Range(0.0, 100.0)]
    public double Epsilon { get; init; } = 0.2;

    /// <summary>ε above 1; equal to <see cref="Epsilon"/> by default.</summary>
    [Range(0.0, 100.0)]
    public double? EpsilonHigh { get; init; }

    /// <summary>Whether advantages are scaled to mean 0 and variance 1 over the batch.</summary>
    public bool NormalizeAdvantages { get; init; }

    /// <inheritdoc/>
    public override Aggregation Aggregation => Aggregation.SequenceSum;

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var rewards = SequenceRewards(rollout);
        LeaveOneOut.Advantages(rewards, rollout.GroupSize, rewards, NormalizeAdvantages);
        TokenAdvantages.StorePerSequence(rollout, rewards);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        // Summed after the subtraction: two long sums would lose the digits in which they differ.
        var logRatio = batch.Mask.SumPerSequence(batch.LogProbs - batch.OldLogProbs);
        var advantages = batch.Advantages.select(1, 0);
        batch.AddClipMetrics(logRatio, advantages, Epsilon, EpsilonHigh ?? Epsilon);
        return PolicyGradient.PpoClip(logRatio, torch.zeros_like(logRatio), advantages, Epsilon, EpsilonHigh ?? Epsilon).sum() / batch.Share.Sequences;
    }
}
