using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>Expected values and gradients of losses, exactly: sums over the three outcomes of a categorical policy, in double precision.</summary>
[Collection(TensorCollection.Name)]
public class ExpectationTests
{
    private static readonly double[] Logits = [0.3, -1.1, 0.8], Reference = [-0.4, 0.9, 0.1], Rewards = [1.5, -2, 0.25];

    public ExpectationTests() => Native.Startup.Prepare();

    [Fact]
    public void KlEstimatorsAreUnbiasedInValueExceptK2()
    {
        using var scope = NewDisposeScope();
        var (policy, reference) = (tensor(Logits).log_softmax(-1), tensor(Reference).log_softmax(-1));
        double Expected(Tensor estimates) => (policy.exp() * estimates).sum().item<double>();
        var kl = Kl(Logits, Reference);
        Assert.True(kl > 0.1);
        Assert.Equal(kl, Expected(KlLoss.K1(policy, reference)), 1e-12);
        Assert.Equal(kl, Expected(KlLoss.K3(policy, reference)), 1e-12);
        Assert.NotEqual(kl, Expected(KlLoss.K2(policy, reference)), 1e-2);
        Assert.All(KlLoss.K3(policy, reference).data<double>().ToArray(), k3 => Assert.True(k3 >= 0));
    }

    /// <summary>As losses: k1 pulls nowhere, k2 down KL(π‖π_ref), k3 down KL(π_ref‖π).</summary>
    [Fact]
    public void EachKlLossHasItsOwnDirection()
    {
        var nowhere = new double[3];
        var forward = Differences(logits => Kl(logits, Reference));
        var backward = Differences(logits => Kl(Reference, logits));
        Assert.True(forward.Zip(backward).Max(pair => Math.Abs(pair.First - pair.Second)) > 0.05);
        AssertEqual(nowhere, ExpectedGradient(KlLoss.K1));
        AssertEqual(forward, ExpectedGradient(KlLoss.K2));
        AssertEqual(backward, ExpectedGradient(KlLoss.K3));
    }

    /// <summary>k1 in the reward, as a constant: the gradient of KL(π‖π_ref) again.</summary>
    [Fact]
    public void K1InTheRewardDescendsTheKl() =>
        AssertEqual(Differences(logits => Kl(logits, Reference)), ExpectedGradient((policy, reference) => PolicyGradient.Reinforce(policy, -KlLoss.K1(policy, reference).detach())));

    /// <summary>Any baseline, and the clipped surrogate at ratio 1: minus the gradient of the expected reward.</summary>
    [Fact]
    public void SurrogatesHaveThePolicyGradient()
    {
        var expected = Differences(logits => -Probabilities(logits).Zip(Rewards, (p, r) => p * r).Sum());
        foreach (var baseline in new[] { 0, 0.7, -3 })
        {
            var advantages = tensor(Array.ConvertAll(Rewards, reward => reward - baseline));
            AssertEqual(expected, ExpectedGradient((policy, _) => PolicyGradient.Reinforce(policy, advantages)));
            AssertEqual(expected, ExpectedGradient((policy, _) => PolicyGradient.PpoClip(policy, policy.detach(), advantages, 0.2, 0.2)));
            AssertEqual(expected, ExpectedGradient((policy, _) => PolicyGradient.PpoClip(policy, policy.detach(), advantages, 0.2, 0.28, dualClip: 3)));
        }
    }

    /// <summary>The four corners of the clip: it holds back what moved too far in the direction of the advantage, never what moved against it.</summary>
    [Theory]
    [InlineData(1.5, 1.0, false)]
    [InlineData(1.5, -1.0, true)]
    [InlineData(0.5, 1.0, true)]
    [InlineData(0.5, -1.0, false)]
    [InlineData(1.1, 1.0, true)]
    [InlineData(0.9, -1.0, true)]
    public void ClippingStopsTheGradientOnlyBeyondTheBound(double ratio, double advantage, bool moves)
    {
        using var scope = NewDisposeScope();
        var policy = tensor([Math.Log(ratio)]).requires_grad_();
        var loss = PolicyGradient.PpoClip(policy, zeros_like(policy), tensor([advantage]), 0.2, 0.3).sum();
        loss.backward();
        Assert.Equal(moves ? -ratio * advantage : 0, policy.grad!.item<double>(), 1e-12);
        Assert.Equal(-Math.Min(ratio * advantage, Math.Clamp(ratio, 0.8, 1.3) * advantage), loss.item<double>(), 1e-12);
    }

    [Fact]
    public void DualClipBoundsTheLossOfBadActions()
    {
        using var scope = NewDisposeScope();
        var policy = tensor([Math.Log(50), Math.Log(50)]).requires_grad_();
        var losses = PolicyGradient.PpoClip(policy, zeros_like(policy), tensor([-2.0, 2.0]), 0.2, 0.2, dualClip: 3);
        Assert.Equal([6, -2.4], losses.detach().data<double>().ToArray().Select(x => Math.Round(x, 12)));
        losses.sum().backward();
        Assert.Equal([0.0, 0.0], policy.grad!.data<double>().ToArray());
    }

    /// <summary>Σ_a π(a)·∇ℓ(a) with the samples' weights π(a) held constant, as sampling does.</summary>
    private static double[] ExpectedGradient(Func<Tensor, Tensor, Tensor> losses)
    {
        using var scope = NewDisposeScope();
        var logits = tensor(Logits).requires_grad_();
        var policy = logits.log_softmax(-1);
        (policy.detach().exp() * losses(policy, tensor(Reference).log_softmax(-1))).sum().backward();
        return logits.grad!.data<double>().ToArray();
    }

    /// <summary>Central differences.</summary>
    private static double[] Differences(Func<double[], double> function) => [.. Enumerable.Range(0, Logits.Length).Select(i =>
    {
        const double h = 1e-5;
        double At(double step) => function([.. Logits.Select((x, j) => x + (i == j ? step : 0))]);
        return (At(h) - At(-h)) / (2 * h);
    })];

    private static double Kl(double[] p, double[] q) => Probabilities(p).Zip(Probabilities(q), (a, b) => a * Math.Log(a / b)).Sum();

    private static double[] Probabilities(double[] logits)
    {
        var total = logits.Sum(Math.Exp);
        return Array.ConvertAll(logits, logit => Math.Exp(logit) / total);
    }

    private static void AssertEqual(double[] expected, double[] actual) =>
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-8));
}
