using LlmRL.Native;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Models;

/// <summary>The parts of a transformer's block in ATen operators, pure functions of tensors: training where the fused kernels do not apply and decoding on a device share them.</summary>
internal static class BlockOperators
{
    // One operator since libtorch 2.4, which keeps a third of what the composition keeps for the backward pass.
    private static readonly Operator RmsNormOperator = Operator.Get("aten::rms_norm");
    private static readonly bool HasRmsNorm = RmsNormOperator.Exists;

    /// <summary>The architecture's norm over the last dimension; see <see cref="NormKind"/>.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="x">(…, D).</param>
    /// <param name="weight">(D).</param>
    /// <param name="bias">(D), for LayerNorm.</param>
    public static Tensor Norm(ModelConfig config, Tensor x, Tensor weight, Tensor? bias) => config.Norm == NormKind.LayerNorm
        ? F.layer_norm(x, [config.HiddenSize], weight, bias, config.NormEpsilon)
        : RmsNorm(x, weight, config.NormEpsilon);

    /// <summary>x / √(mean(x²) + ε) · w over the last dimension (Zhang &amp; Sennrich 2019, arXiv 1910.07467); of bfloat16 x the mean and the quotient are float32.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        if (HasRmsNorm)
            return RmsNormOperator.Call(x, new[] { x.size(-1) }, weight, epsilon);
        var wide = x.to_type(ScalarType.Float32);
        return (wide * (wide.square().mean([-1], keepdim: true) + epsilon).rsqrt()).to_type(x.dtype) * weight;
    }

    /// <summary>What the MLP makes of its first projection, (N, 2F) or (N, F) → (N, F); see <see cref="MlpKind"/>.</summary>
    public static Tensor Gate(MlpKind kind, Tensor up)
    {
        switch (kind)
        {
            case MlpKind.SwiGlu:
                var halves = up.chunk(2, -1);
                return F.silu(halves[0]) * halves[1];
            case MlpKind.Gelu:
                return up.gelu();
            default:
                return up.gelu(TorchSharp.Modules.GELU.Approximate.tanh);
        }
    }

    /// <summary>x·cos + rotate_half(x)·sin with rotate_half(x) = (−x₂, x₁), over the first R of E features; the others stay. Computed in the angles' type.</summary>
    /// <param name="x">(N, heads, E).</param>
    /// <param name="cos">(N, 1, R), each of the R/2 angles twice.</param>
    /// <param name="sin">Likewise.</param>
    public static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        long width = x.size(-1), turning = cos.size(-1);
        var part = turning == width ? x : x.narrow(-1, 0, turning);
        var halves = part.chunk(2, -1);
        var turned = (part * cos + cat([-halves[1], halves[0]], -1) * sin).to_type(x.dtype);
        return turning == width ? turned : cat([turned, x.narrow(-1, turning, width - turning)], -1);
    }
}
