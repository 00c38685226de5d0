using System.ComponentModel.DataAnnotations;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// Regression to relative rewards: per step, the policy is fitted by least squares so that differences of its log-ratios to the sampling policy π_t, divided
/// by η, equal differences of rewards (<see cref="RebelLoss.PerPrompt"/>). The reward of a completion is its score − β·Σ_t k1_t. No clip, no value network.
/// Gao et al. 2024, arXiv 2404.16767.
/// </summary>
[Variant("rebel", Title = "REBEL",
    About = "The model samples several answers a prompt and regresses the differences of their rewards on the change of their log-probabilities.")]
public sealed record Rebel : OnlineStage
{
    /// <summary>G: completions per prompt; the loss is the mean over all pairs of them.</summary>
    [Range(2, 1 << 16)]
    public override int NumGenerations { get; init; } = 2;

    /// <summary>Epochs over each sampling phase's completions: the regression takes several steps to fit.</summary>
    [Range(1, 1000)]
    public override int NumIterations { get; init; } = 4;

    /// <summary>η, in units of reward⁻¹: the exact solution of a step is π ∝ π_t·e^(ηr).</summary>
    [Range(1e-6, 1e6)]
    public double Eta { get; init; } = 1;

    /// <inheritdoc/>
    public override int LossUnit => NumGenerations;

    /// <inheritdoc/>
    public override Aggregation Aggregation => Aggregation.SequenceSum;

    /// <inheritdoc/>
    public override IEnumerable<(string Key, string Problem)> Validate()
    {
        foreach (var fault in base.Validate())
            yield return fault;
        if (MaskTruncatedCompletions)
            yield return (nameof(MaskTruncatedCompletions), "a regression over pairs cannot leave out half of one; use missing_eos_penalty for completions that were cut");
    }

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics) =>
        TokenAdvantages.StorePerSequence(rollout, SequenceRewards(rollout));

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        var logRatios = batch.Mask.SumPerSequence(batch.LogProbs - batch.OldLogProbs).view(-1, NumGenerations);
        var rewards = batch.Advantages.select(1, 0).view(-1, NumGenerations);
        return RebelLoss.PerPrompt(logRatios, rewards, Eta).sum() * NumGenerations / batch.Share.Sequences;
    }
}
