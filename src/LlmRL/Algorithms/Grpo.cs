using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>How GRPO's per-token losses become one number, by TRL's names.</summary>
public enum GrpoLossType
{
    /// <summary>Mean over each completion, then over completions (arXiv 2402.03300).</summary>
    Grpo,

    /// <summary>Mean over all tokens of the batch.</summary>
    Bnpo,

    /// <summary>Sum over tokens divided by the constant completions · max_completion_length (arXiv 2503.20783).</summary>
    DrGrpo,

    /// <summary>Mean over all tokens of the whole (accumulated) batch (arXiv 2503.14476).</summary>
    Dapo,
}

/// <summary>Whose ratio is clipped.</summary>
public enum ImportanceSamplingLevel
{
    /// <summary>Each token's own.</summary>
    Token,

    /// <summary>The completion's, normalised by its length (GSPO, arXiv 2507.18071).</summary>
    Sequence,
}

/// <summary>
/// Group relative policy optimisation: A_i = (r_i − mean)/(std + 1e-4) over the completions of a prompt (<see cref="GroupRelative"/>), PPO's clipped
/// surrogate per token (<see cref="PolicyGradient.PpoClip"/>), and KL to the reference in the loss as k3 (<see cref="KlLoss.K3"/>).
/// Shao et al. 2024, arXiv 2402.03300.
/// </summary>
[Variant("grpo")]
public sealed record Grpo : OnlineStage
{
    /// <summary>G: completions per prompt.</summary>
    [Range(2, 1 << 16)]
    public override int NumGenerations { get; init; } = 8;

    /// <inheritdoc/>
    [Range(0.0, 1e6)]
    public override double Beta { get; init; } = 0.04;

    /// <summary>ε: the ratio's clip range below 1.</summary>
    [Range(0.0, 100.0)]
    public double Epsilon { get; init; } = 0.2;

    /// <summary>ε above 1; equal to <see cref="Epsilon"/> by default, larger in DAPO.</summary>
    [Range(0.0, 100.0)]
    public double? EpsilonHigh { get; init; }

    /// <summary>How per-token losses become one number.</summary>
    public GrpoLossType LossType { get; init; } = GrpoLossType.Grpo;

    /// <summary>What advantages are divided by.</summary>
    public RewardScale ScaleRewards { get; init; } = RewardScale.Group;

    /// <summary>Whose ratio is clipped.</summary>
    public ImportanceSamplingLevel ImportanceSamplingLevel { get; init; } = ImportanceSamplingLevel.Token;

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var advantages = rollout.Trajectories.Select(trajectory => trajectory.Score).ToArray();
        GroupRelative.Advantages(advantages, rollout.GroupSize, ScaleRewards, advantages);
        TokenAdvantages.StorePerSequence(rollout, advantages);
    }

    /// <inheritdoc/>
    public override torch.Tensor Loss(PolicyBatch batch)
    {
        var (low, high) = (Epsilon, EpsilonHigh ?? Epsilon);
        var newLogProbs = batch.LogProbs;
        if (ImportanceSamplingLevel == ImportanceSamplingLevel.Sequence)
        {
            var logRatio = PolicyGradient.SequenceLogRatio(batch.LogProbs, batch.OldLogProbs, batch.Mask);
            newLogProbs = batch.OldLogProbs + logRatio;
            batch.AddClipMetrics(logRatio.squeeze(1), batch.Advantages.select(1, 0), low, high);
        }
        else
        {
            batch.AddClipMetrics(newLogProbs - batch.OldLogProbs, batch.Advantages, low, high);
        }

        var losses = PolicyGradient.PpoClip(newLogProbs, batch.OldLogProbs, batch.Advantages, low, high);
        if (Beta > 0)
        {
            var kl = KlLoss.K3(batch.LogProbs, batch.ReferenceLogProbs!);
            losses = losses + Beta * kl;
            batch.AddMetric("kl", batch.Mask.Mean(kl));
        }

        var how = LossType switch { GrpoLossType.Grpo => Aggregation.SequenceMean, GrpoLossType.DrGrpo => Aggregation.FixedLength, _ => Aggregation.TokenMean };
        return losses.Aggregate(batch.Mask, how, batch.Share.For(how), MaxCompletionLength);
    }
}
