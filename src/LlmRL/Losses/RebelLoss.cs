using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>Reward differences as the target of a regression.</summary>
public static class RebelLoss
{
    /// <summary>
    /// The mean over all pairs (y, y') of a prompt's G completions of ((1/η)·[log π/π_t(y) − log π/π_t(y')] − [r(y) − r(y')])². With the residuals
    /// d_i = (1/η)·log π/π_t(y_i) − r_i that mean is 2/(G − 1)·Σ_i (d_i − d̄)², so no pair need be formed.
    /// </summary>
    /// <param name="logRatios">log π(y) − log π_t(y) of whole completions in nats, (prompts, G), with gradient; π_t is the policy that sampled.</param>
    /// <param name="rewards">r(y), (prompts, G).</param>
    /// <param name="eta">η, in units of reward⁻¹: how far one step may follow the rewards; the optimum is π ∝ π_t·e^(ηr).</param>
    /// <returns>One loss per prompt, in units of reward squared.</returns>
    /// <remarks>Gao et al. 2024, arXiv 2404.16767, eq. 2 and algorithm 1 (there with G = 2).</remarks>
    public static Tensor PerPrompt(Tensor logRatios, Tensor rewards, double eta)
    {
        var group = logRatios.size(1);
        ArgumentOutOfRangeException.ThrowIfLessThan(group, 2);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(eta);
        var residuals = logRatios / eta - rewards;
        return 2.0 / (group - 1) * (residuals - residuals.mean([1], keepdim: true)).square().sum(1L);
    }
}
