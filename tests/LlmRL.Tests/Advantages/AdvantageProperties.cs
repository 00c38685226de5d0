using FsCheck;
using FsCheck.Fluent;
using LlmRL.Advantages;

namespace LlmRL.Tests.Advantages;

/// <summary>What must hold for all numbers.</summary>
public class AdvantageProperties
{
    private static readonly Gen<double> Reals = Gen.Choose(-1000, 1000).Select(i => i / 128.0);

    private static readonly Gen<double> Units = Gen.Choose(0, 64).Select(i => i / 64.0);

    private static readonly Gen<(double[] Rewards, double[] Values, double Gamma)> Trajectories =
        from length in Gen.Choose(1, 20)
        from rewards in Reals.ArrayOf(length)
        from values in Reals.ArrayOf(length)
        from gamma in Units
        select (rewards, values, gamma);

    private static readonly Gen<(double[] Rewards, int GroupSize)> Groups =
        from size in Gen.Choose(2, 8)
        from count in Gen.Choose(1, 5)
        from rewards in Reals.ArrayOf(size * count)
        select (rewards, size);

    private static void ForAll<T>(Gen<T> values, Action<T> holds) => Prop.ForAll(values.ToArbitrary(), holds).QuickCheckThrowOnFailure();

    private static void Near(double expected, double actual) => Assert.InRange(actual, expected - 1e-9, expected + 1e-9);

    private static double[] GaeOf((double[] Rewards, double[] Values, double Gamma) x, double lambda)
    {
        var advantages = new double[x.Rewards.Length];
        Gae.Advantages(x.Rewards, x.Values, x.Gamma, lambda, advantages);
        return advantages;
    }

    [Fact]
    public void GaeWithLambdaOneIsRewardToGoMinusValue() => ForAll(Trajectories, x =>
    {
        var returns = new double[x.Rewards.Length];
        RewardToGo.PerStep(x.Rewards, x.Gamma, returns);
        var advantages = GaeOf(x, 1);
        for (var t = 0; t < returns.Length; t++)
            Near(returns[t] - x.Values[t], advantages[t]);
        Near(returns[0], RewardToGo.WholeTrajectory(x.Rewards, x.Gamma));
    });

    [Fact]
    public void GaeWithLambdaZeroIsTheOneStepError() => ForAll(Trajectories, x =>
    {
        var advantages = GaeOf(x, 0);
        for (var t = 0; t < advantages.Length; t++)
            Near(x.Rewards[t] + x.Gamma * x.Values.ElementAtOrDefault(t + 1) - x.Values[t], advantages[t]);
    });

    [Fact]
    public void GaeIsTheSumOfItsDefinition() => ForAll(Trajectories.Zip(Units), pair =>
    {
        var ((rewards, values, gamma), lambda) = pair;
        var advantages = GaeOf((rewards, values, gamma), lambda);
        for (var t = 0; t < rewards.Length; t++)
        {
            var sum = Enumerable.Range(t, rewards.Length - t)
                .Sum(s => Math.Pow(gamma * lambda, s - t) * (rewards[s] + gamma * values.ElementAtOrDefault(s + 1) - values[s]));
            Near(sum, advantages[t]);
        }
    });

    [Fact]
    public void LeaveOneOutSumsToZeroAndIsAScaledGroupMean() => ForAll(Groups, x =>
    {
        var (advantages, centred) = (new double[x.Rewards.Length], new double[x.Rewards.Length]);
        LeaveOneOut.Advantages(x.Rewards, x.GroupSize, advantages);
        GroupRelative.Advantages(x.Rewards, x.GroupSize, RewardScale.None, centred);
        foreach (var group in advantages.Chunk(x.GroupSize))
            Near(0, group.Sum());
        for (var i = 0; i < advantages.Length; i++)
            Near(centred[i] * x.GroupSize / (x.GroupSize - 1), advantages[i]);
    });

    [Fact]
    public void AGroupDependsOnNoOtherGroup() => ForAll(Groups, x =>
    {
        foreach (var scale in new[] { RewardScale.Group, RewardScale.None })
        {
            var together = new double[x.Rewards.Length];
            GroupRelative.Advantages(x.Rewards, x.GroupSize, scale, together);
            var alone = new double[x.GroupSize];
            GroupRelative.Advantages(x.Rewards.AsSpan(^x.GroupSize..), x.GroupSize, scale, alone);
            Assert.Equal(alone, together[^x.GroupSize..]);
        }
    });

    [Fact]
    public void ShiftingRewardsChangesNoGroupRelativeAdvantage() => ForAll(Groups.Zip(Reals), pair =>
    {
        var ((rewards, size), shift) = pair;
        foreach (var scale in Enum.GetValues<RewardScale>())
        {
            var (before, after) = (new double[rewards.Length], new double[rewards.Length]);
            GroupRelative.Advantages(rewards, size, scale, before);
            GroupRelative.Advantages(rewards.Select(r => r + shift).ToArray(), size, scale, after);
            for (var i = 0; i < before.Length; i++)
                Near(before[i], after[i]);
        }
    });

    [Fact]
    public void PaddingChangesNoWhitenedNumber() => ForAll(Reals.NonEmptyListOf().Zip(Reals.ListOf()), pair =>
    {
        var (values, padding) = (pair.Item1.ToArray(), pair.Item2.ToArray());
        foreach (var (shiftMean, unbiased) in new[] { (true, true), (true, false), (false, true), (false, false) })
        {
            var plain = new double[values.Length];
            Whiten.All(values, shiftMean, unbiased, plain);
            var padded = new double[values.Length + padding.Length];
            var mask = padded.Select((_, i) => i < values.Length).ToArray();
            Whiten.Masked([.. values, .. padding], mask, shiftMean, unbiased, padded);
            Assert.Equal(plain, padded[..values.Length]);
            Assert.All(padded[values.Length..], value => Assert.Equal(0, value));
        }
    });

    [Fact]
    public void WhitenedNumbersHaveUnitVariance() => ForAll(Reals.NonEmptyListOf(), list =>
    {
        var values = list.ToArray();
        if (values.Distinct().Count() < 2)
            return;
        Whiten.All(values, shiftMean: true, unbiased: false, values, epsilon: 0);
        Near(0, values.Average());
        Near(1, values.Average(value => value * value));
    });
}
