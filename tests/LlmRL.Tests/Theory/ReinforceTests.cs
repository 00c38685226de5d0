using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Tests.Training;
using TorchSharp;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>
/// REINFORCE with each of its baselines: the estimate, averaged over everything that can be sampled, is the gradient of the expected return; and where a
/// choice is known to bias it, the bias has its exact size.
/// </summary>
[Collection(TensorCollection.Name)]
public class ReinforceTests
{
    public ReinforceTests() => Native.Startup.Prepare();

    public static TheoryData<string> Processes => [.. FiniteProcess.All.Keys];

    /// <summary>What all others are compared with: the product rule in plain arithmetic, autograd through P(e), and the difference quotient of J agree.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheExactGradientIsTheDerivativeOfTheExpectedReturn(string name)
    {
        var process = FiniteProcess.All[name];
        Assert.Equal(1, process.Expect(_ => 1), 1e-14);
        var returns = process.Episodes.Select(episode => episode.Return()).ToArray();
        var exact = process.GradientOfReturn();
        AssertEqual(process.GradientOf(policy => (process.Probabilities(policy) * torch.tensor(returns)).sum()), exact);
        const double h = 1e-4;
        for (var p = 0; p < exact.Length; p++)
        {
            double At(double step) => process.Expect(episode => episode.Return(), [.. process.Policy.Select((x, i) => x + (i == p ? step : 0))]);
            Assert.Equal((At(h) - At(-h)) / (2 * h), exact[p], 1e-8);
        }
    }

    /// <summary>Williams 1992: each score weighs with the return of the whole episode; a constant baseline changes nothing.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void WholeTrajectoryReturnsAreUnbiased(string name)
    {
        var process = FiniteProcess.All[name];
        foreach (var gamma in new[] { 1, 0.7 })
        {
            foreach (var baseline in new[] { 0, 1.5, -4 })
            {
                Reinforce(process, episode => Repeated(RewardToGo.WholeTrajectory(episode.Rewards, gamma) - baseline, episode))
                    .AssertMean(process.GradientOfReturn(gamma));
            }
        }
    }

    /// <summary>Sutton et al. 2000: an action cannot change the rewards before it, so they may be left out; so may any function of the state it was taken in.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void RewardToGoIsUnbiasedWithEveryBaselineOfTheState(string name)
    {
        var process = FiniteProcess.All[name];
        Func<Episode, int, double>[] baselines = [(_, _) => 0, (_, _) => -3, (episode, t) => 2.5 * episode.States[t] - 1, (_, t) => t * t, (episode, t) => process.Value(episode, t)];
        foreach (var baseline in baselines)
            Reinforce(process, episode => [.. ToGo(episode, 1).Select((value, t) => value - baseline(episode, t))]).AssertMean(process.GradientOfReturn());
    }

    /// <summary>
    /// With γ &lt; 1 the gradient of E Σ γ^t r_t has a factor γ^t at decision t. Everyone leaves it out, so that late tokens learn as fast as early ones: the
    /// estimate is then Σ_t E[γ^−t ∂_t Σ γ^t' r_t'], ∂_t the derivative through decision t.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void DiscountedRewardToGoLeavesOutTheDiscountOfTheState(string name)
    {
        const double gamma = 0.7;
        var process = FiniteProcess.All[name];
        var usual = Reinforce(process, episode => ToGo(episode, gamma));
        Reinforce(process, episode => [.. ToGo(episode, gamma).Select((value, t) => Math.Pow(gamma, t) * value)]).AssertMean(process.GradientOfReturn(gamma));
        usual.AssertMean(process.Differentiate((episode, t) => episode.Return(gamma) / Math.Pow(gamma, t)));
        Assert.True(Square(Minus(usual.Mean, process.GradientOfReturn(gamma))) > 1e-3);
    }

    /// <summary>A baseline that looks at the action takes its own gradient away: the bias is −Σ_t E Σ_a ∇π(a|s_t)·b(s_t, a).</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void ABaselineOfTheActionIsBiasedByItsOwnGradient(string name)
    {
        var process = FiniteProcess.All[name];
        double Baseline(Episode episode, int t) => 0.5 * episode.Actions[t] + episode.States[t];
        var estimate = Reinforce(process, episode => [.. ToGo(episode, 1).Select((value, t) => value - Baseline(episode, t))]);
        AssertEqual(process.Differentiate(Baseline), Minus(process.GradientOfReturn(), estimate.Mean));
    }

    /// <summary>The mean return of the batch contains the sample's own return: the gradient shrinks by (N − 1)/N, its direction stays.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void BatchMeanShrinksTheGradientByOneNth(string name)
    {
        var process = FiniteProcess.All[name];
        foreach (var size in process.Episodes.Count < 10 ? new[] { 1, 2, 3, 4 } : [1, 2])
        {
            var estimate = Of(process, size, batch =>
            {
                var advantages = new double[size];
                Baseline.Subtract(batch.Scores, Baseline.BatchMean(batch.Scores), advantages);
                return PolicyGradient.Reinforce(batch.LogProbs, batch.PerSequence(advantages)).Aggregate(batch.Mask, Aggregation.SequenceSum);
            });
            if (size == 1)
                AssertZero(estimate.Mean);
            else
                estimate.AssertMean(Scaled((size - 1.0) / size, process.GradientOfReturn()));
        }
    }

    /// <summary>
    /// The moving average of earlier returns is as good as a constant. Updated before it is used it holds the present return: after the two returns G₁, G₂ it is
    /// (βG₁ + G₂)/(1 + β), which leaves the part β/(1 + β) of the gradient.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void MovingAverageIsUnbiasedAsLongAsItIsUsedBeforeItIsUpdated(string name)
    {
        const double beta = 0.6;
        var process = FiniteProcess.All[name];
        // Batches of two are "the episode before" and "this one", which alone has a loss.
        Estimator Second(Func<double, double, double> baseline) => Of(process, 2, batch =>
        {
            var (before, now) = (batch.Scores[0], batch.Scores[1]);
            return PolicyGradient.Reinforce(batch.LogProbs, batch.PerSequence([0, now - baseline(before, now)])).Aggregate(batch.Mask, Aggregation.SequenceSum, share: 1);
        });
        var start = MovingAverageBaseline.Start;
        Second((before, _) => start.Updated(before, beta).Baseline).AssertMean(process.GradientOfReturn());
        Second((before, now) => start.Updated(before, beta).Updated(now, beta).Baseline).AssertMean(Scaled(beta / (1 + beta), process.GradientOfReturn()));
    }

    /// <summary>
    /// GAE with λ = 1 does not care about the critic. With λ &lt; 1 a critic that is wrong by e(s) biases the estimate by (1 − λ) Σ_t Σ_{l ≥ 1} λ^(l−1) E[∂_t e(s_{t+l})];
    /// a perfect critic by nothing (Schulman et al. 2015, arXiv 1506.02438, section 3).
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void GaeIsBiasedByTheCriticsErrorAlone(string name)
    {
        var process = FiniteProcess.All[name];
        double Error(Episode episode, int t) => 0.8 * episode.States[t] - 0.3 * t * t;
        foreach (var lambda in new[] { 1, 0.9, 0.4, 0 })
        {
            Estimator With(Func<Episode, int, double> critic) => Reinforce(process, episode =>
            {
                var advantages = new double[episode.Length];
                Gae.Advantages(episode.Rewards, [.. Enumerable.Range(0, episode.Length).Select(t => critic(episode, t))], 1, lambda, advantages);
                return advantages;
            });
            With((episode, t) => process.Value(episode, t)).AssertMean(process.GradientOfReturn());
            var wrong = With((episode, t) => process.Value(episode, t) + Error(episode, t));
            if (lambda == 1)
                wrong.AssertMean(process.GradientOfReturn());
            else
                AssertEqual(process.Differentiate((episode, t) => Enumerable.Range(1, episode.Length - 1 - t).Sum(l => (1 - lambda) * Math.Pow(lambda, l - 1) * Error(episode, t + l))),
                    Minus(wrong.Mean, process.GradientOfReturn()));
        }
    }

    /// <summary>One episode, one number a token.</summary>
    private static Estimator Reinforce(FiniteProcess process, Func<Episode, double[]> advantages) =>
        Of(process, 1, batch => PolicyGradient.Reinforce(batch.LogProbs, batch.PerToken(advantages)).Aggregate(batch.Mask, Aggregation.SequenceSum));

    private static double[] Repeated(double value, Episode episode) => [.. episode.Rewards.Select(_ => value)];

    private static double[] ToGo(Episode episode, double gamma)
    {
        var returns = new double[episode.Length];
        RewardToGo.PerStep(episode.Rewards, gamma, returns);
        return returns;
    }
}
