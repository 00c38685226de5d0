using LlmRL.Losses;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>Every loss over tokens, on one ragged batch of random numbers, by the name of the function that it is.</summary>
internal static class TokenLosses
{
    /// <summary>Tokens of each sequence.</summary>
    public static readonly int[] Lengths = [3, 5, 1, 4];

    /// <summary>T_max of <see cref="Aggregation.FixedLength"/>.</summary>
    public const int MaxLength = 9;

    private static readonly (string Method, string Variant, Func<RaggedBatch, Tensor> Loss)[] Entries =
    [
        ("PolicyGradient.Reinforce", "", x => PolicyGradient.Reinforce(x.Trained, x.Advantages)),
        ("PolicyGradient.PpoClip", "", x => PolicyGradient.PpoClip(x.Trained, x.Old, x.Advantages, 0.2, 0.28)),
        ("PolicyGradient.PpoClip", " with dual clip", x => PolicyGradient.PpoClip(x.Trained, x.Old, x.Advantages, 0.2, 0.2, dualClip: 1.1)),
        ("PolicyGradient.Cispo", "", x => PolicyGradient.Cispo(x.Trained, x.Old, x.Advantages, 1.3)),
        ("PolicyGradient.ImportanceWeights", " per token", x => Weighted(x, perTrajectory: false)),
        ("PolicyGradient.ImportanceWeights", " per trajectory", x => Weighted(x, perTrajectory: true)),
        ("PolicyGradient.SequenceLogRatio", "", x =>
            PolicyGradient.PpoClip(x.Old + PolicyGradient.SequenceLogRatio(x.Trained, x.Old, x.Mask), x.Old, x.Advantages, 0.2, 0.2)),
        ("KlLoss.K1", "", x => KlLoss.K1(x.Trained, x.Reference)),
        ("KlLoss.K2", "", x => KlLoss.K2(x.Trained, x.Reference)),
        ("KlLoss.K3", "", x => KlLoss.K3(x.Trained, x.Reference)),
        ("KlLoss.Abs", "", x => KlLoss.Abs(x.Trained, x.Reference)),
        ("ValueLoss.Squared", "", x => ValueLoss.Squared(x.Trained, x.Advantages)),
        ("ValueLoss.Clipped", "", x => ValueLoss.Clipped(x.Trained, x.Old, x.Advantages, 0.2)),
    ];

    /// <summary>The losses of which there are tests, by function and variant.</summary>
    public static IReadOnlyDictionary<string, Func<RaggedBatch, Tensor>> All { get; } = Entries.ToDictionary(entry => entry.Method + entry.Variant, entry => entry.Loss);

    /// <summary>The functions they are.</summary>
    public static IEnumerable<string> Methods => Entries.Select(entry => entry.Method).Distinct();

    /// <summary>All pairs of a loss and a rule of aggregation.</summary>
    public static TheoryData<string, Aggregation> Cases()
    {
        var cases = new TheoryData<string, Aggregation>();
        foreach (var name in All.Keys)
            foreach (var how in Enum.GetValues<Aggregation>())
                cases.Add(name, how);
        return cases;
    }

    private static Tensor Weighted(RaggedBatch x, bool perTrajectory) =>
        PolicyGradient.ImportanceWeights(x.Trained, x.Old, x.Mask, perTrajectory, cap: 1.5) * PolicyGradient.Reinforce(x.Trained, x.Advantages);
}

/// <summary>The tensors that losses read, (B, T).</summary>
internal sealed class RaggedBatch
{
    /// <summary>Lays out the sequences in this order.</summary>
    /// <param name="type">float32 or float64.</param>
    /// <param name="order">Which sequence stands in each row.</param>
    /// <param name="padding">Further columns, filled with large numbers.</param>
    public RaggedBatch(ScalarType type, int[] order, int padding = 0)
    {
        var width = TokenLosses.Lengths.Max() + padding;
        Order = order;
        Tensor Matrix(Func<int, int, double> cell) =>
            tensor(order.SelectMany(b => Enumerable.Range(0, width).Select(t => cell(b, t))).ToArray()).view(order.Length, width).to_type(type);
        // Each cell's number depends on what it means alone, so that another order or width moves it and does not change it.
        Tensor Random(ulong name, double mean, double scale) => Matrix((b, t) => t < TokenLosses.Lengths[b]
            ? mean + scale * new RandomStream(CounterRandom.Key(name, (ulong)b, (ulong)t)).NextNormal() : 5 + name);
        Trained = Random(1, -1.5, 0.5).requires_grad_();
        Old = Random(2, -1.5, 0.5);
        Reference = Random(3, -1.5, 0.5);
        Advantages = Random(4, 0, 1);
        Mask = new ResponseMask(Matrix((b, t) => t < TokenLosses.Lengths[b] ? 1 : 0));
    }

    /// <summary>Which sequence stands in each row.</summary>
    public int[] Order { get; }

    /// <summary>log π or V, with gradient.</summary>
    public Tensor Trained { get; }

    public Tensor Old { get; }

    public Tensor Reference { get; }

    /// <summary>Advantages, or returns.</summary>
    public Tensor Advantages { get; }

    public ResponseMask Mask { get; }

    /// <summary>The aggregated loss, and its gradient cell by cell in the sequences' own order, without the padding; that has no gradient.</summary>
    public (double Loss, double[] Gradient) Run(Func<RaggedBatch, Tensor> losses, Aggregation how)
    {
        var loss = losses(this).Aggregate(Mask, how, fixedLength: TokenLosses.MaxLength);
        loss.backward();
        var gradient = Trained.grad!.to_type(ScalarType.Float64).data<double>().ToArray();
        var width = (int)Trained.size(1);
        var sequences = Enumerable.Range(0, Order.Length).Select(b => gradient.AsSpan(Array.IndexOf(Order, b) * width, width).ToArray()).ToArray();
        Assert.All(sequences.Zip(TokenLosses.Lengths), row => Assert.All(row.First[row.Second..], x => Assert.Equal(0, x)));
        return (loss.to_type(ScalarType.Float64).item<double>(), [.. sequences.Zip(TokenLosses.Lengths).SelectMany(row => row.First[..row.Second])]);
    }
}
