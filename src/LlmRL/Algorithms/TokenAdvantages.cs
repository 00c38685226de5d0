using LlmRL.Advantages;
using LlmRL.Rollouts;

namespace LlmRL.Algorithms;

/// <summary>What algorithms with per-token rewards and advantages share.</summary>
internal static class TokenAdvantages
{
    /// <summary>
    /// r_t = −β·k_t plus the rewards of single tokens; what of the score they do not account for is added at the last token. See <see cref="KlReward.PerToken"/>.
    /// </summary>
    public static double[] Rewards(Trajectory trajectory, double beta, KlEstimator estimator)
    {
        var rewards = new double[trajectory.Length];
        var rest = trajectory.Score - trajectory.TokenRewards.Sum();
        if (beta > 0)
            KlReward.PerToken(trajectory.LogProbs, trajectory.ReferenceLogProbs, beta, rest, estimator, rewards);
        else
            rewards[^1] = rest;
        for (var t = 0; t < trajectory.TokenRewards.Length; t++)
            rewards[t] += trajectory.TokenRewards[t];
        return rewards;
    }

    /// <summary>Writes advantages into the trajectories, scaled to mean 0 and variance 1 over all tokens that count where asked for.</summary>
    public static void Store(Rollout rollout, double[][] advantages, bool whiten)
    {
        if (whiten)
            Whiten.Rows(advantages, [.. rollout.Trajectories.Select(trajectory => trajectory.Counts)], shiftMean: true, unbiased: true);
        foreach (var (trajectory, perToken) in rollout.Trajectories.Zip(advantages))
            trajectory.Advantages = Array.ConvertAll(perToken, value => (float)value);
    }

    /// <summary>Gives every token of a trajectory the trajectory's own advantage.</summary>
    public static void StorePerSequence(Rollout rollout, ReadOnlySpan<double> advantages)
    {
        for (var i = 0; i < advantages.Length; i++)
        {
            rollout.Trajectories[i].Advantages = new float[rollout.Trajectories[i].Length];
            Array.Fill(rollout.Trajectories[i].Advantages, (float)advantages[i]);
        }
    }
}
