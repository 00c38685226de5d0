using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>The loss of supervised fine-tuning.</summary>
public static class CrossEntropy
{
    /// <summary>ℓ = −(1/N) Σ_n log π(y_n | prefix_n) over the N target tokens: mean negative log-likelihood in nats per token.</summary>
    /// <param name="logProbs">log π of the demonstrated tokens, (N), with gradient.</param>
    /// <param name="totalTokens">N of the whole batch when <paramref name="logProbs"/> is one micro-batch of it.</param>
    public static Tensor NegativeLogLikelihood(Tensor logProbs, double totalTokens) => -logProbs.sum() / totalTokens;
}
