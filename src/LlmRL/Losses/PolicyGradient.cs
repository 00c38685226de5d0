using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>Surrogates whose gradient is the policy gradient. Shapes (B, T) unless said otherwise; log-probabilities in nats.</summary>
public static class PolicyGradient
{
    /// <summary>
    /// REINFORCE: ℓ_t = −log π(a_t|s_t)·A_t, so that −∇Σℓ is the score-function estimate of the gradient of the expected return.
    /// </summary>
    /// <param name="logProbs">log π of the sampled tokens, (B, T), with gradient.</param>
    /// <param name="advantages">A_t, (B, T), a constant: return minus baseline.</param>
    /// <returns>Per-token losses, (B, T).</returns>
    /// <remarks>Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning"; token level as in Sutton et al. 2000.</remarks>
    public static Tensor Reinforce(Tensor logProbs, Tensor advantages) => -logProbs * advantages;

    /// <summary>
    /// Clipped surrogate: ℓ = −min(ρA, clip(ρ, 1 − ε_low, 1 + ε_high)·A), ρ = exp(log π − log π_old).
    /// </summary>
    /// <param name="logProbs">log π, with gradient.</param>
    /// <param name="oldLogProbs">log π_old: of the policy that sampled.</param>
    /// <param name="advantages">A, constant; broadcasts.</param>
    /// <param name="epsilonLow">ε below 1.</param>
    /// <param name="epsilonHigh">ε above 1 (asymmetric in DAPO, arXiv 2503.14476).</param>
    /// <param name="dualClip">c &gt; 1: for A &lt; 0 the loss is at most −c·A (Ye et al. 2020, arXiv 1912.09729); 0: off.</param>
    /// <returns>Per-token losses.</returns>
    /// <remarks>Schulman et al. 2017, arXiv 1707.06347, eq. 7.</remarks>
    public static Tensor PpoClip(Tensor logProbs, Tensor oldLogProbs, Tensor advantages, double epsilonLow, double epsilonHigh, double dualClip = 0)
    {
        var ratio = (logProbs - oldLogProbs).exp();
        var losses = maximum(-advantages * ratio, -advantages * ratio.clamp(1 - epsilonLow, 1 + epsilonHigh));
        return dualClip > 1 ? where(advantages.lt(0), minimum(losses, -advantages * dualClip), losses) : losses;
    }

    /// <summary>
    /// CISPO: ℓ = −sg(min(ρ, ρ_max))·A·log π. The ratio is a weight without gradient, so that no token is dropped from the gradient; it is only held back.
    /// </summary>
    /// <param name="logProbs">log π, with gradient.</param>
    /// <param name="oldLogProbs">log π_old: of the policy that sampled; broadcasts.</param>
    /// <param name="advantages">A, constant.</param>
    /// <param name="maxRatio">ρ_max itself, not its distance from 1 (TRL's <c>epsilon_high</c> with <c>loss_type: cispo</c>).</param>
    /// <returns>Per-token losses.</returns>
    /// <remarks>MiniMax 2025, arXiv 2506.13585, eq. 4.</remarks>
    public static Tensor Cispo(Tensor logProbs, Tensor oldLogProbs, Tensor advantages, double maxRatio) =>
        -(logProbs - oldLogProbs).detach().exp().clamp_max(maxRatio) * advantages * logProbs;

    /// <summary>
    /// Weights for samples of an older policy, without gradient: ρ_t = π/π_old per token, (B, T), or Π_t ρ_t per trajectory, (B, 1). The product makes
    /// E_old[w·∇log π·G] the policy gradient exactly, with a variance that grows with T; one token's ratio alone keeps the older policy's
    /// states and later rewards: a bias that grows in proportion to the change of π.
    /// </summary>
    /// <param name="logProbs">log π, (B, T).</param>
    /// <param name="oldLogProbs">log π_old, (B, T).</param>
    /// <param name="mask">Which tokens count.</param>
    /// <param name="perTrajectory">Whether the ratio is that of the whole trajectory.</param>
    /// <param name="cap">Weights are at most this: less variance for some bias (Ionides 2008, "Truncated importance sampling"); infinity for none.</param>
    /// <remarks>Precup, Sutton and Singh 2000, "Eligibility traces for off-policy policy evaluation".</remarks>
    public static Tensor ImportanceWeights(Tensor logProbs, Tensor oldLogProbs, ResponseMask mask, bool perTrajectory, double cap = double.PositiveInfinity)
    {
        var logRatio = (logProbs - oldLogProbs).detach();
        var weights = perTrajectory ? mask.SumPerSequence(logRatio).unsqueeze(1).exp() : logRatio.exp();
        return double.IsFinite(cap) ? weights.clamp_max(cap) : weights;
    }

    /// <summary>
    /// The sequence-level ratio of GSPO: log s = mean_t(log π − log π_old) over the sequence's tokens.
    /// </summary>
    /// <returns>Log-ratios, (B, 1): one for all tokens of a sequence, with the gradient of their mean.</returns>
    /// <remarks>Zheng et al. 2025, arXiv 2507.18071, eq. 7: s = (π(y)/π_old(y))^(1/|y|).</remarks>
    public static Tensor SequenceLogRatio(Tensor logProbs, Tensor oldLogProbs, ResponseMask mask)
    {
        var mean = mask.SumPerSequence(logProbs - oldLogProbs) / mask.Lengths().clamp_min(1);
        return mean.unsqueeze(1);
    }
}
