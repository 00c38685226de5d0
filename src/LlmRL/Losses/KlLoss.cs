using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>Estimators of KL(π‖π_ref) per token as tensors, for use inside a loss. Samples from π.</summary>
/// <remarks>Schulman 2020, joschu.net/blog/kl-approx.html.</remarks>
public static class KlLoss
{
    /// <summary>k1 = log π − log π_ref. Unbiased in value; its gradient has expectation 0, so it is no loss.</summary>
    public static Tensor K1(Tensor logProbs, Tensor referenceLogProbs) => logProbs - referenceLogProbs;

    /// <summary>k2 = ½(log π − log π_ref)². Biased in value; its expected gradient on samples of π is the gradient of the KL.</summary>
    public static Tensor K2(Tensor logProbs, Tensor referenceLogProbs) => 0.5 * (logProbs - referenceLogProbs).square();

    /// <summary>k3 = e^d − 1 − d, d = log π_ref − log π: ≥ 0 and unbiased in value. As a loss its gradient is that of the reverse direction KL(π_ref‖π), not of KL(π‖π_ref).</summary>
    public static Tensor K3(Tensor logProbs, Tensor referenceLogProbs)
    {
        var difference = referenceLogProbs - logProbs;
        return difference.exp() - 1.0 - difference;
    }

    /// <summary>|log π − log π_ref|. Biased in value; its gradient pushes every token's log-probability towards the reference's with the same force.</summary>
    public static Tensor Abs(Tensor logProbs, Tensor referenceLogProbs) => (logProbs - referenceLogProbs).abs();
}
