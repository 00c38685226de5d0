using LlmRL.Advantages;

namespace LlmRL.Tests.Advantages;

/// <summary>Closed forms and numbers worked out by hand.</summary>
public class AdvantageTests
{
    private const double Tight = 1e-12;

    private static void Near(double[] expected, double[] actual, double tolerance = Tight)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange(actual[i], expected[i] - tolerance, expected[i] + tolerance);
    }

    [Fact]
    public void RewardToGoDiscountsTheFuture()
    {
        var returns = new double[3];
        RewardToGo.PerStep([1, 2, 4], 0.5, returns);

        // 1 + ½·2 + ¼·4, 2 + ½·4, 4.
        Near([3, 4, 4], returns);
        Assert.Equal(3, RewardToGo.WholeTrajectory([1, 2, 4], 0.5), Tight);
        Assert.Equal(0, RewardToGo.WholeTrajectory([], 1));
    }

    [Fact]
    public void BatchMeanIsSubtracted()
    {
        double[] advantages = [1, 2, 6];
        Baseline.Subtract(advantages, Baseline.BatchMean(advantages), advantages);

        Near([-2, -1, 3], advantages);
        Assert.Throws<ArgumentOutOfRangeException>(() => Baseline.BatchMean([]));
    }

    [Fact]
    public void MovingAverageFollowsItsRecurrence()
    {
        var state = MovingAverageBaseline.Start;
        Assert.Equal(0, state.Baseline);
        state = state.Updated(4, 0.75).Updated(8, 0.75);

        // ρ̂: 0 → 1 → 0.75 + 2; β² = 0.5625.
        Assert.Equal(2.75, state.Average, Tight);
        Assert.Equal(2.75 / 0.4375, state.Baseline, Tight);
        Assert.Equal(5, MovingAverageBaseline.Start.Updated(5, 0.99).Baseline, Tight);
        Assert.Throws<ArgumentOutOfRangeException>(() => state.Updated(1, 1));
    }

    [Fact]
    public void LeaveOneOutComparesWithTheOthers()
    {
        var advantages = new double[6];
        LeaveOneOut.Advantages([1, 2, 6, 0, 0, 3], 3, advantages);

        // 1 − (2+6)/2, 2 − (1+6)/2, 6 − (1+2)/2; then 0 − 3/2, 0 − 3/2, 3 − 0.
        Near([-3, -1.5, 4.5, -1.5, -1.5, 3], advantages);
        LeaveOneOut.Advantages([1, double.NaN, 6, 9, double.NaN, double.NaN], 3, advantages);
        Near([-5, 0, 5, 0, 0, 0], advantages);
        Assert.Throws<ArgumentOutOfRangeException>(() => LeaveOneOut.Advantages([1, 2], 1, new double[2]));
        Assert.Throws<ArgumentException>(() => LeaveOneOut.Advantages([1, 2, 3], 2, new double[3]));
        Assert.Throws<ArgumentException>(() => LeaveOneOut.Advantages([1, 2], 2, new double[3]));
    }

    [Fact]
    public void GroupRelativeDividesAsAsked()
    {
        double[] rewards = [1, 3, 0, 8];
        var advantages = new double[4];

        GroupRelative.Advantages(rewards, 2, RewardScale.None, advantages);
        Near([-1, 1, -4, 4], advantages);

        // Standard deviations with n − 1: √2 and √32; over the batch mean 3 and √(38/3).
        GroupRelative.Advantages(rewards, 2, RewardScale.Group, advantages, epsilon: 0);
        Near([-Math.Sqrt(0.5), Math.Sqrt(0.5), -Math.Sqrt(0.5), Math.Sqrt(0.5)], advantages);
        GroupRelative.Advantages(rewards, 2, RewardScale.Batch, advantages, epsilon: 1);
        var divisor = Math.Sqrt(38.0 / 3) + 1;
        Near([-1 / divisor, 1 / divisor, -4 / divisor, 4 / divisor], advantages);
    }

    [Fact]
    public void RewardsThatDoNotApplyAreLeftOut()
    {
        var sums = new double[3];
        GroupRelative.WeightedSum([1, double.NaN, 2, 3, double.NaN, double.NaN], [2, 10], sums);
        Assert.Equal([2, 34, double.NaN], sums);

        var advantages = new double[4];
        GroupRelative.Advantages([1, double.NaN, 3, double.NaN], 4, RewardScale.None, advantages);
        Near([-1, 0, 1, 0], advantages);
        GroupRelative.Advantages([7, double.NaN, double.NaN, double.NaN], 4, RewardScale.Group, advantages);
        Near([0, 0, 0, 0], advantages);
    }

    [Theory]
    [InlineData(new[] { 1.0, 1, 1 }, true)]
    [InlineData(new[] { 1.0, double.NaN, 1 }, true)]
    [InlineData(new[] { double.NaN, double.NaN }, true)]
    [InlineData(new[] { double.NaN, 1, 0 }, false)]
    [InlineData(new[] { 1.0, 1, 1.5 }, false)]
    public void GroupsWithOneRewardAreFlat(double[] group, bool flat) => Assert.Equal(flat, GroupRelative.IsFlat(group));

    [Fact]
    public void GaeBootstrapsWhereATrajectoryIsCutOff()
    {
        var (ended, cut) = (new double[2], new double[2]);
        Gae.Advantages([1, 1], [0.5, 0.25], 0.5, 0.5, ended);
        Gae.Advantages([1, 1], [0.5, 0.25], 0.5, 0.5, cut, finalValue: 2);

        // δ_1 = 1 − 0.25 (+ ½·2), δ_0 = 1 + ½·0.25 − 0.5, A_0 = δ_0 + ¼ A_1.
        Near([0.625 + 0.1875, 0.75], ended);
        Near([0.625 + 0.4375, 1.75], cut);
        var returns = new double[2];
        Gae.Returns(ended, [0.5, 0.25], returns);
        Near([1.3125, 1], returns);
    }

    [Theory]
    [InlineData(true, true, new[] { -1.0, 0, 1 })]
    [InlineData(false, true, new[] { 2.0, 3, 4 })]
    public void WhitenScalesToUnitVariance(bool shiftMean, bool unbiased, double[] expected)
    {
        // Mean 3, variance 4 with n − 1.
        double[] values = [1, 3, 5];
        Whiten.All(values, shiftMean, unbiased, values, epsilon: 0);

        Near(expected, values);
    }

    [Fact]
    public void WhitenOffersThePopulationVarianceAndLeavesOneNumberAlone()
    {
        var result = new double[3];
        Whiten.All([1, 3, 5], shiftMean: true, unbiased: false, result, epsilon: 0);
        Near([-Math.Sqrt(1.5), 0, Math.Sqrt(1.5)], result);

        Whiten.Masked([1, 7, 5], [false, true, false], shiftMean: true, unbiased: true, result);
        Near([0, 7, 0], result);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.9)]
    [InlineData(-2.5)]
    public void KlEstimatesAverageToTheExactSum(double shift)
    {
        double[] p = [0.2, 0.5, 0.3];
        double[] weights = [1, Math.Exp(shift), Math.Exp(-shift / 2)];
        var q = weights.Select(w => w / weights.Sum()).ToArray();
        double Mean(Func<double, double, double> estimate) => p.Zip(q, (pi, qi) => pi * estimate(Math.Log(pi), Math.Log(qi))).Sum();

        var exact = p.Zip(q, (pi, qi) => pi * Math.Log(pi / qi)).Sum();
        Assert.True(exact > 0.02);
        Assert.Equal(exact, Mean(KlReward.K1), Tight);
        Assert.Equal(exact, Mean(KlReward.K3), Tight);
        Assert.Equal(p.Zip(q, (pi, qi) => pi * Math.Pow(Math.Log(pi / qi), 2) / 2).Sum(), Mean(KlReward.K2), Tight);
    }

    [Fact]
    public void K3HoldsItsPrecisionNearZero()
    {
        foreach (var d in new[] { 1e-9, -1e-6, 9.9e-4, -1.1e-3, 0.5 })
        {
            // Σ_{n≥2} dⁿ/n! term by term: no cancellation.
            var (series, term) = (0.0, d);
            for (var n = 2; n < 30; n++)
                series += term *= d / n;
            Assert.InRange(KlReward.K3(-1 - d, -1) / series, 1 - 1e-6, 1 + 1e-6);
        }
    }

    [Fact]
    public void ScoreIsAddedAtTheLastToken()
    {
        var rewards = new double[3];
        KlReward.PerToken([-1, -2, -3], [-2, -2, -1], 0.5, 10, KlEstimator.K1, rewards);

        Near([-0.5, 0, 11], rewards);
        Assert.Equal(-1, KlReward.Sum([-1, -2, -3], [-2, -2, -1]), Tight);
        Assert.Equal(2.5, KlReward.Sum([-1, -2, -3], [-2, -2, -1], KlEstimator.K2), Tight);
    }

    [Fact]
    public void AdaptiveKlMovesByAtMostAFifthOfTheHorizonsShare()
    {
        var controller = new AdaptiveKlController(0.1, target: 6, horizon: 1000);
        controller.Update(kl: 60, episodes: 100);
        Assert.Equal(0.1 * 1.02, controller.Beta, Tight);
        controller.Update(kl: 6.6, episodes: 500);
        Assert.Equal(0.1 * 1.02 * 1.05, controller.Beta, Tight);

        var resumed = new AdaptiveKlController(controller.Beta, 6, 1000);
        resumed.Update(kl: 0, episodes: 1000);
        Assert.Equal(0.1 * 1.02 * 1.05 * 0.8, resumed.Beta, Tight);
        Assert.Throws<ArgumentOutOfRangeException>(() => resumed.Update(double.NaN, 1));
    }

    [Theory]
    [InlineData(true, MissingEosMode.Replace, 3)]
    [InlineData(false, MissingEosMode.Replace, -1)]
    [InlineData(true, MissingEosMode.Subtract, 3)]
    [InlineData(false, MissingEosMode.Subtract, 2)]
    public void MissingEosIsPunished(bool ended, MissingEosMode mode, double expected) => Assert.Equal(expected, RewardShaping.MissingEos(3, ended, 1, mode));

    [Theory]
    [InlineData(80, 0.0)]
    [InlineData(81, -0.05)]
    [InlineData(90, -0.5)]
    [InlineData(100, -1.0)]
    [InlineData(101, -1.0)]
    public void OverlongIsPunishedGradually(int length, double expected) => Assert.Equal(expected, RewardShaping.SoftOverlong(length, 100, 20), Tight);

    [Fact]
    public void ClipHoldsScoresWithinTheLimit()
    {
        Assert.Equal([-2, 0.5, 2], new[] { -9, 0.5, 3 }.Select(score => RewardShaping.Clip(score, -2, 2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => RewardShaping.Clip(1, 0.5, 0));
    }

    [Fact]
    public void Leave_one_out_at_each_step_takes_an_ended_sample_as_zero()
    {
        double[][] returns = [[3, 2, 1], [1], [5, 4]];
        LeaveOneOut.PerStep(returns, 3);
        Assert.Equal([0, 0, 1], returns[0]);
        Assert.Equal([-3], returns[1]);
        Assert.Equal([3, 3], returns[2]);
    }
}
