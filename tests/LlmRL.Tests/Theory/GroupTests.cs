using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Tests.Training;
using TorchSharp;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>
/// Several completions of one prompt, each other's baseline: RLOO is unbiased over all k-tuples; GRPO's two divisions, by the standard deviation and by the
/// length, change what is maximised, and by how much is written down here.
/// </summary>
[Collection(TensorCollection.Name)]
public class GroupTests
{
    public GroupTests() => Native.Startup.Prepare();

    public static TheoryData<string, int> Groups => new()
    {
        { "language model", 2 }, { "language model", 3 }, { "language model", 4 }, { "decision process", 2 },
    };

    /// <summary>Ahmadian et al. 2024, arXiv 2402.14740: the mean of the others is independent of the sample. Also as the program computes it: as a ratio that is 1.</summary>
    [Theory]
    [MemberData(nameof(Groups))]
    public void LeaveOneOutIsUnbiased(string name, int k)
    {
        var process = FiniteProcess.All[name];
        LeaveOneOutOf(process, k).AssertMean(process.GradientOfReturn());
        Of(process, k, batch =>
        {
            var sums = batch.Mask.SumPerSequence(batch.LogProbs);
            return PolicyGradient.PpoClip(sums, sums.detach(), torch.tensor(LeaveOneOutAdvantages(batch, k)), 0.2, 0.2).mean();
        }).AssertMean(process.GradientOfReturn());
    }

    /// <summary>The same with rewards at single tokens: at each step the baseline is what the others still earned from there on.</summary>
    [Theory]
    [MemberData(nameof(Groups))]
    public void LeaveOneOutAtEachStepIsUnbiased(string name, int k)
    {
        var process = FiniteProcess.All[name];
        Of(process, k, batch =>
        {
            var advantages = batch.Episodes.Select(episode =>
            {
                var returns = episode.Rewards.ToArray();
                RewardToGo.PerStep(returns, 1, returns);
                return returns;
            }).ToArray();
            LeaveOneOut.PerStep(advantages, k);
            var next = 0;
            return PolicyGradient.Reinforce(batch.LogProbs, batch.PerToken(_ => advantages[next++])).Aggregate(batch.Mask, Aggregation.SequenceSum);
        }).AssertMean(process.GradientOfReturn());
    }

    /// <summary>
    /// REBEL's regression (Gao et al. 2024, arXiv 2404.16767) starts as RLOO: at π = π_t a pair's loss has the slope −2/η·(r − r')·(s − s'), four times RLOO's
    /// over η, sample by sample.
    /// </summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void TheFirstStepOfRebelIsThatOfLeaveOneOut(int size)
    {
        const double eta = 0.7;
        var process = FiniteProcess.All["language model"];
        var rebel = Of(process, size, batch =>
        {
            var logRatios = batch.Mask.SumPerSequence(batch.LogProbs - batch.LogProbs.detach()).unsqueeze(0);
            return RebelLoss.PerPrompt(logRatios, torch.tensor(batch.Scores).unsqueeze(0), eta).sum();
        });
        rebel.AssertMean(Scaled(4 / eta, process.GradientOfReturn()));
        Assert.Equal(16 / eta / eta * LeaveOneOutOf(process, size).Variance, rebel.Variance, 1e-9);
    }

    /// <summary>The group's mean contains the sample: (G − 1)/G of the gradient (Dr. GRPO's advantage; RLOO's times (G − 1)/G).</summary>
    [Theory]
    [MemberData(nameof(Groups))]
    public void TheGroupMeanShrinksTheGradient(string name, int size)
    {
        var process = FiniteProcess.All[name];
        Grouped(process, size, RewardScale.None, Aggregation.SequenceSum).AssertMean(Scaled((size - 1.0) / size, process.GradientOfReturn()));
        // Divided by a constant instead of the length, nothing else changes.
        Of(process, size, batch => Loss(batch, size, RewardScale.None).Aggregate(batch.Mask, Aggregation.FixedLength, fixedLength: 5))
            .AssertMean(Scaled((size - 1.0) / size / 5, process.GradientOfReturn()));
    }

    /// <summary>
    /// Rewards 0 and 1, p = P(1). With K ones among G the centred group has the variance v = K/G·(1 − K/G), and each one (zero) brings ∇p/p (−∇p/(1 − p)):
    /// E ĝ = ∇p · E[v/(σ + ε)] / (p(1 − p)), K binomial, σ² = v·G/(G − 1). The direction is right and the size depends on p: Dr. GRPO's bias towards prompts that
    /// are nearly always or nearly never solved (arXiv 2503.20783, section 3).
    /// </summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void DividingByTheStandardDeviationReweighsPrompts(int size)
    {
        const double epsilon = 1e-4;
        var factors = new List<double>();
        // One prompt is solved by one of four sequences, the other by three.
        foreach (var process in new[] { FiniteProcess.LanguageModel(0, 0, 1, 0), FiniteProcess.LanguageModel(1, 0, 1, 1) })
        {
            var p = process.Expect(episode => episode.Return());
            var expected = Enumerable.Range(0, size + 1).Sum(ones =>
            {
                var variance = ones / (double)size * (1 - ones / (double)size);
                return Binomial(size, ones) * Math.Pow(p, ones) * Math.Pow(1 - p, size - ones) * variance / (Math.Sqrt(variance * size / (size - 1)) + epsilon);
            });
            factors.Add(expected / (p * (1 - p)));
            Grouped(process, size, RewardScale.Group, Aggregation.SequenceSum).AssertMean(Scaled(factors[^1], process.GradientOfReturn()));
        }

        // A mixed group of two or three has the same deviation whatever K: only from four samples on do prompts weigh differently.
        Assert.Equal(size > 3, Math.Abs(factors[0] / factors[1] - 1) > 1e-3);
    }

    /// <summary>Of two samples only the sign of the difference is left, whatever the rewards: A = ±1/√2 (ε aside), and the gradient is that of P(r > r')/√2.</summary>
    [Fact]
    public void OfTwoSamplesTheStandardDeviationLeavesTheSign()
    {
        const double epsilon = 1e-4;
        var process = FiniteProcess.All["language model"];
        double Advantage(double difference) => difference / 2 / (Math.Abs(difference) / Math.Sqrt(2) + epsilon);
        double Against(double reward) => process.Expect(other => Advantage(reward - other.Return()));
        Grouped(process, 2, RewardScale.Group, Aggregation.SequenceSum).AssertMean(process.Differentiate((episode, _) => Against(episode.Return())));
        foreach (var reward in process.Episodes.Select(episode => episode.Return()))
            Assert.Equal(process.Expect(other => Math.Sign(reward - other.Return())) / Math.Sqrt(2), Against(reward), 1e-3);
    }

    /// <summary>
    /// A mean over each sequence's tokens divides its score by its length: what rises is E[(r − J)/|y|] (J held fixed), (G − 1)/G of it: long bad answers
    /// cost less than short ones.
    /// </summary>
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void DividingByTheLengthMaximisesRewardPerToken(int size)
    {
        var process = FiniteProcess.All["language model"];
        var mean = process.Expect(episode => episode.Return());
        var estimate = Grouped(process, size, RewardScale.None, Aggregation.SequenceMean);
        var biased = process.Differentiate((episode, _) => (episode.Return() - mean) / episode.Length);
        estimate.AssertMean(Scaled((size - 1.0) / size, biased));
        // No multiple of the gradient: the direction itself is another one.
        var exact = process.GradientOfReturn();
        var cosine = exact.Zip(biased, (x, y) => x * y).Sum() / Math.Sqrt(Square(exact) * Square(biased));
        Assert.InRange(cosine, 0, 0.99);
    }

    /// <summary>A mean over all tokens of the batch divides by the others' lengths, too: each sequence weighs with the mean of N/Σ|y| given its own length.</summary>
    [Fact]
    public void DividingByTheTokensOfTheBatchStillFavoursShortSequences()
    {
        const double baseline = 0.4;
        var process = FiniteProcess.All["language model"];
        var estimate = Of(process, 2, batch => PolicyGradient.Reinforce(batch.LogProbs, batch.PerSequence([.. batch.Scores.Select(score => score - baseline)]))
            .Aggregate(batch.Mask, Aggregation.TokenMean));
        estimate.AssertMean(process.Differentiate((episode, _) => (episode.Return() - baseline) * process.Expect(other => 2.0 / (episode.Length + other.Length))));
    }

    /// <summary>GSPO's ratio of a whole sequence, on samples of π itself: its gradient is GRPO's (arXiv 2507.18071, section 4.2).</summary>
    [Fact]
    public void TheSequenceRatioAtOneHasTheGradientOfTheTokenRatio()
    {
        var process = FiniteProcess.All["language model"];
        var sequence = Of(process, 2, batch =>
        {
            var old = batch.LogProbs.detach();
            var ratio = PolicyGradient.SequenceLogRatio(batch.LogProbs, old, batch.Mask);
            return PolicyGradient.PpoClip(old + ratio, old, Advantages(batch, 2, RewardScale.Group), 3e-4, 4e-4).Aggregate(batch.Mask, Aggregation.SequenceMean);
        });
        sequence.AssertMean(Grouped(process, 2, RewardScale.Group, Aggregation.SequenceMean).Mean);
    }

    /// <summary>
    /// RLOO is a U-statistic: the mean over pairs of h(i, j) = ½(r_i − r_j)(s_i − s_j), s the score ∇log P. Its variance over k samples is
    /// (2(k − 2)ζ₁ + ζ₂)/(k(k − 1)/2), ζ₁ that of E[h|one sample], ζ₂ that of h (Hoeffding 1948): it falls with k, and faster than 1/k.
    /// </summary>
    [Fact]
    public void TheVarianceOfLeaveOneOutIsHoeffdings()
    {
        var process = FiniteProcess.All["language model"];
        var scores = process.Episodes.Select(process.Score).ToArray();
        double[] Kernel(int i, int j) => Scaled(0.5 * (process.Episodes[i].Return() - process.Episodes[j].Return()), Minus(scores[i], scores[j]));
        var p = process.Episodes.Select(episode => process.Probability(episode, process.Policy)).ToArray();
        var all = Enumerable.Range(0, p.Length).ToArray();
        double[] Given(int i) => all.Aggregate(new double[process.Policy.Length], (sum, j) => [.. sum.Zip(Kernel(i, j), (x, y) => x + p[j] * y)]);
        var mean = Square(process.GradientOfReturn());
        var one = all.Sum(i => p[i] * Square(Given(i))) - mean;
        var two = all.Sum(i => all.Sum(j => p[i] * p[j] * Square(Kernel(i, j)))) - mean;
        var variances = new[] { 2, 3, 4 }.Select(k => LeaveOneOutOf(process, k).Variance).ToArray();
        foreach (var (variance, k) in variances.Zip([2, 3, 4]))
            Assert.Equal((2 * (k - 2) * one + two) / (k * (k - 1) / 2.0), variance, Tolerance);
        Assert.True(variances[2] < variances[1] && variances[1] < variances[0]);
        Assert.True(variances[2] < variances[0] / 2, "four together are better than two pairs");
    }

    private static Estimator LeaveOneOutOf(FiniteProcess process, int k) => Of(process, k, batch =>
        PolicyGradient.Reinforce(batch.LogProbs, batch.PerSequence(LeaveOneOutAdvantages(batch, k))).Aggregate(batch.Mask, Aggregation.SequenceSum));

    private static double[] LeaveOneOutAdvantages(Batch batch, int k)
    {
        var advantages = new double[k];
        LeaveOneOut.Advantages(batch.Scores, k, advantages);
        return advantages;
    }

    private static Estimator Grouped(FiniteProcess process, int size, RewardScale scale, Aggregation how) =>
        Of(process, size, batch => Loss(batch, size, scale).Aggregate(batch.Mask, how));

    private static torch.Tensor Loss(Batch batch, int size, RewardScale scale) =>
        PolicyGradient.PpoClip(batch.LogProbs, batch.LogProbs.detach(), Advantages(batch, size, scale), 0.2, 0.28);

    private static torch.Tensor Advantages(Batch batch, int size, RewardScale scale)
    {
        var advantages = new double[size];
        GroupRelative.Advantages(batch.Scores, size, scale, advantages);
        return batch.PerSequence(advantages);
    }

    private static double Binomial(int n, int k) => Enumerable.Range(1, k).Aggregate(1.0, (product, i) => product * (n - k + i) / i);
}
