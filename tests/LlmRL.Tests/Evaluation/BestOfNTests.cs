using LlmRL.Evaluation;

namespace LlmRL.Tests.Evaluation;

public class BestOfNTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void The_expectation_is_the_mean_over_all_subsets(int n)
    {
        double[] rewards = [0.3, -1, 2.5, 0.9, 0.1];
        double[] values = [7, 1, -3, 4, 0.5];
        var bests = new List<double>();
        for (var subset = 0; subset < 1 << rewards.Length; subset++)
        {
            if (int.PopCount(subset) == n)
                bests.Add(values[Enumerable.Range(0, rewards.Length).Where(i => (subset >> i & 1) != 0).MaxBy(i => rewards[i])]);
        }

        Assert.Equal(bests.Average(), BestOfN.Expectation(rewards, values, n), 12);
        Assert.Equal(1, BestOfN.Weights(rewards.Length, n).Sum(), 12);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(16)]
    public void The_kl_is_that_of_many_equally_likely_completions(int n)
    {
        // Of K equally likely completions with different rewards the best of n is the k-th lowest with probability (k/K)^n − ((k−1)/K)^n.
        const int count = 200_000;
        var kl = 0.0;
        for (var k = 1; k <= count; k++)
        {
            var p = Math.Pow((double)k / count, n) - Math.Pow((k - 1.0) / count, n);
            kl += p > 0 ? p * Math.Log(p * count) : 0;
        }

        Assert.Equal(kl, BestOfN.Kl(n), 3);
    }

    [Fact]
    public void The_length_controlled_rate_takes_out_what_length_explains()
    {
        // 8 of 10 long ones win and 2 of 10 short ones; most are long. A model with a length term explains all of it.
        double[][] points = [.. Enumerable.Range(0, 40).Select(i => new[] { i < 30 ? i % 5 == 0 ? 0.0 : 1 : i % 5 == 0 ? 1.0 : 0 })];
        double[][] differences = [.. Enumerable.Range(0, 40).Select(i => new[] { i < 30 ? 1.0 : -1 })];
        Assert.Equal(0.65, points.Average(row => row[0]), 12);
        Assert.Equal(0.5, LengthControlledWinRate.Of(points, differences).Value, 3);
    }

    [Fact]
    public void Without_differences_of_length_it_is_the_win_rate_with_its_standard_error()
    {
        double[][] points = [.. Enumerable.Range(0, 100).Select(i => new[] { i < 70 ? 1.0 : 0 })];
        var estimate = LengthControlledWinRate.Of(points, [.. points.Select(_ => new[] { 0.0 })]);
        Assert.Equal(0.7, estimate.Value, 4);
        Assert.Equal(Math.Sqrt(0.7 * 0.3 / 100), estimate.StandardError, 4);
        Assert.InRange(LengthControlledWinRate.Of([[1.0], [1.0]], [[3.0], [-3.0]]).Value, 0.9, 1);
    }
}
