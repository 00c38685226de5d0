using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>Every way of averaging, by hand on two sequences of 3 and 1 tokens; what lies in the padding never matters.</summary>
[Collection(TensorCollection.Name)]
public class MaskTests
{
    public MaskTests() => Native.Startup.Prepare();

    [Theory]
    [InlineData(Aggregation.TokenMean, 0, 16.0 / 4)]
    [InlineData(Aggregation.TokenMean, 8, 16.0 / 8)]
    [InlineData(Aggregation.SequenceMean, 0, (6.0 / 3 + 10) / 2)]
    [InlineData(Aggregation.SequenceMean, 3, (6.0 / 3 + 10) / 3)]
    [InlineData(Aggregation.FixedLength, 0, 16.0 / (2 * 5))]
    [InlineData(Aggregation.FixedLength, 4, 16.0 / (4 * 5))]
    [InlineData(Aggregation.SequenceSum, 0, 16.0 / 2)]
    [InlineData(Aggregation.SequenceSum, 4, 16.0 / 4)]
    public void AggregationsAreWhatTheySay(Aggregation how, double share, double expected)
    {
        using var scope = NewDisposeScope();
        foreach (var padding in new[] { 0, 99, double.NaN, double.PositiveInfinity })
        {
            using var losses = tensor(new[] { 1, 2, 3, 10, padding, padding }).view(2, 3).requires_grad_();
            var mask = new ResponseMask(tensor(new double[] { 1, 1, 1, 1, 0, 0 }).view(2, 3));
            var loss = losses.Aggregate(mask, how, share, 5);
            Assert.Equal(expected, loss.item<double>(), 1e-12);
            loss.backward();
            var gradient = losses.grad!.data<double>().ToArray();
            Assert.Equal([0.0, 0.0], gradient[4..]);
            Assert.Equal(expected, gradient.Zip([1, 2, 3, 10.0], (g, x) => g * x).Sum(), 1e-12);
        }
    }

    [Fact]
    public void AnEmptyMaskGivesZeroAndNotNaN()
    {
        using var scope = NewDisposeScope();
        var mask = new ResponseMask(zeros(2, 3));
        foreach (var how in Enum.GetValues<Aggregation>())
            Assert.Equal(0, ones(2, 3).Aggregate(mask, how, 0, 5).item<float>());
        Assert.Throws<ArgumentException>(() => new ResponseMask(zeros(6)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ones(2, 3).Aggregate(mask, Aggregation.FixedLength));
    }

    [Fact]
    public void ValueClippingTakesTheLargerError()
    {
        using var scope = NewDisposeScope();
        Tensor Row(params double[] values) => tensor(values).view(1, -1);
        // Within the clip; beyond it and away from the target; beyond it towards the target.
        var losses = ValueLoss.Clipped(Row(1.1, 2, 2), Row(1, 1, 1), Row(0, 0, 3), 0.2);
        Assert.Equal([0.605, 2, 1.62], losses.data<double>().ToArray().Select(x => Math.Round(x, 12)));
        Assert.Equal([0.605, 2, 0.5], ValueLoss.Squared(Row(1.1, 2, 2), Row(0, 0, 3)).data<double>().ToArray().Select(x => Math.Round(x, 12)));
    }
}
