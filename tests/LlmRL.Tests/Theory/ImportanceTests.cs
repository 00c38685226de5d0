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

    private static TorchSharp.torch.Tensor ToGo(Batch batch) =>
        batch.PerToken(episode => [.. Enumerable.Range(0, episode.Length).Select(t => episode.Return(from: t))]);
}
