using LlmRL.Evaluation;

namespace LlmRL.Tests.Evaluation;

public class OverOptimisationFitTests
{
    private const double Exact = 1e-9;

    private static readonly double[] Distances = [.. Enumerable.Range(0, 40).Select(i => 0.15 * i)];

    /// <summary>The laws as the paper writes them.</summary>
    private static double Law(OptimisationMethod method, double d, double alpha, double beta) =>
        method == OptimisationMethod.BestOfN ? d * (alpha - beta * d) : d == 0 ? 0 : d * (alpha - beta * Math.Log(d));

    [Theory]
    [InlineData(OptimisationMethod.BestOfN, 1.7, 0.4)]
    [InlineData(OptimisationMethod.BestOfN, 0.9, -0.1)]
    [InlineData(OptimisationMethod.Rl, 1.2, 0.8)]
    [InlineData(OptimisationMethod.Rl, -0.3, 0.5)]
    public void Points_on_the_law_give_its_coefficients(OptimisationMethod method, double alpha, double beta)
    {
        var fit = OverOptimisationFit.Of(method, Distances, [.. Distances.Select(d => 4.5 + Law(method, d, alpha, beta))], 4.5)!;
        Assert.Equal(alpha, fit.Alpha, Exact);
        Assert.Equal(beta, fit.Beta, Exact);
        Assert.Equal(1, fit.RSquared, Exact);
        Assert.Equal(40, fit.Count);
        Assert.Equal(0.15 * 39, fit.Farthest, Exact);
        Assert.All(Distances, d => Assert.Equal(4.5 + Law(method, d, alpha, beta), fit.At(d), Exact));
    }

    [Fact]
    public void Two_points_are_solved_by_hand()
    {
        // d = 1 and d = e: R = α and R = e(α − β), so α = 2 and β = 2 − 1 from R = 2 and R = e.
        var fit = OverOptimisationFit.Of(OptimisationMethod.Rl, [1, Math.E], [2, Math.E], 0)!;
        Assert.Equal((2, 1), (Math.Round(fit.Alpha, 9), Math.Round(fit.Beta, 9)));
    }

    [Fact]
    public void The_maximum_is_where_the_law_is_highest()
    {
        foreach (var method in Enum.GetValues<OptimisationMethod>())
        {
            var fit = OverOptimisationFit.Of(method, Distances, [.. Distances.Select(d => Law(method, d, 1.5, 0.5))], 0)!;
            var grid = Enumerable.Range(1, 100_000).Select(i => 1e-4 * i).MaxBy(d => Law(method, d, 1.5, 0.5));
            Assert.Equal(grid, fit.Peak!.Value, 1e-4);
            Assert.Equal(fit.Peak <= 0.15 * 39, fit.TurnsWithin);
        }

        // α/(2β) = 1.5; e^(α/β − 1) = e².
        Assert.True(OverOptimisationFit.Of(OptimisationMethod.BestOfN, [1, 2], [1, 1], 0)!.TurnsWithin);
        Assert.False(OverOptimisationFit.Of(OptimisationMethod.Rl, [1, 2, 3], [1.5, 2 * (1.5 - 0.5 * Math.Log(2)), 3 * (1.5 - 0.5 * Math.Log(3))], 0)!.TurnsWithin);
    }

    [Fact]
    public void Without_a_loss_there_is_no_maximum()
    {
        Assert.Null(OverOptimisationFit.Of(OptimisationMethod.Rl, Distances, [.. Distances.Select(d => Law(OptimisationMethod.Rl, d, 1, -0.2))], 0)!.Peak);
        Assert.Null(OverOptimisationFit.Of(OptimisationMethod.BestOfN, Distances, [.. Distances.Select(d => Law(OptimisationMethod.BestOfN, d, -1, 0.2))], 0)!.Peak);
    }

    /// <summary>The estimates scatter around the truth as σ²(XᵀX)⁻¹ says, and R² is what the noise leaves.</summary>
    [Fact]
    public void Noise_moves_the_coefficients_by_their_standard_errors()
    {
        const double alpha = 1.2, beta = 0.8, sigma = 0.3;
        var random = new RandomStream(17);
        var (a, b) = (new RunningStatistics(), new RunningStatistics());
        for (var trial = 0; trial < 2000; trial++)
        {
            var fit = OverOptimisationFit.Of(OptimisationMethod.Rl, Distances, [.. Distances.Select(d => Law(OptimisationMethod.Rl, d, alpha, beta) + sigma * random.NextNormal())], 0)!;
            a.Add(fit.Alpha);
            b.Add(fit.Beta);
        }

        var logs = Distances.Select(d => d > 0 ? d * Math.Log(d) : 0).ToArray();
        var (dd, ll, dl) = (Distances.Sum(d => d * d), logs.Sum(l => l * l), Distances.Zip(logs, (d, l) => d * l).Sum());
        var scale = sigma * sigma / (dd * ll - dl * dl);
        // Five standard errors of the mean, and five of a variance (√(2/n) of it).
        Assert.Equal(alpha, a.Mean, 5 * Math.Sqrt(scale * ll / 2000));
        Assert.Equal(beta, b.Mean, 5 * Math.Sqrt(scale * dd / 2000));
        Assert.Equal(1, a.Variance / (scale * ll), 5 * Math.Sqrt(2.0 / 2000));
        Assert.Equal(1, b.Variance / (scale * dd), 5 * Math.Sqrt(2.0 / 2000));
    }

    [Fact]
    public void R_squared_is_the_share_of_the_variance_that_is_explained()
    {
        // d(2 − d) is 1, 0, −3, −8: disturbed by ±1/2 and 1, so that no law fits exactly.
        double[] d = [1, 2, 3, 4], r = [1.5, -0.5, -2, -8.5];
        var fit = OverOptimisationFit.Of(OptimisationMethod.BestOfN, d, r, 0)!;
        var residual = d.Zip(r, (x, y) => Math.Pow(y - x * (fit.Alpha - fit.Beta * x), 2)).Sum();
        var total = r.Sum(y => Math.Pow(y - r.Average(), 2));
        Assert.Equal(1 - residual / total, fit.RSquared, Exact);
        Assert.InRange(fit.RSquared, 0.9, 0.999);
        // A least-squares residual is orthogonal to both columns.
        Assert.Equal(0, d.Zip(r, (x, y) => x * (y - fit.At(x))).Sum(), Exact);
        Assert.Equal(0, d.Zip(r, (x, y) => x * x * (y - fit.At(x))).Sum(), Exact);
    }

    [Fact]
    public void What_cannot_be_fitted_is_null_and_gaps_are_left_out()
    {
        Assert.Null(OverOptimisationFit.Of(OptimisationMethod.Rl, [], [], 0));
        Assert.Null(OverOptimisationFit.Of(OptimisationMethod.Rl, [0, 0], [1, 2], 0));
        Assert.Null(OverOptimisationFit.Of(OptimisationMethod.BestOfN, [2, 2, 2], [1, 2, 3], 0));
        Assert.Equal(2, OverOptimisationFit.Of(OptimisationMethod.BestOfN, [1, double.NaN, 2, 3], [1, 5, 1, double.NaN], 0)!.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => OverOptimisationFit.Of(OptimisationMethod.BestOfN, [1, -1], [1, 1], 0));
    }
}
