using LlmRL.Losses;
using LlmRL.Tests.Training;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>Learning from the samples of an older policy: the ratio of the whole episode makes them samples of π; the ratio of each token does not.</summary>
[Collection(TensorCollection.Name)]
public class ImportanceTests
{
    /// <summary>No ratio reaches it: the clip is off.</summary>
    private const double Unclipped = 1e6;

    public ImportanceTests() => Native.Startup.Prepare();

    public static TheoryData<string> Processes => [.. FiniteProcess.All.Keys];

    /// <summary>E_old[ρ G ∇log P] = ∇J with ρ = Π_t π/π_old: the gradient of the surrogate −ρG, with or without a baseline.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheRatioOfTheEpisodeIsUnbiased(string name)
    {
        var process = FiniteProcess.All[name];
        foreach (var baseline in new[] { 0, 0.8 })
        {
            Of(process, 1, batch =>
            {
                var (now, old) = (batch.Mask.SumPerSequence(batch.LogProbs), batch.Mask.SumPerSequence(batch.LogProbsOf(process.Other)));
                var advantages = TorchSharp.torch.tensor(Array.ConvertAll(batch.Scores, score => score - baseline));
                return PolicyGradient.PpoClip(now, old, advantages, Unclipped, Unclipped).mean();
            }, process.Other).AssertMean(process.GradientOfReturn());
        }
    }

    /// <summary>
    /// PPO's ratio of each token corrects the choice at s_t, but the states before and the rewards after are still the older policy's: the estimate is
    /// Σ_t E_old[∂_t Σ_{t' ≥ t} r_t'], which is ∇J only where π = π_old.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheRatioOfATokenKeepsTheOlderPolicysStatesAndReturns(string name)
    {
        var process = FiniteProcess.All[name];
        Estimator PerToken(double[] older) => Of(process, 1, batch =>
            PolicyGradient.PpoClip(batch.LogProbs, batch.LogProbsOf(older), ToGo(batch), Unclipped, Unclipped).Aggregate(batch.Mask, Aggregation.SequenceSum), older);
        var estimate = PerToken(process.Other);
        estimate.AssertMean(process.Differentiate((episode, t) => episode.Return(from: t), process.Other));
        Assert.True(Square(Minus(estimate.Mean, process.GradientOfReturn())) > 1e-3);
        PerToken(process.Policy).AssertMean(process.GradientOfReturn());
    }

    /// <summary>The same two as weights of REINFORCE, the way that it uses them.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void WeightsOnReinforceAreTheSameTwoEstimators(string name)
    {
        var process = FiniteProcess.All[name];
        Weighted(process, process.Other, perTrajectory: true).AssertMean(process.GradientOfReturn());
        Weighted(process, process.Other, perTrajectory: false).AssertMean(process.Differentiate((episode, t) => episode.Return(from: t), process.Other));
        // A cap is a bias of its own.
        var capped = Weighted(process, process.Other, perTrajectory: true, cap: 1.1);
        Assert.True(Square(Minus(capped.Mean, process.GradientOfReturn())) > 1e-6);
        Assert.True(capped.Variance < Weighted(process, process.Other, perTrajectory: true).Variance);
    }

    /// <summary>The bias of the tokens' ratios is of first order in the change of the policy: at half the distance it is half as large.</summary>
    [Fact]
    public void TheBiasOfTheTokensRatioIsProportionalToTheChangeOfThePolicy()
    {
        var process = FiniteProcess.All["decision process"];
        double Bias(double distance)
        {
            double[] older = [.. process.Policy.Zip(process.Other, (x, y) => x + distance * (y - x))];
            return Math.Sqrt(Square(Minus(Weighted(process, older, perTrajectory: false).Mean, process.GradientOfReturn())));
        }

        Assert.Equal(2, Bias(2e-4) / Bias(1e-4), 1e-2);
    }

    /// <summary>
    /// CISPO's capped ratio is a constant: below the cap the estimate is that of PPO's unclipped ratio, and where the policy has not moved that of REINFORCE.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void CispoBelowItsCapIsTheTokensRatio(string name)
    {
        var process = FiniteProcess.All[name];
        Estimator Cispo(double[] older, double cap) => Of(process, 1, batch =>
            PolicyGradient.Cispo(batch.LogProbs, batch.LogProbsOf(older), ToGo(batch), cap).Aggregate(batch.Mask, Aggregation.SequenceSum), older);
        Cispo(process.Policy, 1).AssertMean(process.GradientOfReturn());
        Cispo(process.Other, 1e6).AssertMean(Weighted(process, process.Other, perTrajectory: false).Mean);
        // At the cap a token still pulls, with less: min(ρ, cap)/ρ of what it would.
        var (now, old) = (process.Probabilities(process.Policy), process.Probabilities(process.Other));
        Cispo(process.Other, 1.1).AssertMean(process.Differentiate((episode, t) =>
        {
            var ratio = now[episode.States[t], episode.Actions[t]] / old[episode.States[t], episode.Actions[t]];
            return episode.Return(from: t) * Math.Min(ratio, 1.1) / ratio;
        }, process.Other));
    }

    /// <summary>Without any ratio, samples of an older policy follow π's scores with the older policy's weights: no gradient of anything, and not ∇J.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void WithoutARatioStaleSamplesAreBiased(string name)
    {
        var process = FiniteProcess.All[name];
        var estimate = Of(process, 1, batch => PolicyGradient.Reinforce(batch.LogProbs, ToGo(batch)).Aggregate(batch.Mask, Aggregation.SequenceSum), process.Other);
        Assert.True(Square(Minus(estimate.Mean, process.GradientOfReturn())) > 1e-3);
        // E_old[w ∇log π] = Σ (π_old/π) w ∇π.
        var (now, old) = (process.Probabilities(process.Policy), process.Probabilities(process.Other));
        estimate.AssertMean(process.Differentiate((episode, t) =>
        {
            var (s, a) = (episode.States[t], episode.Actions[t]);
            return episode.Return(from: t) * old[s, a] / now[s, a];
        }, process.Other));
    }

    /// <summary>At ratio 1 the clip and its second bound are silent: the first epoch of PPO is REINFORCE, sample by sample.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheClippedSurrogateOnItsOwnSamplesIsReinforce(string name)
    {
        var process = FiniteProcess.All[name];
        var reinforce = Of(process, 1, batch => PolicyGradient.Reinforce(batch.LogProbs, ToGo(batch)).Aggregate(batch.Mask, Aggregation.SequenceSum));
        foreach (var dualClip in new[] { 0, 3 })
        {
            var clipped = Of(process, 1, batch =>
                PolicyGradient.PpoClip(batch.LogProbs, batch.LogProbs.detach(), ToGo(batch), 0.2, 0.28, dualClip).Aggregate(batch.Mask, Aggregation.SequenceSum));
            clipped.AssertMean(reinforce.Mean);
            Assert.Equal(reinforce.Variance, clipped.Variance, Tolerance);
        }
    }

    private static Estimator Weighted(FiniteProcess process, double[] older, bool perTrajectory, double cap = double.PositiveInfinity) => Of(process, 1, batch =>
        (PolicyGradient.ImportanceWeights(batch.LogProbs, batch.LogProbsOf(older), batch.Mask, perTrajectory, cap) * PolicyGradient.Reinforce(batch.LogProbs, ToGo(batch)))
            .Aggregate(batch.Mask, Aggregation.SequenceSum), older);

    private static TorchSharp.torch.Tensor ToGo(Batch batch) =>
        batch.PerToken(episode => [.. Enumerable.Range(0, episode.Length).Select(t => episode.Return(from: t))]);
}
