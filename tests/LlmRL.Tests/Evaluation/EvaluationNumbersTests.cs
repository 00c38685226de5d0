using System.Numerics;
using LlmRL.Evaluation;

namespace LlmRL.Tests.Evaluation;

public class EvaluationNumbersTests
{
    private const double Tight = 1e-12;

    [Fact]
    public void PassAtKIsTheAverageOverAllSubsets()
    {
        for (var n = 1; n <= 9; n++)
        {
            for (var c = 0; c <= n; c++)
            {
                for (var k = 1; k <= n; k++)
                {
                    // Samples 0 … c−1 are the correct ones.
                    var subsets = Enumerable.Range(0, 1 << n).Where(set => BitOperations.PopCount((uint)set) == k).ToList();
                    var passed = subsets.Count(set => (set & ((1 << c) - 1)) != 0);
                    Assert.Equal((double)passed / subsets.Count, PassAtK.Problem(n, c, k), Tight);
                }
            }
        }
    }

    [Fact]
    public void PassAtKOfManySamplesNeitherOverflowsNorLosesItsDigits()
    {
        // 1 − C(9999, 5000)/C(10000, 5000) = 1 − 5000/10000.
        Assert.Equal(0.5, PassAtK.Problem(10000, 1, 5000), Tight);
        Assert.Equal(1, PassAtK.Problem(100, 51, 50));
        Assert.Throws<ArgumentOutOfRangeException>(() => PassAtK.Problem(4, 1, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => PassAtK.Problem(4, 5, 1));
    }

    [Fact]
    public void PassAtKsErrorIsOverProblems()
    {
        // pass@1: 0, ½, 1, ½: mean ½, variance (¼ + 0 + ¼ + 0)/3.
        var estimate = PassAtK.Mean(4, [0, 2, 4, 2], 1);

        Assert.Equal((0.5, 4), (estimate.Value, estimate.Count));
        Assert.Equal(Math.Sqrt(0.5 / 3 / 4), estimate.StandardError, Tight);
        Assert.Equal(new Estimate(1, 0, 1), PassAtK.Mean(4, [3], 2));
    }

    [Theory]
    [InlineData("a,a,b", 1.0)]
    [InlineData("a,b,b", 0.0)]
    [InlineData("a,b", 0.5)]
    [InlineData("a,b,c,-,-,-,-", 1 / 3.0)]
    [InlineData("-,-", 0.0)]
    [InlineData("b,b,a,a,A", 1 / 2.0)]
    public void MajorityVoteSharesTies(string answers, double expected) =>
        Assert.Equal(expected, MajAtK.Problem([.. answers.Split(',').Select(answer => answer == "-" ? null : answer)], answer => answer == "a"), Tight);

    [Fact]
    public void TiesCountHalf()
    {
        // Points 1, ½, 0, 1: mean 0.625, squares 0.140625 + 0.015625 + 0.390625 + 0.140625.
        var estimate = WinRate.Mean([Verdict.Win, Verdict.Tie, Verdict.Loss, Verdict.Win]);

        Assert.Equal(0.625, estimate.Value, Tight);
        Assert.Equal(Math.Sqrt(0.6875 / 3 / 4), estimate.StandardError, Tight);
        Assert.Equal([Verdict.Win, Verdict.Tie, Verdict.Tie, Verdict.Loss],
            [WinRate.Compare(2, 1), WinRate.Compare(1, 1), WinRate.Compare(1, 1.5, 0.5), WinRate.Compare(1, 1.51, 0.5)]);
    }

    [Fact]
    public void AJudgeThatPrefersAPlaceDecidesNothing()
    {
        Assert.Equal(Verdict.Tie, WinRate.Swapped(Verdict.Win, Verdict.Loss));
        Assert.Equal(Verdict.Tie, WinRate.Swapped(Verdict.Loss, Verdict.Win));
        Assert.Equal(Verdict.Tie, WinRate.Swapped(Verdict.Win, Verdict.Tie));
        Assert.Equal(Verdict.Win, WinRate.Swapped(Verdict.Win, Verdict.Win));
        Assert.Equal(Verdict.Loss, WinRate.Swapped(Verdict.Loss, Verdict.Loss));
    }

    [Theory]
    [InlineData(0.0, 10)]
    [InlineData(1.0, 10)]
    [InlineData(0.3, 20)]
    [InlineData(0.62, 1000)]
    public void WilsonsBoundsSolveItsQuadratic(double rate, int count)
    {
        const double Z = 1.959963984540054;
        var (low, high) = WinRate.Wilson(rate, count);

        // The bounds are the p at which the observed rate lies z standard deviations away: (p̂ − p)² = z² p(1 − p)/n.
        foreach (var p in new[] { low, high })
            Assert.Equal(Z * Z * p * (1 - p) / count, (rate - p) * (rate - p), 1e-10);
        Assert.InRange(rate, low, high);
        Assert.True(high - low > 0.01);
        Assert.InRange(low, 0, 1);
        Assert.InRange(high, 0, 1);
    }

    [Fact]
    public void BootstrapAgreesWithTheNormalIntervalAndRepeatsItself()
    {
        var items = Enumerable.Range(0, 400).Select(i => i % 4 == 0 ? 1.0 : 0.0).ToArray();
        var (low, high) = Bootstrap.Mean(items, new RandomStream(3), resamples: 2000);

        var error = Estimate.Mean(items).StandardError;
        Assert.InRange(low, 0.25 - 1.96 * error * 1.15, 0.25 - 1.96 * error * 0.85);
        Assert.InRange(high, 0.25 + 1.96 * error * 0.85, 0.25 + 1.96 * error * 1.15);
        Assert.Equal((low, high), Bootstrap.Mean(items, new RandomStream(3), resamples: 2000));
        Assert.Equal((5, 5), Bootstrap.Mean([5, 5, 5], new RandomStream(1)));
    }

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(0.5, 2.5)]
    [InlineData(0.9, 6.5)]
    [InlineData(1.0, 8.0)]
    public void QuantilesAreLinearBetweenNeighbours(double q, double expected) =>
        // Positions 0, 1.5, 2.7 and 3: 2.7 is 0.7 of the way from 3 to 8.
        Assert.Equal(expected, Bootstrap.Quantile([1, 2, 3, 8], q), Tight);

    [Fact]
    public void DistinctCountsNGrams()
    {
        int[][] texts = [[1, 2, 1, 2], [1, 2, 3], [7]];

        Assert.Equal(4 / 8.0, Diversity.Distinct(texts, 1));
        // 12, 21, 12; 12, 23.
        Assert.Equal(3 / 5.0, Diversity.Distinct(texts, 2));
        Assert.Equal(0, Diversity.Distinct(texts, 5));
    }

    [Fact]
    public void SelfBleuFollowsItsDefinition()
    {
        Assert.Equal(1, Diversity.SelfBleu([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]), Tight);
        Assert.Equal(0, Diversity.SelfBleu([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]));

        // BLEU-2 of 1 1 2 against 1 2 3 4: unigrams 2 of 3 (the second 1 is clipped), bigrams 1 of 2, brevity exp(1 − 4/3).
        // Of 1 2 3 4 against 1 1 2: unigrams 2 of 4, bigrams 1 of 3, no brevity penalty.
        var expected = (Math.Sqrt(2 / 3.0 / 2) * Math.Exp(-1 / 3.0) + Math.Sqrt(1 / 6.0)) / 2;
        Assert.Equal(expected, Diversity.SelfBleu([[1, 1, 2], [1, 2, 3, 4]], 2), Tight);
    }

    [Fact]
    public void RunningStatisticsKeepTheirDigitsFarFromZero()
    {
        // 1e9 + (4, 7, 13, 16): mean 1e9 + 10, variance 30, where Σx² − (Σx)²/n has lost everything.
        var (all, left, right) = (new RunningStatistics(), new RunningStatistics(), new RunningStatistics());
        foreach (var (value, i) in new[] { 4.0, 7, 13, 16 }.Select((value, i) => (value + 1e9, i)))
        {
            all.Add(value);
            (i < 1 ? left : right).Add(value);
        }

        left.Merge(right);
        left.Merge(new RunningStatistics());
        foreach (var statistics in new[] { all, left })
        {
            Assert.Equal((4, 1e9 + 10, 1e9 + 4, 1e9 + 16), (statistics.Count, statistics.Mean, statistics.Min, statistics.Max));
            Assert.Equal(30, statistics.Variance, 1e-9);
            Assert.Equal(Math.Sqrt(7.5), statistics.StandardError, 1e-9);
        }

        var empty = new RunningStatistics();
        empty.Merge(all);
        Assert.Equal(all.Variance, empty.Variance);
        Assert.Equal(0, new RunningStatistics().StandardDeviation);
    }
}
