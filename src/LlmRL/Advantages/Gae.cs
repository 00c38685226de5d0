namespace LlmRL.Advantages;

/// <summary>Generalised advantage estimation over one trajectory of T steps.</summary>
public static class Gae
{
    /// <summary>A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t; λ = 0 gives δ_t, λ = 1 the reward-to-go minus V_t.</summary>
    /// <remarks>Schulman et al. 2015, arXiv 1506.02438, equations 11 and 16.</remarks>
    /// <param name="rewards">r_t (T).</param>
    /// <param name="values">V_t (T): the value of the state in which action t was taken.</param>
    /// <param name="gamma">Discount γ per step, 0 ≤ γ ≤ 1.</param>
    /// <param name="lambda">λ, 0 ≤ λ ≤ 1: bias at 0, variance at 1.</param>
    /// <param name="advantages">Receives A_t (T); may be the rewards' own memory.</param>
    /// <param name="finalValue">V_T: 0 where the trajectory ended, the critic's value where it was only cut off.</param>
    public static void Advantages(ReadOnlySpan<double> rewards, ReadOnlySpan<double> values, double gamma, double lambda,
        Span<double> advantages, double finalValue = 0)
    {
        Spans.ExpectLength(values, rewards.Length);
        Spans.ExpectLength<double>(advantages, rewards.Length);
        var (advantage, next) = (0.0, finalValue);
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            var delta = rewards[t] + gamma * next - values[t];
            advantage = delta + gamma * lambda * advantage;
            advantages[t] = advantage;
            next = values[t];
        }
    }

    /// <summary>R_t = A_t + V_t: the critic's targets (TD(λ) returns). Take A_t before whitening.</summary>
    /// <param name="advantages">A_t (T).</param>
    /// <param name="values">V_t (T).</param>
    /// <param name="returns">Receives R_t (T).</param>
    public static void Returns(ReadOnlySpan<double> advantages, ReadOnlySpan<double> values, Span<double> returns)
    {
        Spans.ExpectLength(values, advantages.Length);
        Spans.ExpectLength<double>(returns, advantages.Length);
        for (var t = 0; t < advantages.Length; t++)
            returns[t] = advantages[t] + values[t];
    }
}
