using System.Reflection;
using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>For every loss over tokens and every aggregation: padding and order change nothing, and one backward pass is the sum of one a token.</summary>
[Collection(TensorCollection.Name)]
public class InvarianceTests
{
    private static readonly int[] InOrder = [0, 1, 2, 3], Shuffled = [2, 0, 3, 1];

    public InvarianceTests() => Native.Startup.Prepare();

    /// <summary>A function that is new in these classes is to be added to <see cref="TokenLosses"/>.</summary>
    [Fact]
    public void NoLossIsLeftOut()
    {
        var functions = new[] { typeof(PolicyGradient), typeof(KlLoss), typeof(ValueLoss) }
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)).Select(method => method.Name).Distinct();
        Assert.Equal(functions.Order(), TokenLosses.Methods.Order());
    }

    [Theory]
    [MemberData(nameof(TokenLosses.Cases), MemberType = typeof(TokenLosses))]
    public void PaddingAndOrderChangeNeitherLossNorGradient(string name, Aggregation how)
    {
        foreach (var (type, tolerance) in new[] { (ScalarType.Float64, 1e-14), (ScalarType.Float32, 1e-6) })
        {
            using var scope = NewDisposeScope();
            var (loss, gradient) = new RaggedBatch(type, InOrder).Run(TokenLosses.All[name], how);
            var largest = gradient.Max(Math.Abs);
            Assert.True(largest > 1e-3);
            foreach (var batch in new[] { new RaggedBatch(type, InOrder, padding: 3), new RaggedBatch(type, Shuffled), new RaggedBatch(type, Shuffled, padding: 8) })
            {
                var (otherLoss, otherGradient) = batch.Run(TokenLosses.All[name], how);
                Assert.Equal(loss, otherLoss, tolerance * Math.Max(1, Math.Abs(loss)));
                Assert.All(gradient.Zip(otherGradient), pair => Assert.Equal(pair.First, pair.Second, tolerance * largest));
            }
        }
    }

    /// <summary>∇Σ w_bt ℓ_bt = Σ w_bt ∇ℓ_bt, each term by a backward pass of its own and with the weight that the aggregation's definition gives the token.</summary>
    [Theory]
    [MemberData(nameof(TokenLosses.Cases), MemberType = typeof(TokenLosses))]
    public void OneBackwardPassIsTheSumOfOnePerToken(string name, Aggregation how)
    {
        using var scope = NewDisposeScope();
        var (_, gradient) = new RaggedBatch(ScalarType.Float64, InOrder).Run(TokenLosses.All[name], how);
        var batch = new RaggedBatch(ScalarType.Float64, InOrder);
        var losses = TokenLosses.All[name](batch);
        double sequences = TokenLosses.Lengths.Length;
        for (var b = 0; b < sequences; b++)
        {
            var weight = how switch
            {
                Aggregation.TokenMean => 1.0 / TokenLosses.Lengths.Sum(),
                Aggregation.SequenceMean => 1 / sequences / TokenLosses.Lengths[b],
                Aggregation.FixedLength => 1 / sequences / TokenLosses.MaxLength,
                _ => 1 / sequences,
            };
            for (var t = 0; t < TokenLosses.Lengths[b]; t++)
                (weight * losses[b, t]).backward(retain_graph: true);
        }

        var summed = batch.Trained.grad!.data<double>().ToArray();
        var width = (int)batch.Trained.size(1);
        var cells = TokenLosses.Lengths.SelectMany((length, b) => Enumerable.Range(0, length).Select(t => summed[b * width + t]));
        Assert.All(cells.Zip(gradient), pair => Assert.Equal(pair.First, pair.Second, 1e-14));
    }

    /// <summary>The reward model's loss has no padding, but an order.</summary>
    [Fact]
    public void OrderDoesNotChangeTheBradleyTerryLoss()
    {
        using var scope = NewDisposeScope();
        double[] chosen = [0.3, -1, 2, 0.7], rejected = [0.1, 0.4, -0.6, 1.9], margin = [0, 0.5, 1, 0.2];
        (double Loss, double[] Gradient) Run(int[] order)
        {
            Tensor In(double[] values) => tensor(order.Select(i => values[i]).ToArray());
            var trained = In(chosen).requires_grad_();
            var loss = PreferenceLosses.BradleyTerry(trained, In(rejected), In(margin), 0.1).mean();
            loss.backward();
            var gradient = trained.grad!.data<double>().ToArray();
            return (loss.item<double>(), [.. InOrder.Select(i => gradient[Array.IndexOf(order, i)])]);
        }

        var (expected, actual) = (Run(InOrder), Run(Shuffled));
        Assert.Equal(expected.Loss, actual.Loss, 1e-14);
        Assert.Equal(expected.Gradient, actual.Gradient);
    }
}
