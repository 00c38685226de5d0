using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class ReduceTests
{
    private static readonly double s_logSum = Math.Log(Math.E + Math.E * Math.E);

    private static Tensor X => M(2, 1, 5, 3, 4, 2, 6);

    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["sum"] = new(() => X.sum(), [21], []),
        ["sum of integers"] = new(() => B(1, 1, 0).sum(), [2]),
        ["sum dim"] = new(() => X.sum(0), [5, 7, 9], [3]),
        ["sum dims"] = new(() => X.sum([0, 1], keepdim: true), [21], [1, 1]),
        ["sum two dims"] = new(() => X.sum(0, 1), [21], []),
        ["mean"] = new(() => X.mean(), [3.5]),
        ["mean dims"] = new(() => X.mean([1]), [3, 4], [2]),
        ["prod"] = new(() => X.prod(), [720]),
        ["prod dim"] = new(() => X.prod(1), [15, 48]),
        ["max"] = new(() => X.max(), [6]),
        ["max other"] = new(() => V(1, 4).max(V(2, 3)), [2, 4]),
        ["max dim"] = new(() => X.max(1).values, [5, 6]),
        ["max dim where"] = new(() => X.max(1).indexes, [1, 2]),
        ["min"] = new(() => X.min(), [1]),
        ["min other"] = new(() => V(1, 4).min(V(2, 3)), [1, 3]),
        ["min dim where"] = new(() => X.min(0).indexes, [0, 1, 0]),
        ["amax"] = new(() => X.amax(0), [4, 5, 6]),
        ["amax keepdim"] = new(() => X.amax([1], keepdim: true), [5, 6], [2, 1]),
        ["amax out"] = new(() => X.amax([1], false, zeros(2, float64)), [5, 6]),
        ["amin"] = new(() => X.amin([1], keepdim: false), [1, 2]),
        ["argmax"] = new(() => X.argmax(), [5]),
        ["argmax dim"] = new(() => X.argmax(1, true), [1, 2], [2, 1]),
        ["argmin"] = new(() => X.argmin(), [0]),
        ["argmin dim"] = new(() => X.argmin(1), [0, 1]),
        ["any"] = new(() => B(0, 1).any(), [1]),
        ["any dim"] = new(() => X.gt(4).any(0), [0, 1, 1]),
        ["all"] = new(() => B(0, 1).all(), [0]),
        ["all dim"] = new(() => X.gt(2).all(0), [0, 0, 1]),
        ["std"] = new(() => V(1, 3).std(), [Math.Sqrt(2)]),
        ["std biased"] = new(() => V(1, 3).std(unbiased: false), [1]),
        ["std dim"] = new(() => M(2, 1, 3, 2, 6).std(1, unbiased: false), [1, 2]),
        ["std dims"] = new(() => M(2, 1, 3, 2, 6).std(new long[] { 1 }, unbiased: false, keepdim: true), [1, 2], [2, 1]),
        ["var"] = new(() => V(1, 3).var(), [2]),
        ["var dim"] = new(() => M(2, 1, 3, 2, 6).var(1, unbiased: false), [1, 4]),
        ["var dims typed"] = new(() => tensor(new[] { 1f, 3f }).var(new long[] { 0 }, type: float64), [2]),
        ["norm"] = new(() => V(3, -4).norm(), [5]),
        ["norm 1"] = new(() => V(3, -4).norm(1f), [7]),
        ["norm dim"] = new(() => M(2, 3, 4, 6, 8).norm(1, keepdim: true), [5, 10], [2, 1]),
        ["logsumexp"] = new(() => V(1, 2).logsumexp(0), [s_logSum]),
        ["logsumexp large"] = new(() => V(1000, 1000).logsumexp(0), [1000 + Math.Log(2)]),
        ["cumsum"] = new(() => V(1, 2, 3).cumsum(0), [1, 3, 6]),
        ["cumprod"] = new(() => V(1, 2, 3).cumprod(0), [1, 2, 6]),
        ["cummax"] = new(() => V(1, 3, 2).cummax(0).values, [1, 3, 3]),
        ["softmax"] = new(() => V(0, Math.Log(3)).softmax(0), [0.25, 0.75]),
        ["softmax dtype"] = new(() => tensor(new[] { 0f, 0f }).softmax(0, float64), [0.5, 0.5]),
        ["log_softmax"] = new(() => V(1, 2).log_softmax(0), [1 - s_logSum, 2 - s_logSum]),
        ["topk"] = new(() => V(1, 9, 5).topk(2).values, [9, 5]),
        ["topk where"] = new(() => V(1, 9, 5).topk(2).indexes, [1, 2]),
        ["topk smallest"] = new(() => V(1, 9, 5).topk(1, largest: false).values, [1]),
        ["sort"] = new(() => V(3, 1, 2).sort().Values, [1, 2, 3]),
        ["sort descending where"] = new(() => V(3, 1, 2).sort(descending: true).Indices, [0, 2, 1]),
        ["argsort"] = new(() => V(3, 1, 2).argsort(), [1, 2, 0]),
        ["kthvalue"] = new(() => V(3, 1, 2).kthvalue(2, null).values, [2]),
        ["quantile"] = new(() => V(1, 2, 3, 4).quantile(V(0.5)), [2.5]),
        ["median"] = new(() => V(4, 1, 3, 2).median(), [2]),
        ["bincount"] = new(() => L(0, 2, 2).bincount(minlength: 4), [1, 0, 2, 0]),
        ["bincount weights"] = new(() => L(0, 2, 2).bincount(V(1, 2, 3)), [1, 0, 5]),
        ["searchsorted"] = new(() => searchsorted(V(1, 3, 5), V(3, 4)), [1, 2]),
        ["searchsorted right"] = new(() => searchsorted(V(1, 3, 5), V(3, 4), right: true), [2, 2]),
        ["isin"] = new(() => isin(L(1, 2, 3), L(2, 9)), [0, 1, 0]),
        ["matmul"] = new(() => M(2, 1, 2, 3, 4).matmul(V(1, 10)), [21, 43], [2]),
        ["mm"] = new(() => M(2, 1, 2, 3, 4).mm(M(2, 1, 0, 1, 1)), [3, 2, 7, 4], [2, 2]),
        ["bmm"] = new(() => M(2, 1, 2, 3, 4).unsqueeze(0).bmm(M(2, 1, 0, 1, 1).unsqueeze(0)), [3, 2, 7, 4], [1, 2, 2]),
        ["mv"] = new(() => M(2, 1, 2, 3, 4).mv(V(1, 10)), [21, 43]),
        ["dot"] = new(() => V(1, 2).dot(V(3, 4)), [11]),
        ["outer"] = new(() => V(1, 2).outer(V(3, 4)), [3, 4, 6, 8], [2, 2]),
        ["inner"] = new(() => V(1, 2).inner(V(3, 4)), [11]),
        ["addmm"] = new(() => V(1, 1).addmm(M(1, 1, 2), M(2, 1, 2, 3, 4), 10, 2), [24, 30], [1, 2]),
        ["addmm_"] = new(() => M(1, 1, 1).addmm_(M(1, 1, 2), M(2, 1, 2, 3, 4)), [8, 11], [1, 2]),
        ["baddbmm"] = new(() => ones(1, 1, 1, float64).baddbmm(V(1, 2).view(1, 1, 2), V(3, 4).view(1, 2, 1), 5), [16], [1, 1, 1]),
        ["baddbmm_"] = new(() => ones(1, 1, 1, float64).baddbmm_(V(1, 2).view(1, 1, 2), V(3, 4).view(1, 2, 1)), [12], [1, 1, 1]),
        ["einsum"] = new(() => einsum("ij,jk->ki", M(2, 1, 2, 3, 4), M(2, 1, 0, 1, 1)), [3, 7, 2, 4], [2, 2]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_and_shape_match_hand_computation(string name) => s_cases[name].Check();

    [Fact]
    public void Static_forms_agree_with_methods()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = X;
        Tensor positive = M(2, 1, 2, 3, 4);
        (Tensor, Tensor)[] pairs =
        [
            (torch.exp(x), x.exp()), (torch.log(x), x.log()), (torch.sum(x), x.sum()), (torch.sum(x, 0), x.sum(0)), (torch.mean(x), x.mean()),
            (torch.mean(x, [1]), x.mean([1])), (torch.softmax(x, 1), x.softmax(1)), (torch.max(x), x.max()), (torch.max(x, 1).values, x.max(1).values),
            (torch.min(x, 1).values, x.min(1).values), (torch.argmax(x, 1), x.argmax(1)), (torch.std(x), x.std()), (torch.std(x, 1), x.std(1)),
            (torch.var(x), x.var()), (torch.norm(x), x.norm()), (torch.norm(x, 1, true), x.norm(1, true)), (torch.clamp(x, 2, 3), x.clamp(2, 3)),
            (torch.where(x.gt(2), x, 0), x.where(x.gt(2), zeros_like(x))), (torch.where(x.gt(2), 0, x), zeros_like(x).where(x.gt(2), x)),
            (torch.matmul(positive, positive), positive.mm(positive)), (torch.pow(x, 2), x.square()), (torch.lerp(x, x, x), x.lerp(x, x)),
            (torch.topk(x, 2).values, x.topk(2).values), (torch.sort(x).values, x.sort().Values), (torch.cumsum(x, 1), x.cumsum(1)),
            (torch.logsumexp(x, 1), x.logsumexp(1)), (torch.maximum(x, x), x), (torch.outer(V(1, 2), V(1)), V(1, 2).outer(V(1))),
        ];
        Assert.All(pairs, pair => Assert.True(pair.Item1.equal(pair.Item2)));
    }
}
