using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>What is logged of every rollout, under TRL's names.</summary>
internal static class RolloutMetrics
{
    private const int LoggedSamples = 4;

    public static void Add(Rollout rollout, OnlineStage stage, BatchMetrics metrics)
    {
        var all = rollout.Trajectories;
        metrics.Add("reward", all.Average(trajectory => trajectory.LoggedReward), 1);
        metrics.Add("reward_std", rollout.Groups().Average(group => Deviation(group.Select(trajectory => trajectory.LoggedReward))), 1);
        if (rollout.GroupSize > 1)
            metrics.Add("frac_reward_zero_std", rollout.Groups().Average(group => group.All(trajectory => trajectory.Score == group[0].Score) ? 1.0 : 0), 1);
        AddRewards(rollout, stage, metrics);
        if (stage.DynamicSampling is not null)
            metrics.Add("dynamic_sampling/replaced_groups", rollout.Replaced.Count / rollout.GroupSize, 1);
        if (stage.AdaptiveKl is not null)
            metrics.Add("kl_coef", stage.Beta, 1);
        if (stage.EntropyCoefFinal is not null)
            metrics.Add("entropy_coef", stage.EntropyCoef, 1);
        metrics.Add("completions/mean_length", all.Average(trajectory => trajectory.Length), 1);
        metrics.Add("completions/min_length", all.Min(trajectory => trajectory.Length), 1);
        metrics.Add("completions/max_length", all.Max(trajectory => trajectory.Length), 1);
        metrics.Add("completions/clipped_ratio", all.Average(trajectory => trajectory.IsTruncated ? 1.0 : 0), 1);
        if (all.Any(trajectory => !trajectory.IsTruncated))
            metrics.Add("completions/mean_terminated_length", all.Where(trajectory => !trajectory.IsTruncated).Average(trajectory => trajectory.Length), 1);
        if (!stage.NeedsReference)
            return;
        var kl = all.Average(trajectory => trajectory.KlToReference());
        metrics.Add("objective/kl", kl, 1);
        metrics.Add("objective/rlhf_reward", metrics["reward"] - stage.Beta * kl, 1);
    }

    /// <summary>Each reward by name over the completions that it applies to, and what could not be scored.</summary>
    private static void AddRewards(Rollout rollout, OnlineStage stage, BatchMetrics metrics)
    {
        foreach (var term in RewardTerm.Flatten(stage.Reward))
        {
            var scores = rollout.Trajectories.Select(trajectory => trajectory.Rewards[term.Name]).Where(score => !double.IsNaN(score)).ToArray();
            if (scores.Length > 0)
            {
                metrics.Add($"rewards/{term.Name}/mean", scores.Average(), 1);
                metrics.Add($"rewards/{term.Name}/std", Deviation(scores), 1);
            }

            if (term.Reward is IBatchReward)
                metrics.Add($"rewards/{term.Name}/failures", Sampled(rollout).Count(trajectory => trajectory.FailedRewards.Contains(term.Name)), 1);
        }

        if (rollout.Dropped.Count > 0)
            metrics.Add("rewards/dropped_groups", rollout.Dropped.Count / rollout.GroupSize, 1);
    }

    private static IEnumerable<Trajectory> Sampled(Rollout rollout) => rollout.Trajectories.Concat(rollout.Replaced).Concat(rollout.Dropped);

    /// <summary>|log π at training − log π as sampled|: what separates the two computations of the same number, before any update.</summary>
    public static void AddSamplingDifference(PolicyBatch batch, BatchMetrics metrics)
    {
        using var guard = no_grad();
        var difference = batch.Mask.Clean((batch.LogProbs - batch.OldLogProbs).abs());
        metrics.Add("sampling/sampling_logp_difference/mean", batch.Mask.Mean(difference).item<float>(), batch.Mask.Count().item<float>());
        metrics.Max("sampling/sampling_logp_difference/max", difference.max().item<float>());
    }

    /// <summary>Keeps the first completion of each of the first few prompts of a step, counted from 0, where <see cref="OnlineStage.LogCompletionsSteps"/> says so.</summary>
    public static void LogSamples(Rollout rollout, OnlineStage stage, StageContext context, int step)
    {
        if (stage.LogCompletionsSteps > 0 && step % stage.LogCompletionsSteps == 0)
            LogFirst(rollout, context, step + 1, null);
    }

    /// <summary>The same of held-out prompts answered after so many steps, whatever their number: evaluations are rarer than steps.</summary>
    public static void LogHeldOutSamples(Rollout rollout, OnlineStage stage, StageContext context, int steps)
    {
        if (stage.LogCompletionsSteps > 0)
            LogFirst(rollout, context, steps, SampleRow.HeldOut);
    }

    private static void LogFirst(Rollout rollout, StageContext context, int step, string? split)
    {
        for (var prompt = 0; prompt < Math.Min(LoggedSamples, rollout.Trajectories.Count / rollout.GroupSize); prompt++)
        {
            var trajectory = rollout.Trajectories[prompt * rollout.GroupSize];
            context.Log.Sample(new SampleRow
            {
                Step = step,
                Stage = context.Stage.Name,
                Prompt = trajectory.Example.Prompt,
                Completion = trajectory.Text,
                Reward = double.IsNaN(trajectory.LoggedReward) ? null : trajectory.LoggedReward,
                Split = split,
                PromptIndex = split is null ? null : prompt,
            });
        }
    }

    private static double Deviation(IEnumerable<double> values)
    {
        var statistics = new RunningStatistics();
        foreach (var value in values)
            statistics.Add(value);
        return statistics.StandardDeviation;
    }
}
