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

    /// <summary>The ratio as a capped weight instead of a clip, mean over all tokens (arXiv 2506.13585, eq. 4); epsilon_high is the cap itself.</summary>
    Cispo,
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
[Variant("grpo", Title = "GRPO",
    About = "The model samples a group of answers a prompt; those above the group's mean reward become more likely.")]
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

    /// <summary>KL in the loss, as in the paper.</summary>
    public override KlPlacement KlIn { get; init; } = KlPlacement.Loss;

    /// <summary>k3, as in the paper.</summary>
    public override KlEstimator KlEstimator { get; init; } = KlEstimator.K3;

    /// <summary>δ &gt; 1 + ε: for A &lt; 0 the ratio counts at most δ (two-sided clipping, arXiv 2505.07291); null: none.</summary>
    [Range(1.0, 1e6)]
    public double? Delta { get; init; }

    /// <summary>How per-token losses become one number.</summary>
    public GrpoLossType LossType { get; init; } = GrpoLossType.Grpo;

    /// <summary>What advantages are divided by.</summary>
    public RewardScale ScaleRewards { get; init; } = RewardScale.Group;

    /// <summary>Whose ratio is clipped.</summary>
    public ImportanceSamplingLevel ImportanceSamplingLevel { get; init; } = ImportanceSamplingLevel.Token;

    /// <inheritdoc/>
    public override Aggregation Aggregation => LossType switch
    {
        GrpoLossType.Grpo => Aggregation.SequenceMean,
        GrpoLossType.DrGrpo => Aggregation.FixedLength,
        _ => Aggregation.TokenMean,
    };

    /// <inheritdoc/>
    public override IEnumerable<(string Key, string Problem)> Validate()
    {
        foreach (var fault in base.Validate())
            yield return fault;
        if (LossType == GrpoLossType.Cispo && EpsilonHigh is null)
            yield return (nameof(EpsilonHigh), "with loss_type: cispo it caps the ratio itself and has no default; 5.0 is usual");
        if (LossType == GrpoLossType.Cispo && ImportanceSamplingLevel != ImportanceSamplingLevel.Token)
            yield return (nameof(ImportanceSamplingLevel), "cispo weighs single tokens; leave it at token");
        if (Delta is { } delta && (LossType == GrpoLossType.Cispo || delta <= 1 + (EpsilonHigh ?? Epsilon)))
            yield return (nameof(Delta), $"{delta} must be above 1 + epsilon_high, and has no meaning for cispo");
    }

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var advantages = SequenceRewards(rollout);
        GroupRelative.Advantages(advantages, rollout.GroupSize, ScaleRewards, advantages);
        TokenAdvantages.StorePerSequence(rollout, advantages);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        var losses = LossType == GrpoLossType.Cispo ? Cispo(batch) : Clipped(batch, Epsilon, EpsilonHigh ?? Epsilon);
        return losses.Aggregate(batch.Mask, Aggregation, batch.Share.For(Aggregation), MaxCompletionLength);
    }

    private torch.Tensor Clipped(PolicyBatch batch, double low, double high)
    {
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

        return PolicyGradient.PpoClip(newLogProbs, batch.OldLogProbs, batch.Advantages, low, high, Delta ?? 0);
    }

    private torch.Tensor Cispo(PolicyBatch batch)
    {
        var held = (batch.LogProbs - batch.OldLogProbs).detach().exp().gt(EpsilonHigh!.Value).logical_and(batch.Advantages.gt(0));
        batch.AddMetric("cispo_clip_ratio", batch.Mask.Mean(held.to_type(torch.ScalarType.Float32)));
        return PolicyGradient.Cispo(batch.LogProbs, batch.OldLogProbs, batch.Advantages, EpsilonHigh.Value);
    }
}
