using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>What each preference loss is for, from its definition: where its minimum lies, and what flipped labels do to its expectation.</summary>
[Collection(TensorCollection.Name)]
public class DirectPreferenceTests
{
    private const double Tolerance = 1e-12;

    private static readonly double[] Differences = [-300, -7, -1.5, 0, 0.3, 2, 9, 300];

    public DirectPreferenceTests() => Native.Startup.Prepare();

    [Theory]
    [InlineData(0.1)]
    [InlineData(2)]
    public void RobustLossIsUnbiasedUnderFlips(double beta)
    {
        using var scope = NewDisposeScope();
        const double Flips = 0.2;
        var h = tensor(Differences);
        var expectation = (1 - Flips) * DirectPreference.Robust(h, beta, Flips) + Flips * DirectPreference.Robust(-h, beta, Flips);
        AssertEqual([.. Differences.Select(x => LogOnePlusExp(-beta * x))], expectation);
        // DPO's own expectation differs: that is the bias.
        var biased = (1 - Flips) * DirectPreference.Sigmoid(h, beta) + Flips * DirectPreference.Sigmoid(-h, beta);
        Assert.NotEqual(Numbers(expectation)[5], Numbers(biased)[5], 1e-3);
        // And it is the loss with smoothed labels.
        AssertEqual(Numbers(biased), DirectPreference.Sigmoid(h, beta, Flips));
    }

    /// <summary>Smoothing keeps the optimum finite, at the log-odds of a right label; IPO's is 1/(2β), and the hinge stops at 1/β.</summary>
    [Fact]
    public void GradientsVanishWhereTheyShould()
    {
        const double Beta = 0.3, Smoothing = 0.1;
        Assert.Equal(0, Slope(h => DirectPreference.Sigmoid(h, Beta, Smoothing), Math.Log((1 - Smoothing) / Smoothing) / Beta), Tolerance);
        Assert.Equal(-Beta / 2, Slope(h => DirectPreference.Sigmoid(h, Beta), 0), Tolerance);
        Assert.Equal(-Beta / 2, Slope(h => DirectPreference.Robust(h, Beta, Smoothing), 0) * (1 - 2 * Smoothing), Tolerance);
        Assert.Equal(0, Slope(h => DirectPreference.Ipo(h, Beta), 0.5 / Beta), Tolerance);
        Assert.Equal(2, Slope(h => DirectPreference.Ipo(h, Beta), 0.5 / Beta + 1), Tolerance);
        Assert.Equal(-Beta, Slope(h => DirectPreference.Hinge(h, Beta), 1 / Beta - 0.01), Tolerance);
        Assert.Equal(0, Slope(h => DirectPreference.Hinge(h, Beta), 1 / Beta + 0.01), Tolerance);
    }

    [Fact]
    public void RobustLossRefusesLabelsThatSayNothing()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentOutOfRangeException>(() => DirectPreference.Robust(zeros(1), 0.1, 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => DirectPreference.Robust(zeros(1), 0.1, -0.1));
    }

    private static double Slope(Func<Tensor, Tensor> loss, double at)
    {
        using var scope = NewDisposeScope();
        using var h = tensor(new[] { at }).requires_grad_();
        loss(h).sum().backward();
        return h.grad!.item<double>();
    }

    private static double LogOnePlusExp(double x) => x > 30 ? x : Math.Log(1 + Math.Exp(x));

    private static double[] Numbers(Tensor values) => values.data<double>().ToArray();

    private static void AssertEqual(double[] expected, Tensor actual)
    {
        foreach (var (e, a) in expected.Zip(Numbers(actual)))
            Assert.Equal(e, a, 1e-10 * Math.Max(1, Math.Abs(e)));
    }
}
