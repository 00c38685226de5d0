namespace LlmRL.Advantages;

/// <summary>Returns of one trajectory of T steps.</summary>
public static class RewardToGo
{
    /// <summary>Ĝ_t = Σ_{t' ≥ t} γ^(t'−t) r_t': what an action can still influence.</summary>
    /// <remarks>Sutton, McAllester, Singh and Mansour 2000, "Policy gradient methods for reinforcement learning with function approximation".</remarks>
    /// <param name="rewards">r_t (T).</param>
    /// <param name="gamma">Discount γ per step, 0 ≤ γ ≤ 1.</param>
    /// <param name="returns">Receives Ĝ_t (T); may be the rewards' own memory.</param>
    public static void PerStep(ReadOnlySpan<double> rewards, double gamma, Span<double> returns)
    {
        Spans.ExpectLength<double>(returns, rewards.Length);
        var sum = 0.0;
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            sum = rewards[t] + gamma * sum;
            returns[t] = sum;
        }
    }

    /// <summary>G = Σ_t γ^t r_t, which REINFORCE without reward-to-go gives to every step.</summary>
    /// <remarks>Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning".</remarks>
    /// <param name="rewards">r_t (T).</param>
    /// <param name="gamma">Discount γ per step, 0 ≤ γ ≤ 1.</param>
    public static double WholeTrajectory(ReadOnlySpan<double> rewards, double gamma)
    {
        var sum = 0.0;
        for (var t = rewards.Length - 1; t >= 0; t--)
            sum = rewards[t] + gamma * sum;
        return sum;
    }
}
