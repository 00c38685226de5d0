using LlmRL.Native;
using TorchSharp;
using TorchSharp.Modules;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.LibTorch.Tests;

public class GradientTests
{
    /// <summary>Central differences with step 1e-6 in float64 are good to about 1e-9 relative; functions here have third derivatives of order 1.</summary>
    private const double Tolerance = 1e-7;
    private const double Step = 1e-6;

    /// <summary>Functions of a positive 2×3 matrix without ties, away from kinks.</summary>
    private static readonly Dictionary<string, Func<Tensor, Tensor>> s_functions = new()
    {
        ["neg"] = x => x.neg(),
        ["abs"] = x => (x - 1).abs(),
        ["exp"] = x => x.exp(),
        ["log"] = x => x.log(),
        ["log2"] = x => x.log2(),
        ["log1p"] = x => x.log1p(),
        ["expm1"] = x => x.expm1(),
        ["sqrt"] = x => x.sqrt(),
        ["rsqrt"] = x => x.rsqrt(),
        ["square"] = x => x.square(),
        ["reciprocal"] = x => x.reciprocal(),
        ["sin"] = x => x.sin(),
        ["cos"] = x => x.cos(),
        ["sigmoid"] = x => x.sigmoid(),
        ["tanh"] = x => x.tanh(),
        ["relu"] = x => (x - 1).relu(),
        ["silu"] = x => x.silu(),
        ["gelu"] = x => x.gelu(),
        ["gelu tanh"] = x => x.gelu(GELU.Approximate.tanh),
        ["erf"] = x => x.erf(),
        ["softplus"] = x => x.softplus(),
        ["log_sigmoid"] = x => x.log_sigmoid(),
        ["clamp"] = x => x.clamp(0.5, 1.5),
        ["maximum"] = x => x.maximum(x.flip(1) * 0.9),
        ["minimum"] = x => x.minimum(x.flip(1) * 0.9),
        ["add"] = x => x.add(x.flip(1), 3),
        ["sub"] = x => 2 - x,
        ["mul"] = x => x * x.flip(0),
        ["div"] = x => 1 / x + x / x.flip(1),
        ["pow"] = x => x.pow(2.5),
        ["pow tensor"] = x => x.pow(x.flip(0)),
        ["lerp"] = x => x.lerp(x.flip(0), x.flip(1)),
        ["addcmul"] = x => x.addcmul(x.flip(0), x.flip(1), 2),
        ["addcdiv"] = x => x.addcdiv(x.flip(0), x.flip(1), 2),
        ["where"] = x => where(x.gt(1), x * 2, x * 3),
        ["masked_fill"] = x => x.masked_fill(x.gt(1), 0) * x,
        ["views"] = x => x.t().reshape(6).view(2, 3).permute(1, 0).unsqueeze(0).expand(2, 3, 2).flatten().narrow(0, 1, 8),
        ["as_strided"] = x => x.as_strided([2, 2], [1, 1], 1),
        ["cat"] = x => cat([x, x * 2], 1),
        ["stack"] = x => stack([x, x * 2]),
        ["split"] = x => x.split(2, 1)[0] * x.split([2, 1], 1)[0],
        ["repeat"] = x => x.repeat(2, 2),
        ["repeat_interleave"] = x => x.repeat_interleave(2, 0),
        ["roll flip"] = x => x.roll(1, 1) * x.flip(1),
        ["tril"] = x => x.tril() + x.triu(1) * 2,
        ["index"] = x => x[TensorIndex.Colon, TensorIndex.Tensor(L(2, 0, 2))],
        ["index view"] = x => x[0, 1..] * x[1, ..2],
        ["index_select"] = x => x.index_select(0, L(1, 1, 0)),
        ["gather"] = x => x.gather(1, LM(2, 2, 2, 0, 1)),
        ["scatter_add"] = x => zeros(2, 3, float64).scatter_add(1, LM(2, 0, 0, 2, 1, 1, 1), x),
        ["index_add"] = x => x.index_add(0, L(1, 1), x, 2),
        ["masked_select"] = x => x.masked_select(x.gt(1)),
        ["in place"] = x => (x * 2).add_(x).mul_(3).clone().sigmoid_(),
        ["sum"] = x => x.sum(1, keepdim: true) * x,
        ["mean"] = x => x.mean([0]) * x,
        ["prod"] = x => x.prod(1),
        ["max"] = x => x.max(1).values,
        ["min"] = x => x.min(),
        ["amax"] = x => x.amax([0]),
        ["std"] = x => x.std(1),
        ["var"] = x => x.var(0, unbiased: false),
        ["norm"] = x => x.norm(),
        ["norm dim"] = x => x.norm(1),
        ["logsumexp"] = x => x.logsumexp(1),
        ["cumsum"] = x => x.cumsum(1) * x,
        ["cumprod"] = x => x.cumprod(1),
        ["softmax"] = x => x.softmax(1),
        ["log_softmax"] = x => x.log_softmax(-1),
        ["topk"] = x => x.topk(2).values,
        ["sort"] = x => x.sort(descending: true).Values * V(1, 2, 3),
        ["matmul"] = x => x.matmul(x.t()),
        ["mm"] = x => x.mm(x.t() * 2),
        ["bmm"] = x => x.unsqueeze(0).bmm(x.t().unsqueeze(0)),
        ["mv"] = x => x.mv(x[0]),
        ["outer"] = x => x[0].outer(x[1]),
        ["dot"] = x => x[0].dot(x[1]),
        ["addmm"] = x => ones(2, 2, float64).addmm(x, x.t(), 0.5f, 2),
        ["baddbmm"] = x => ones(1, 2, 2, float64).baddbmm(x.unsqueeze(0), x.t().unsqueeze(0)),
        ["einsum"] = x => einsum("ij,kj->ik", x, x),
        ["linear"] = x => F.linear(x, x, x.sum(1)),
        ["layer_norm"] = x => F.layer_norm(x, [3], x[0], x[1]),
        ["normalize"] = x => F.normalize(x),
        ["rms_norm"] = x => Functional.rms_norm(x, x[0], 1e-6),
        ["embedding"] = x => Functional.embedding(x, LM(2, 0, 1, 1, 0)),
        ["dropout off"] = x => F.dropout(x, 0.5, training: false),
        ["cross_entropy"] = x => F.cross_entropy(x, L(2, 0), label_smoothing: 0.1),
        ["cross_entropy ignoring"] = x => F.cross_entropy(x, L(-100, 1), reduction: nn.Reduction.Sum),
        ["nll_loss"] = x => F.nll_loss(x.log_softmax(1), L(2, 0)),
        ["bce logits"] = x => F.binary_cross_entropy_with_logits(x, V(0, 1, 0.5).expand(2, 3)),
        ["bce"] = x => F.binary_cross_entropy(x.sigmoid(), V(0, 1, 0.5).expand(2, 3)),
        ["mse_loss"] = x => F.mse_loss(x, V(1, 2, 3).expand(2, 3)),
        ["smooth_l1_loss"] = x => F.smooth_l1_loss(x, zeros(2, 3, float64)),
        ["huber_loss"] = x => F.huber_loss(x, zeros(2, 3, float64)),
        ["kl_div"] = x => F.kl_div(x.log_softmax(1), V(0.2, 0.3, 0.5).log().expand(2, 3), reduction: nn.Reduction.Sum),
        ["cosine_similarity"] = x => F.cosine_similarity(x, x.flip(0)),
        ["pad"] = x => F.pad(x, [1, 1], value: 2) * 3,
        ["to"] = x => x.to(float64).clone().contiguous(),
    };

    public static TheoryData<string> Names => [.. s_functions.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Gradient_matches_central_differences(string name) => Differences.Check(s_functions[name], Step, Tolerance);
}

internal static class Differences
{
    /// <summary>Compares autograd with central differences of Σ weight·f(x), with fixed uneven weights.</summary>
    public static void Check(Func<Tensor, Tensor> function, double step, double tolerance)
    {
        double[] point = [0.7, 1.3, 2.1, 1.8, 0.4, 1.1];
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor(point, [2, 3], requires_grad: true);
        Weighted(function(x)).backward();
        double[] gradient = Values(x.grad!);
        for (int i = 0; i < point.Length; i++)
        {
            double slope = (At(i, step) - At(i, -step)) / (2 * step);
            Assert.True(Math.Abs(slope - gradient[i]) <= tolerance * Math.Max(1, Math.Abs(slope)), $"element {i}: differences {slope:R}, autograd {gradient[i]:R}");
        }

        double At(int index, double change)
        {
            using DisposeScope inner = NewDisposeScope();
            double[] moved = [.. point];
            moved[index] += change;
            return Weighted(function(tensor(moved, [2, 3]))).item<double>();
        }
    }

    private static Tensor Weighted(Tensor result)
    {
        Tensor flat = result.reshape(-1);
        return (flat * (arange(flat.numel(), dtype: float64) * 0.37 + 1).cos()).sum();
    }
}
