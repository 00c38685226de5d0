using LlmRL.Native;
using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.LibTorch.Tests;

public class FunctionalTests
{
    private static readonly double s_log2 = Math.Log(2);
    private static readonly double s_log4 = Math.Log(4);

    /// <summary>Rows with probabilities (1/4, 3/4) and (1/2, 1/2).</summary>
    private static Tensor Logits => M(2, 0, Math.Log(3), 5, 5);

    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["linear"] = new(() => F.linear(M(1, 1, 2), M(2, 1, 0, 3, 4), V(10, 20)), [11, 31], [1, 2]),
        ["linear without bias"] = new(() => F.linear(V(1, 2), M(1, 3, 4)), [11], [1]),
        ["one_hot"] = new(() => F.one_hot(L(1, 0), 3), [0, 1, 0, 1, 0, 0], [2, 3]),
        ["layer_norm"] = new(() => F.layer_norm(V(1, 3), [2], V(2, 2), V(10, 20), 0), [8, 22]),
        ["normalize"] = new(() => F.normalize(M(1, 3, 4)), [0.6, 0.8]),
        ["dropout all"] = new(() => F.dropout(V(1, 2), 1), [0, 0]),
        ["dropout off"] = new(() => F.dropout(V(1, 2), 0.5, training: false), [1, 2]),
        ["relu"] = new(() => F.relu(V(-1, 1)), [0, 1]),
        ["gelu"] = new(() => F.gelu(V(0)), [0]),
        ["silu"] = new(() => F.silu(V(0)), [0]),
        ["sigmoid"] = new(() => F.sigmoid(V(0)), [0.5]),
        ["tanh"] = new(() => F.tanh(V(0)), [0]),
        ["softplus"] = new(() => F.softplus(V(0)), [s_log2]),
        ["logsigmoid"] = new(() => F.logsigmoid(V(0, -1000)), [-s_log2, -1000]),
        ["softmax"] = new(() => F.softmax(Logits, 1), [0.25, 0.75, 0.5, 0.5]),
        ["log_softmax"] = new(() => F.log_softmax(Logits, 1)[0], [-s_log4, Math.Log(0.75)]),
        ["cross_entropy"] = new(() => F.cross_entropy(Logits, L(0, 1)), [(s_log4 + s_log2) / 2]),
        ["cross_entropy sum"] = new(() => F.cross_entropy(Logits, L(0, 1), reduction: nn.Reduction.Sum), [s_log4 + s_log2]),
        ["cross_entropy each"] = new(() => F.cross_entropy(Logits, L(0, 1), reduction: nn.Reduction.None), [s_log4, s_log2], [2]),
        ["cross_entropy ignoring"] = new(() => F.cross_entropy(Logits, L(0, -100)), [s_log4]),
        ["cross_entropy weights"] = new(() => F.cross_entropy(Logits, L(0, 1), V(3, 1)), [(3 * s_log4 + s_log2) / 4]),
        ["nll_loss"] = new(() => F.nll_loss(M(2, -1, -2, -3, -4), L(1, 0)), [2.5]),
        ["nll_loss ignoring"] = new(() => Functional.nll_loss(M(2, -1, -2, -3, -4), L(1, 7), nn.Reduction.Mean, 7), [2]),
        ["mse_loss"] = new(() => F.mse_loss(V(1, 2), V(3, 5)), [6.5]),
        ["l1_loss"] = new(() => F.l1_loss(V(1, 2), V(3, 5)), [2.5]),
        ["smooth_l1_loss"] = new(() => F.smooth_l1_loss(V(0.5, 3), V(0, 0), nn.Reduction.None), [0.125, 2.5]),
        ["huber_loss"] = new(() => F.huber_loss(V(0.5, 3), V(0, 0), 2, nn.Reduction.None), [0.125, 4]),
        ["kl_div"] = new(() => F.kl_div(V(0.5).log(), V(0.25).log(), reduction: nn.Reduction.Sum), [0.25 * Math.Log(0.5)]),
        ["kl_div of probabilities"] = new(() => F.kl_div(V(0.5).log(), V(0.25), false, nn.Reduction.Sum), [0.25 * Math.Log(0.5)]),
        ["bce"] = new(() => F.binary_cross_entropy(V(0.25), V(1)), [s_log4]),
        ["bce logits"] = new(() => F.binary_cross_entropy_with_logits(V(0), V(0.3)), [s_log2]),
        ["bce logits weighted"] = new(() => F.binary_cross_entropy_with_logits(V(0), V(1), pos_weights: V(3)), [3 * s_log2]),
        ["cosine_similarity"] = new(() => F.cosine_similarity(M(1, 1, 0), M(1, 3, 4)), [0.6]),
        ["pad"] = new(() => F.pad(V(1, 2), (1, 2), value: 9), [9, 1, 2, 9, 9]),
        ["pad matrix"] = new(() => F.pad(M(1, 1, 2), [0, 1, 1, 0]), [0, 0, 0, 1, 2, 0], [2, 3]),
        ["pad reflected"] = new(() => F.pad(M(1, 1, 2, 3), [1, 1], PaddingModes.Reflect), [2, 1, 2, 3, 2]),
        ["embedding"] = new(() => Functional.embedding(M(3, 1, 2, 3, 4, 5, 6), LM(1, 2, 0)), [5, 6, 1, 2], [1, 2, 2]),
        ["rms_norm"] = new(() => Functional.rms_norm(V(3, 4), V(1, 2), 0), [3 / Math.Sqrt(12.5), 8 / Math.Sqrt(12.5)]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_and_shape_match_hand_computation(string name) => s_cases[name].Check();

    [Fact]
    public void Dropout_keeps_the_expectation()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor dropped = F.dropout(ones(10_000), 0.25);
        Assert.InRange(dropped.mean().item<float>(), 0.95f, 1.05f);
        Assert.Equal([0, 1 / 0.75f], dropped.data<float>().Distinct().Order());
    }
}
