using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>Functions of libtorch that TorchSharp's <c>nn.functional</c> lacks.</summary>
public static class Functional
{
    /// <summary>Rows of the weights (V, D) named by ids of any shape: (…, D).</summary>
    public static Tensor embedding(Tensor weight, Tensor ids) => Aten.Embedding.Call(weight, ids);

    /// <summary>x / √(mean(x²) + eps)·w over the last dimension (Zhang, Sennrich 2019, arXiv:1910.07467).</summary>
    public static Tensor rms_norm(Tensor input, Tensor weight, double eps)
    {
        using Tensor square = input.square();
        using Tensor mean = square.mean([-1], keepdim: true);
        using Tensor shifted = mean.add(eps);
        using Tensor scale = shifted.rsqrt();
        using Tensor normalised = input.mul(scale);
        return normalised.mul(weight);
    }

    /// <summary>−input[target] with classes along dimension 1, skipping targets equal to <paramref name="ignore_index"/>.</summary>
    public static Tensor nll_loss(Tensor input, Tensor target, nn.Reduction reduction, long ignore_index) =>
        Aten.NllLossNd.Call(input, target, Argument.None, (long)reduction, ignore_index);
}
