using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>Where the clips of PPO's surrogate bite.</summary>
[Collection(TensorCollection.Name)]
public class ClipTests
{
    public ClipTests() => Native.Startup.Prepare();

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
}
