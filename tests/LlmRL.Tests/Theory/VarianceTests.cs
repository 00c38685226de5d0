using LlmRL.Losses;
using LlmRL.Tests.Training;
using TorchSharp;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>What all the unbiased estimators differ in: their variance, exactly, in the order that theory gives. That of RLOO is in <see cref="GroupTests"/>.</summary>
[Collection(TensorCollection.Name)]
public class VarianceTests
{
    public VarianceTests() => Native.Startup.Prepare();

    /// <summary>Rewards that an action cannot change are noise to it.</summary>
    [Fact]
    public void RewardToGoHasLessVarianceThanTheWholeReturn()
    {
        var process = FiniteProcess.All["decision process"];
        var whole = Reinforce(process, (episode, _) => episode.Return());
        var toGo = Reinforce(process, (episode, t) => episode.Return(from: t));
        var withValues = Reinforce(process, (episode, t) => episode.Return(from: t) - process.Value(episode, t));
        Assert.True(withValues.Variance < toGo.Variance && toGo.Variance < whole.Variance, $"{whole.Variance}, {toGo.Variance}, {withValues.Variance}");
        Assert.All([toGo, withValues], estimate => estimate.AssertMean(whole.Mean));
    }

    /// <summary>
    /// Var(b) is a parabola in a constant baseline: Var(b) = Var(b*) + E|s|²·(b − b*)², s the score ∇log P, with the least variance at b* = E[|s|²G]/E|s|²
    /// (Greensmith, Bartlett and Baxter 2004). The mean return is near b*, no baseline is not.
    /// </summary>
    [Theory]
    [InlineData("decision process")]
    [InlineData("language model")]
    public void TheVarianceOfABaselineIsAParabola(string name)
    {
        var process = FiniteProcess.All[name];
        double ScoreSquared(Episode episode) => Square(process.Score(episode));
        double Variance(double baseline) => Reinforce(process, (episode, _) => episode.Return() - baseline).Variance;
        var size = process.Expect(ScoreSquared);
        var best = process.Expect(episode => ScoreSquared(episode) * episode.Return()) / size;
        foreach (var baseline in new[] { 0, -3, 1.1, process.Expect(episode => episode.Return()) })
            Assert.Equal(Variance(best) + size * (baseline - best) * (baseline - best), Variance(baseline), Tolerance);
        Assert.True(Variance(best) < Variance(process.Expect(episode => episode.Return())));
        Assert.True(Variance(process.Expect(episode => episode.Return())) < Variance(0));
    }

    /// <summary>The mean over N independent episodes has 1/N of the variance of one.</summary>
    [Fact]
    public void TheVarianceOfABatchIsThatOfOneByItsSize()
    {
        var process = FiniteProcess.All["language model"];
        var one = Reinforce(process, (episode, _) => episode.Return());
        foreach (var size in new[] { 2, 3 })
            Assert.Equal(one.Variance / size, Reinforce(process, (episode, _) => episode.Return(), size).Variance, Tolerance);
    }

    /// <summary>Samples of another policy cost variance, the more so the further away it is.</summary>
    [Fact]
    public void ImportanceWeightsRaiseTheVarianceWithTheDistance()
    {
        var process = FiniteProcess.All["language model"];
        var variances = new[] { 0, 0.5, 1, 1.5 }.Select(distance =>
        {
            double[] older = [.. process.Policy.Zip(process.Other, (x, y) => x + distance * (y - x))];
            return Of(process, 1, batch =>
            {
                var (now, old) = (batch.Mask.SumPerSequence(batch.LogProbs), batch.Mask.SumPerSequence(batch.LogProbsOf(older)));
                return PolicyGradient.PpoClip(now, old, torch.tensor(batch.Scores), 1e6, 1e6).mean();
            }, older).Variance;
        }).ToArray();
        Assert.Equal(Reinforce(process, (episode, _) => episode.Return()).Variance, variances[0], Tolerance);
        Assert.Equal(variances.Order(), variances);
    }

    private static Estimator Reinforce(FiniteProcess process, Func<Episode, int, double> advantage, int size = 1) => Of(process, size, batch =>
        PolicyGradient.Reinforce(batch.LogProbs, batch.PerToken(episode => [.. Enumerable.Range(0, episode.Length).Select(t => advantage(episode, t))]))
            .Aggregate(batch.Mask, Aggregation.SequenceSum));
}
