using static TorchSharp.torch;

namespace LlmRL.Tests.Theory;

/// <summary>First two moments of a gradient estimator over every batch that can be drawn.</summary>
/// <param name="Mean">E ĝ, in the direction of ascent: ĝ = −∇loss.</param>
/// <param name="Variance">E|ĝ|² − |E ĝ|², the trace of the covariance.</param>
internal sealed record Estimator(double[] Mean, double Variance)
{
    /// <summary>Of an expectation, which is a sum of up to a few thousand terms in float64.</summary>
    public const double Tolerance = 1e-10;

    /// <summary>Takes the loss of all N-tuples of episodes, each with the probability of being the batch, and differentiates each by autograd.</summary>
    /// <param name="process">The process.</param>
    /// <param name="size">N.</param>
    /// <param name="loss">The scalar that is minimised.</param>
    /// <param name="sampling">The policy that sampled the batch; π itself if null.</param>
    public static Estimator Of(FiniteProcess process, int size, Func<Batch, Tensor> loss, double[]? sampling = null)
    {
        var probabilities = process.Episodes.Select(episode => process.Probability(episode, sampling ?? process.Policy)).ToArray();
        var (mean, squares) = (new double[process.Policy.Length], 0.0);
        foreach (var tuple in Tuples(process.Episodes.Count, size))
        {
            using var scope = NewDisposeScope();
            var weight = tuple.Aggregate(1.0, (product, i) => product * probabilities[i]);
            var ascent = process.GradientOf(policy => -loss(new Batch(process, [.. tuple.Select(i => process.Episodes[i])], policy)));
            for (var p = 0; p < mean.Length; p++)
                mean[p] += weight * ascent[p];
            squares += weight * Square(ascent);
        }

        return new Estimator(mean, squares - Square(mean));
    }

    /// <summary>Whether the expectation is this vector, to 1e-10.</summary>
    public void AssertMean(double[] expected) => AssertEqual(expected, Mean);

    /// <summary>Whether two vectors agree to 1e-10; one that is all zeros would show nothing.</summary>
    public static void AssertEqual(double[] expected, double[] actual, double tolerance = Tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.True(Math.Sqrt(Square(expected)) > 1e-3, "the expected vector is zero: the test shows nothing");
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"entry {i}: expected {expected[i]:R}, got {actual[i]:R}");
    }

    public static void AssertZero(double[] actual) => Assert.All(actual, x => Assert.InRange(x, -Tolerance, Tolerance));

    public static double[] Scaled(double factor, double[] vector) => Array.ConvertAll(vector, x => factor * x);

    public static double[] Minus(double[] left, double[] right) => [.. left.Zip(right, (x, y) => x - y)];

    public static double Square(double[] vector) => vector.Sum(x => x * x);

    /// <summary>Every sequence of <paramref name="size"/> numbers below <paramref name="count"/>.</summary>
    private static IEnumerable<int[]> Tuples(int count, int size)
    {
        IEnumerable<int[]> tuples = [[]];
        for (var i = 0; i < size; i++)
            tuples = tuples.SelectMany(_ => Enumerable.Range(0, count), (head, last) => (int[])[.. head, last]);
        return tuples;
    }
}
