using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Losses;

/// <summary>
/// Losses of direct preference optimisation over pairs: w is the preferred completion, l the other. All see a pair through
/// h = log(π(y_w|x)/π_ref(y_w|x)) − log(π(y_l|x)/π_ref(y_l|x)), in nats, and a loss falls as h rises (IPO: up to its target).
/// </summary>
public static class DirectPreference
{
    /// <summary>The reward that the policy stands for: r = β·(log π(y|x) − log π_ref(y|x)), up to a constant of the prompt.</summary>
    /// <param name="logProbs">log π(y|x), (B), in nats.</param>
    /// <param name="referenceLogProbs">log π_ref(y|x), (B).</param>
    /// <param name="beta">β.</param>
    /// <remarks>Rafailov et al. 2023, arXiv 2305.18290, eq. 5 and section 4.</remarks>
    public static Tensor ImplicitReward(Tensor logProbs, Tensor referenceLogProbs, double beta) => beta * (logProbs - referenceLogProbs);

    /// <summary>DPO: ℓ = −log σ(βh); with label smoothing ε, −(1 − ε)·log σ(βh) − ε·log σ(−βh): its minimum over h is at βh = log((1 − ε)/ε), not at ∞.</summary>
    /// <param name="difference">h, (B), with gradient.</param>
    /// <param name="beta">β: the larger, the dearer it is to leave the reference.</param>
    /// <param name="labelSmoothing">ε: share of the labels that are taken to be the wrong way round, in [0, ½].</param>
    /// <returns>Losses, (B).</returns>
    /// <remarks>Rafailov et al. 2023, arXiv 2305.18290, eq. 7; smoothed ("conservative DPO"): Mitchell 2023, ericmitchell.ai/cdpo.pdf, eq. 3.</remarks>
    public static Tensor Sigmoid(Tensor difference, double beta, double labelSmoothing = 0)
    {
        var losses = -F.logsigmoid(beta * difference);
        return labelSmoothing == 0 ? losses : (1 - labelSmoothing) * losses - labelSmoothing * F.logsigmoid(-beta * difference);
    }

    /// <summary>
    /// Robust DPO: ℓ = (−(1 − ε)·log σ(βh) + ε·log σ(−βh)) / (1 − 2ε). Averaged over labels that are flipped with probability ε, it is DPO's loss of the
    /// true labels.
    /// </summary>
    /// <param name="difference">h, (B), with gradient.</param>
    /// <param name="beta">β.</param>
    /// <param name="labelSmoothing">ε: how often labels are flipped, in [0, ½).</param>
    /// <returns>Losses, (B); they can be negative.</returns>
    /// <remarks>Chowdhury et al. 2024, arXiv 2403.00409.</remarks>
    public static Tensor Robust(Tensor difference, double beta, double labelSmoothing)
    {
        if (labelSmoothing is < 0 or >= 0.5)
            throw new ArgumentOutOfRangeException(nameof(labelSmoothing), labelSmoothing, "labels that are flipped half of the time say nothing");
        return ((labelSmoothing - 1) * F.logsigmoid(beta * difference) + labelSmoothing * F.logsigmoid(-beta * difference)) / (1 - 2 * labelSmoothing);
    }

    /// <summary>IPO: ℓ = (h − 1/(2β))²: a margin to reach, beyond which a pair pulls back.</summary>
    /// <param name="difference">h, (B), with gradient: of whole completions in the paper, of means over their tokens in TRL.</param>
    /// <param name="beta">β: the paper's τ, the weight of the KL.</param>
    /// <returns>Losses, (B).</returns>
    /// <remarks>Azar et al. 2023, arXiv 2310.12036, eq. 17.</remarks>
    public static Tensor Ipo(Tensor difference, double beta) => (difference - 1 / (2 * beta)).square();

    /// <summary>Hinge: ℓ = max(0, 1 − βh): pairs that are apart by 1/β give no gradient.</summary>
    /// <param name="difference">h, (B), with gradient.</param>
    /// <param name="beta">β: the inverse of the margin.</param>
    /// <returns>Losses, (B).</returns>
    /// <remarks>Zhao et al. 2023 (SLiC), arXiv 2305.10425; with log-ratios to a reference as in Liu et al. 2023, arXiv 2309.06657.</remarks>
    public static Tensor Hinge(Tensor difference, double beta) => F.relu(1 - beta * difference);
}
