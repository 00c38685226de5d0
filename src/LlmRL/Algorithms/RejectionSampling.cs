using System.ComponentModel.DataAnnotations;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// Rejection-sampling fine-tuning, the plain baseline: of G completions a prompt the best <see cref="Keep"/> are imitated
/// (<see cref="CrossEntropy.NegativeLogLikelihood"/>), the others thrown away. A prompt whose completions all score the same teaches nothing and is left
/// out. RAFT, Dong et al. 2023, arXiv 2304.06767; Touvron et al. 2023, arXiv 2307.09288, section 3.2.3.
/// </summary>
[Variant("rejection_sampling", Title = "Rejection sampling",
    About = "The model samples several answers a prompt and imitates the best of them.")]
public sealed record RejectionSampling : OnlineStage
{
    /// <summary>G: completions per prompt.</summary>
    [Range(2, 1 << 16)]
    public override int NumGenerations { get; init; } = 8;

    /// <inheritdoc/>
    [Range(0.0, 1e6)]
    public override double Beta { get; init; }

    /// <summary>How many of a prompt's completions are imitated.</summary>
    [Range(1, 1 << 16)]
    public int Keep { get; init; } = 1;

    /// <inheritdoc/>
    public override IEnumerable<(string Key, string Problem)> Validate()
    {
        foreach (var fault in base.Validate())
            yield return fault;
        if (Keep >= NumGenerations)
            yield return (nameof(Keep), $"keeping {Keep} of {NumGenerations} completions selects nothing; keep fewer, or raise num_generations");
    }

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var rewards = SequenceRewards(rollout);
        for (var start = 0; start < rewards.Length; start += rollout.GroupSize)
        {
            var group = Enumerable.Range(start, rollout.GroupSize).ToArray();
            // The order among equals is that of sampling, which is random.
            var best = group.All(i => rewards[i] == rewards[start]) ? [] : group.OrderByDescending(i => rewards[i]).Take(Keep).ToHashSet();
            foreach (var i in group)
                rollout.Trajectories[i].Counts &= best.Contains(i);
        }

        var kept = rollout.Trajectories.Count(trajectory => trajectory.Counts);
        metrics.Add("rejection_sampling/kept", kept, 1);
        if (kept > 0)
            metrics.Add("rejection_sampling/kept_reward", rollout.Trajectories.Where(trajectory => trajectory.Counts).Average(trajectory => trajectory.Score), kept);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch) =>
        CrossEntropy.NegativeLogLikelihood(batch.Mask.Clean(batch.LogProbs), batch.Share.For(Aggregation.TokenMean));
}
