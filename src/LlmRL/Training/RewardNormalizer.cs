using LlmRL.Advantages;
using LlmRL.Evaluation;
using LlmRL.Rewards;
using LlmRL.Rollouts;

namespace LlmRL.Training;

/// <summary>
/// Several rewards on one scale, see <see cref="RewardNormalization"/> and <see cref="NormalizationScope"/>: z = (r − mean)/(std + ε), of each reward before the
/// weighted sum or of the sum. A reward that does not apply to a completion is left out of means, deviations and sums.
/// </summary>
internal static class RewardNormalizer
{
    /// <summary>ε, in units of reward: as in TRL.</summary>
    public const double Epsilon = 1e-4;

    private const string SumKey = "weighted sum";

    /// <summary>Replaces the scores of a step; the plain sums are kept in <see cref="Trajectory.PlainSum"/>.</summary>
    /// <param name="rollout">B completions with a score each.</param>
    /// <param name="how">What the recipe asks for.</param>
    /// <param name="terms">The F rewards.</param>
    /// <param name="state">The stage's numbers: running statistics are kept there.</param>
    public static void Normalize(Rollout rollout, WeightedReward how, IReadOnlyList<RewardTerm> terms, IDictionary<string, double> state)
    {
        var all = rollout.Trajectories;
        var scores = new double[all.Count];
        if (how.Normalize == RewardNormalization.After)
        {
            for (var i = 0; i < scores.Length; i++)
                scores[i] = all[i].Score;
            Standardize(scores, how.NormalizeOver, rollout.GroupSize, SumKey, state);
        }
        else
        {
            var column = new double[scores.Length];
            foreach (var term in terms)
            {
                for (var i = 0; i < column.Length; i++)
                    column[i] = all[i].Rewards[term.Name];
                Standardize(column, how.NormalizeOver, rollout.GroupSize, term.Name, state);
                for (var i = 0; i < column.Length; i++)
                    scores[i] += term.Weight * column[i];
            }
        }

        for (var i = 0; i < scores.Length; i++)
            (all[i].PlainSum, all[i].Score) = (all[i].Score, scores[i]);
    }

    /// <summary>r becomes (r − mean)/(std + ε), NaN becomes 0: nothing is added where a reward does not apply.</summary>
    private static void Standardize(double[] rewards, NormalizationScope scope, int groupSize, string name, IDictionary<string, double> state)
    {
        if (scope == NormalizationScope.Running)
            StandardizeRunning(rewards, name, state);
        else if (rewards.Length < 2)
            rewards.AsSpan().Clear();
        else
            GroupRelative.Advantages(rewards, scope == NormalizationScope.Group ? groupSize : rewards.Length, RewardScale.Group, rewards, Epsilon);
    }

    /// <summary>Mean and deviation of all rewards of the stage so far, these included (Welford 1962).</summary>
    private static void StandardizeRunning(Span<double> rewards, string name, IDictionary<string, double> state)
    {
        var (count, mean, variance) = ($"reward/{name}/count", $"reward/{name}/mean", $"reward/{name}/variance");
        var statistics = state.TryGetValue(count, out var n) ? RunningStatistics.Restore((long)n, state[mean], state[variance]) : new RunningStatistics();
        foreach (var reward in rewards)
        {
            if (!double.IsNaN(reward))
                statistics.Add(reward);
        }

        (state[count], state[mean], state[variance]) = (statistics.Count, statistics.Mean, statistics.Variance);
        foreach (ref var reward in rewards)
            reward = double.IsNaN(reward) ? 0 : (reward - statistics.Mean) / (statistics.StandardDeviation + Epsilon);
    }
}
