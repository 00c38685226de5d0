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

    /// <summary>Of (4, 2) tensors: what is trained, and what it is compared with.</summary>
    private static readonly Dictionary<string, Func<Tensor, Tensor, Tensor>> WithoutPadding = new()
    {
        ["PreferenceLosses.BradleyTerry"] = (x, y) => PreferenceLosses.BradleyTerry(x, y, y, 0.1),
        ["DirectPreference.ImplicitReward"] = (x, y) => DirectPreference.ImplicitReward(x, y, 0.3),
        ["DirectPreference.Sigmoid"] = (x, y) => DirectPreference.Sigmoid(x - y, 0.3, 0.1),
        ["DirectPreference.Robust"] = (x, y) => DirectPreference.Robust(x - y, 0.3, 0.1),
        ["DirectPreference.Ipo"] = (x, y) => DirectPreference.Ipo(x - y, 0.3),
        ["DirectPreference.Hinge"] = (x, y) => DirectPreference.Hinge(x - y, 0.3),
        ["RebelLoss.PerPrompt"] = (x, y) => RebelLoss.PerPrompt(x, y, 0.7),
        ["CrossEntropy.NegativeLogLikelihood"] = (x, _) => CrossEntropy.NegativeLogLikelihood(x, 8),
    };

    public InvarianceTests() => Native.Startup.Prepare();

    /// <summary>A loss that is new is to be added to <see cref="TokenLosses"/>, or to the losses without padding here.</summary>
    [Fact]
    public void NoLossIsLeftOut()
    {
        var functions = typeof(PolicyGradient).Assembly.GetExportedTypes()
            .Where(type => type.Namespace == typeof(PolicyGradient).Namespace && type is { IsAbstract: true, IsSealed: true } && type != typeof(Aggregations))
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)).Select(method => $"{method.DeclaringType!.Name}.{method.Name}");
        Assert.Equal(functions.Order(), TokenLosses.Methods.Concat(WithoutPadding.Keys).Order());
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

    /// <summary>A loss of whole sequences (pairs, prompts) or of packed tokens has no padding, but an order.</summary>
    [Fact]
    public void OrderDoesNotChangeALossWithoutPadding()
    {
        using var scope = NewDisposeScope();
        double[] first = [0.3, -1, 2, 0.7, -0.2, 0.9, 1.4, -0.8], second = [0.1, 0.4, -0.6, 1.9, 1.1, -0.3, 0.2, 0.5];
        foreach (var (name, losses) in WithoutPadding)
        {
            // Four rows of two.
            (double Loss, double[][] Gradient) Run(int[] order)
            {
                Tensor In(double[] values) => tensor(order.SelectMany(i => values[(2 * i)..(2 * i + 2)]).ToArray()).view(4, 2);
                var trained = In(first).requires_grad_();
                var loss = losses(trained, In(second)).sum();
                loss.backward();
                var gradient = trained.grad!.data<double>().ToArray().Chunk(2).ToArray();
                return (loss.item<double>(), [.. InOrder.Select(i => gradient[Array.IndexOf(order, i)])]);
            }

            var (expected, actual) = (Run(InOrder), Run(Shuffled));
            Assert.Equal(expected.Loss, actual.Loss, 1e-13);
            Assert.True(expected.Gradient.Length == 4 && expected.Gradient.Zip(actual.Gradient).All(pair => pair.First.SequenceEqual(pair.Second)), name);
        }
    }
}
