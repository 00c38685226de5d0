using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Tests.Training;
using TorchSharp;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>
/// The KL to a reference over whole episodes. KL(π‖π_ref) = E_π Σ_t log(π/π_ref) has a gradient through what is chosen in a state and through which
/// states are reached; in the reward both are there, as a loss per token the second is missing.
/// </summary>
[Collection(TensorCollection.Name)]
public class KlTests
{
    private const double Beta = 0.3;

    public KlTests() => Native.Startup.Prepare();

    public static TheoryData<string> Processes => [.. FiniteProcess.All.Keys];

    /// <summary>Ziegler et al. 2019, arXiv 1909.08593: r_t − β·k1_t, the estimate a constant. Both forms of the return give the exact gradient of J − β·KL.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void K1InTheRewardDescendsTheKlOfWholeEpisodes(string name)
    {
        var process = FiniteProcess.All[name];
        var expected = Minus(process.GradientOfReturn(), Scaled(Beta, KlGradient(process)));
        foreach (var toGo in new[] { true, false })
        {
            Of(process, 1, batch => PolicyGradient.Reinforce(batch.LogProbs, batch.PerToken(episode =>
            {
                double[] rewards = [.. LogRatios(process, episode).Select((logs, t) => episode.Rewards[t] - Beta * KlReward.Estimate(KlEstimator.K1, logs.Policy, logs.Reference))];
                if (toGo)
                    RewardToGo.PerStep(rewards, 1, rewards);
                else
                    Array.Fill(rewards, RewardToGo.WholeTrajectory(rewards, 1));
                return rewards;
            })).Aggregate(batch.Mask, Aggregation.SequenceSum)).AssertMean(expected);
        }
    }

    /// <summary>The same through RLOO: the sequence's reward less β Σ_t k1_t, left one out.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void LeaveOneOutOverThePenalisedRewardDescendsTheKl(string name)
    {
        var process = FiniteProcess.All[name];
        Of(process, 2, batch =>
        {
            double[] rewards = [.. batch.Episodes.Select(episode => episode.Return() - Beta * LogRatios(process, episode).Sum(logs => KlReward.K1(logs.Policy, logs.Reference)))];
            LeaveOneOut.Advantages(rewards, 2, rewards);
            return PolicyGradient.Reinforce(batch.LogProbs, batch.PerSequence(rewards)).Aggregate(batch.Mask, Aggregation.SequenceSum);
        }).AssertMean(Minus(process.GradientOfReturn(), Scaled(Beta, KlGradient(process))));
    }

    /// <summary>
    /// As a loss per token, on samples of π: k1 has no gradient; k2 that of Σ_t E KL(π(·|s_t)‖π_ref(·|s_t)) with the states held fixed; k3 that of the
    /// other direction, Σ_t E KL(π_ref(·|s_t)‖π(·|s_t)), with the states held fixed.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void AsALossK1IsNothingK2TheKlAndK3TheOtherDirection(string name)
    {
        var process = FiniteProcess.All[name];
        AssertZero(LossOf(process, KlLoss.K1));
        AssertEqual(PerState(process, reverse: false), LossOf(process, KlLoss.K2));
        AssertEqual(PerState(process, reverse: true), LossOf(process, KlLoss.K3));
        Assert.True(Square(Minus(PerState(process, reverse: false), PerState(process, reverse: true))) > 1e-3);
    }

    /// <summary>What k2 per token leaves out of the gradient of the KL of whole episodes: Σ_t E[∂_t Σ_{t' > t} k1_t'], the KL of the states that an action leads to.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void ALossPerTokenMissesTheStatesToCome(string name)
    {
        var process = FiniteProcess.All[name];
        var missing = process.Differentiate((episode, t) => LogRatios(process, episode).Skip(t + 1).Sum(logs => logs.Policy - logs.Reference));
        AssertEqual(missing, Minus(KlGradient(process), LossOf(process, KlLoss.K2)));
        // With the log-ratios of an episode summed first, k2 is complete.
        AssertEqual(KlGradient(process), LossOf(process, KlLoss.K2, wholeEpisode: true));
    }

    /// <summary>
    /// log π_old − log π with samples of π_old is KL(π_old‖π), which is what an epoch's <c>approxkl</c> means. The first argument of an estimator is always
    /// the policy that sampled: the other way round neither k1 nor k3 is any KL.
    /// </summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void TheFirstArgumentOfAnEstimatorIsTheSamplingPolicy(int outcomes)
    {
        using var scope = torch.NewDisposeScope();
        var random = new RandomStream(CounterRandom.Key((ulong)outcomes));
        for (var trial = 0; trial < 20; trial++)
        {
            double[] Distribution() => Normalised([.. Enumerable.Range(0, outcomes).Select(_ => Math.Exp(random.NextNormal()))]);
            var (policy, old) = (Distribution(), Distribution());
            double Kl(double[] p, double[] q) => p.Zip(q, (x, y) => x * Math.Log(x / y)).Sum();
            double Expected(double[] sampling, Func<torch.Tensor, torch.Tensor, torch.Tensor> estimator, double[] first, double[] second) =>
                (torch.tensor(sampling) * estimator(torch.tensor(first).log(), torch.tensor(second).log())).sum().item<double>();
            foreach (var (sampling, other) in new[] { (policy, old), (old, policy) })
            {
                Assert.Equal(Kl(sampling, other), Expected(sampling, KlLoss.K1, sampling, other), 1e-12);
                Assert.Equal(Kl(sampling, other), Expected(sampling, KlLoss.K3, sampling, other), 1e-12);
                Assert.Equal(sampling.Zip(other, (p, q) => 0.5 * p * Math.Pow(Math.Log(p / q), 2)).Sum(), Expected(sampling, KlLoss.K2, sampling, other), 1e-12);
                Assert.All(KlLoss.K3(torch.tensor(sampling).log(), torch.tensor(other).log()).data<double>().ToArray(), k3 => Assert.True(k3 >= 0));
                Assert.Equal(-Kl(sampling, other), Expected(sampling, KlLoss.K1, other, sampling), 1e-12);
                // E_p[p/q] − 1 − KL(p‖q): χ²(p‖q) less the KL.
                var chiSquare = sampling.Zip(other, (p, q) => p * p / q).Sum() - 1;
                Assert.Equal(chiSquare - Kl(sampling, other), Expected(sampling, KlLoss.K3, other, sampling), 1e-10 * (1 + chiSquare));
                // The scalars of the reward are the same estimators.
                foreach (var (estimator, loss) in new (KlEstimator, Func<torch.Tensor, torch.Tensor, torch.Tensor>)[]
                {
                    (KlEstimator.K1, KlLoss.K1), (KlEstimator.K2, KlLoss.K2), (KlEstimator.K3, KlLoss.K3), (KlEstimator.Abs, KlLoss.Abs),
                })
                {
                    Assert.Equal(Expected(sampling, loss, sampling, other),
                        sampling.Zip(other, (p, q) => p * KlReward.Estimate(estimator, Math.Log(p), Math.Log(q))).Sum(), 1e-12);
                }
            }
        }
    }

    /// <summary>Samples of an older policy, weighted by ρ = π/π_old, are samples of π: ρ·k is KL(π‖π_ref) for k1 and k3, in value.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void WeightedSamplesOfAnOlderPolicyMeasureTheKlOfThisOne(string name)
    {
        using var scope = torch.NewDisposeScope();
        var process = FiniteProcess.All[name];
        double[] reference = [.. process.Policy.Select((x, i) => 0.3 * x + 0.5 * (i % 2))];
        var kl = process.Expect(episode => Math.Log(process.Probability(episode, process.Policy) / process.Probability(episode, reference)));
        foreach (var estimator in new[] { KlLoss.K1, (Func<torch.Tensor, torch.Tensor, torch.Tensor>)KlLoss.K3 })
        {
            var value = process.Expect(episode =>
            {
                var batch = new Batch(process, [episode], torch.tensor(process.Policy));
                var policy = batch.Mask.SumPerSequence(batch.LogProbs);
                torch.Tensor Of(double[] logits) => batch.Mask.SumPerSequence(batch.LogProbsOf(logits));
                return ((policy - Of(process.Other)).exp() * estimator(policy, Of(reference))).item<double>();
            }, process.Other);
            Assert.Equal(kl, value, Tolerance);
        }
    }

    /// <summary>∇ KL(P_π‖P_ref) over whole episodes, by autograd through Σ P log(P/P_ref).</summary>
    private static double[] KlGradient(FiniteProcess process) => process.GradientOf(policy =>
    {
        var p = process.Probabilities(policy);
        return (p * (p / process.Probabilities(torch.tensor(process.Other))).log()).sum();
    });

    /// <summary>Σ_s d(s)·∇KL at s, d(s) the expected visits of s; one direction or the other.</summary>
    private static double[] PerState(FiniteProcess process, bool reverse)
    {
        var visits = Enumerable.Range(0, process.States).Select(s => process.Expect(episode => episode.States.Count(state => state == s))).ToArray();
        return process.GradientOf(policy =>
        {
            var (p, q) = (policy.view(process.States, process.Actions).softmax(-1), torch.tensor(process.Other).view(process.States, process.Actions).softmax(-1));
            var kl = reverse ? q * (q / p).log() : p * (p / q).log();
            return (torch.tensor(visits) * kl.sum(1L)).sum();
        });
    }

    /// <summary>The gradient that descent on a KL loss follows, over samples of π.</summary>
    private static double[] LossOf(FiniteProcess process, Func<torch.Tensor, torch.Tensor, torch.Tensor> estimator, bool wholeEpisode = false)
    {
        var estimate = Of(process, 1, batch =>
        {
            var reference = batch.LogProbsOf(process.Other);
            return wholeEpisode
                ? estimator(batch.Mask.SumPerSequence(batch.LogProbs), batch.Mask.SumPerSequence(reference)).mean()
                : estimator(batch.LogProbs, reference).Aggregate(batch.Mask, Aggregation.SequenceSum);
        });
        return Scaled(-1, estimate.Mean);
    }

    private static (double Policy, double Reference)[] LogRatios(FiniteProcess process, Episode episode)
    {
        var (policy, reference) = (process.Probabilities(process.Policy), process.Probabilities(process.Other));
        return [.. episode.States.Zip(episode.Actions, (s, a) => (Math.Log(policy[s, a]), Math.Log(reference[s, a])))];
    }

    private static double[] Normalised(double[] weights) => Scaled(1 / weights.Sum(), weights);
}
