namespace LlmRL.Advantages;

/// <summary>A one-sample estimate of KL(π‖π_ref) in nats, for a token sampled from π. d = log π_ref − log π.</summary>
/// <remarks>Schulman 2020, "Approximating KL divergence", joschu.net/blog/kl-approx.html.</remarks>
public enum KlEstimator
{
    /// <summary>−d: unbiased, may be negative.</summary>
    K1,

    /// <summary>d²/2: biased, small variance, ≥ 0.</summary>
    K2,

    /// <summary>e^d − 1 − d: unbiased, ≥ 0.</summary>
    K3,

    /// <summary>|d|: biased, ≥ 0; how far the two are apart, whichever is larger.</summary>
    Abs,
}

/// <summary>The KL penalty as a part of the reward.</summary>
public static class KlReward
{
    /// <summary>k1 = log π − log π_ref, in nats. Direction: KL(π‖π_ref), the token sampled from π.</summary>
    public static double K1(double logProb, double refLogProb) => logProb - refLogProb;

    /// <summary>k2 = ½ (log π − log π_ref)², in nats squared; its gradient is that of the KL in expectation.</summary>
    public static double K2(double logProb, double refLogProb) => 0.5 * (logProb - refLogProb) * (logProb - refLogProb);

    /// <summary>k3 = e^d − 1 − d with d = log π_ref − log π, in nats, ≥ 0.</summary>
    public static double K3(double logProb, double refLogProb)
    {
        var d = refLogProb - logProb;
        // Near 0 the difference e^d − 1 − d ≈ d²/2 is lost in rounding; the series is exact to 1e-17 there.
        return Math.Abs(d) < 1e-3 ? d * d * (0.5 + d * (1 / 6.0 + d * (1 / 24.0 + d / 120))) : Math.Exp(d) - 1 - d;
    }

    /// <summary>The estimate that <paramref name="estimator"/> names.</summary>
    public static double Estimate(KlEstimator estimator, double logProb, double refLogProb) => estimator switch
    {
        KlEstimator.K1 => K1(logProb, refLogProb),
        KlEstimator.K2 => K2(logProb, refLogProb),
        KlEstimator.K3 => K3(logProb, refLogProb),
        KlEstimator.Abs => Math.Abs(logProb - refLogProb),
        _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, null),
    };

    /// <summary>Σ_t k_t of one sequence, in nats: RLOO subtracts β times it from the sequence's reward.</summary>
    /// <param name="logProbs">log π(a_t|s_t) (T).</param>
    /// <param name="refLogProbs">log π_ref(a_t|s_t) (T).</param>
    /// <param name="estimator">Which k.</param>
    public static double Sum(ReadOnlySpan<float> logProbs, ReadOnlySpan<float> refLogProbs, KlEstimator estimator = KlEstimator.K1)
    {
        Spans.ExpectLength(refLogProbs, logProbs.Length);
        var sum = 0.0;
        for (var t = 0; t < logProbs.Length; t++)
            sum += Estimate(estimator, logProbs[t], refLogProbs[t]);
        return sum;
    }

    /// <summary>r_t = −β k_t, and the score is added to the last token's reward.</summary>
    /// <remarks>Ziegler et al. 2019, arXiv 1909.08593, equation 2; Stiennon et al. 2020, arXiv 2009.01325, section 3.4.</remarks>
    /// <param name="logProbs">log π(a_t|s_t) (T), T ≥ 1.</param>
    /// <param name="refLogProbs">log π_ref(a_t|s_t) (T).</param>
    /// <param name="beta">β, units of reward per nat.</param>
    /// <param name="score">The reward of the whole sequence.</param>
    /// <param name="estimator">Which k.</param>
    /// <param name="rewards">Receives r_t (T).</param>
    public static void PerToken(ReadOnlySpan<float> logProbs, ReadOnlySpan<float> refLogProbs, double beta, double score,
        KlEstimator estimator, Span<double> rewards)
    {
        ArgumentOutOfRangeException.ThrowIfZero(logProbs.Length);
        Spans.ExpectLength(refLogProbs, logProbs.Length);
        Spans.ExpectLength<double>(rewards, logProbs.Length);
        for (var t = 0; t < logProbs.Length; t++)
            rewards[t] = -beta * Estimate(estimator, logProbs[t], refLogProbs[t]);
        rewards[^1] += score;
    }
}
