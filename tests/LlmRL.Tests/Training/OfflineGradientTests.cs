using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>The gradient that the offline loop leaves in the model's buffer is that of the loss taken sequence by sequence with plain autograd.</summary>
[Collection(TensorCollection.Name)]
public class OfflineGradientTests
{
    [Theory]
    [InlineData(8192, false)]
    [InlineData(24, false)]
    [InlineData(24, true)]
    public void SupervisedFineTuning(int microBatchTokens, bool inPart)
    {
        using var model = Tiny.Model();
        var batch = Rows(sequencesPerRow: 1);
        if (inPart)
            batch = [.. batch.Select(row => row with { Learned = [[.. Enumerable.Range(0, row.TargetCount).Select(t => t % 3 != 1)]] })];
        var stage = new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = microBatchTokens };
        var expectedLoss = 0.0;
        var expected = Tiny.Gradient(model, () =>
        {
            var total = zeros(1);
            foreach (var row in batch)
            {
                using var tokens = new TokenBatch(row.Sequences);
                var logits = model.Logits(NaiveLosses.Hidden(model, tokens));
                for (var t = row.PromptLength; t < row.Sequences[0].Length; t++)
                {
                    if (row.Learned?[0][t - row.PromptLength] != false)
                        total = total + logits[t - 1].logsumexp(0) - logits[t - 1, row.Sequences[0][t]];
                }
            }

            var loss = total.sum() / batch.Sum(row => row.TargetCount);
            expectedLoss = loss.item<float>();
            loss.backward();
        });
        BatchMetrics metrics = null!;
        Tiny.AssertClose(expected, Tiny.Gradient(model, () => metrics = OfflineLoop.Accumulate(stage, model, batch, train: true)), 1e-5);
        Assert.Equal(expectedLoss, metrics["loss"], 1e-5);
    }

    [Theory]
    [InlineData(8192, 0)]
    [InlineData(48, 0.1)]
    public void RewardModel(int microBatchTokens, double centering)
    {
        using var model = Tiny.Model(scalarHead: true);
        var batch = Rows(sequencesPerRow: 2);
        var stage = new RewardModel { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = microBatchTokens, CenterRewardsCoefficient = centering };
        var expectedLoss = 0.0;
        var expected = Tiny.Gradient(model, () =>
        {
            var total = zeros(1);
            foreach (var row in batch)
            {
                var scores = row.Sequences.Select(sequence =>
                {
                    using var tokens = new TokenBatch([sequence]);
                    return model.Scores(NaiveLosses.Hidden(model, tokens))[sequence.Length - 1];
                }).ToArray();
                var difference = scores[0] - scores[1] - (row.Example.Margin ?? 0);
                total = total + (1.0 + (-difference).exp()).log() + centering * (scores[0] + scores[1]).square();
            }

            var loss = total.sum() / batch.Count;
            expectedLoss = loss.item<float>();
            loss.backward();
        });
        BatchMetrics metrics = null!;
        Tiny.AssertClose(expected, Tiny.Gradient(model, () => metrics = OfflineLoop.Accumulate(stage, model, batch, train: true)), 1e-5);
        Assert.Equal(expectedLoss, metrics["loss"], 1e-5);
    }

    [Theory]
    [InlineData(DpoLossType.Sigmoid, 8192, 0)]
    [InlineData(DpoLossType.Ipo, 48, 0)]
    [InlineData(DpoLossType.Robust, 48, 0.7)]
    public void DirectPreferenceOptimisation(DpoLossType lossType, int microBatchTokens, double rpoAlpha)
    {
        using var model = Tiny.Model();
        using var reference = Tiny.Model(seed: 2);
        var batch = Rows(sequencesPerRow: 2);
        OfflineModels.AddReferenceLogProbs(reference, batch, microBatchTokens);
        var stage = Dpo(lossType) with { MicroBatchTokens = microBatchTokens, RpoAlpha = rpoAlpha };
        var expectedLoss = 0.0;
        var expected = Tiny.Gradient(model, () =>
        {
            var loss = NaiveLosses.Preference(stage, model, reference, batch);
            expectedLoss = loss.item<float>();
            loss.backward();
        });
        BatchMetrics metrics = null!;
        Tiny.AssertClose(expected, Tiny.Gradient(model, () => metrics = OfflineLoop.Accumulate(stage, model, batch, train: true)), 1e-5);
        Assert.Equal(expectedLoss, metrics["loss"], 1e-5);
    }

    /// <summary>Along a direction the loss changes as the gradient says.</summary>
    [Theory]
    [InlineData(DpoLossType.Sigmoid)]
    [InlineData(DpoLossType.SigmoidNorm)]
    [InlineData(DpoLossType.Ipo)]
    [InlineData(DpoLossType.Hinge)]
    [InlineData(DpoLossType.Robust)]
    public void DirectPreferenceByFiniteDifferences(DpoLossType lossType)
    {
        using var model = Tiny.Model();
        using var reference = Tiny.Model(seed: 2);
        var batch = Rows(sequencesPerRow: 2);
        OfflineModels.AddReferenceLogProbs(reference, batch, 8192);
        var stage = Dpo(lossType) with { RpoAlpha = 0.5 };
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var gradient = tensor(Tiny.Gradient(model, () =>
        {
            using (enable_grad())
                OfflineLoop.Accumulate(stage, model, batch, train: true);
        }));
        var norm = Math.Sqrt(gradient.square().sum().item<float>());
        double LossAt(double step)
        {
            model.Parameters.Values.add_(gradient, step);
            var loss = OfflineLoop.Accumulate(stage, model, batch, train: false)["loss"];
            model.Parameters.Values.add_(gradient, -step);
            return loss;
        }

        var h = 2e-3 / norm;
        Assert.Equal(norm, (LossAt(h) - LossAt(-h)) / (2 * h * norm), 5e-3 * norm);
    }

    /// <summary>Neither the order of the pairs, nor how they are cut, nor what pads them changes loss, gradient or metrics.</summary>
    [Fact]
    public void DirectPreferenceDoesNotDependOnTheCut()
    {
        using var model = Tiny.Model();
        using var reference = Tiny.Model(seed: 2);
        var stage = Dpo(DpoLossType.Sigmoid) with { RpoAlpha = 0.5 };
        var expected = Run(Rows(sequencesPerRow: 2), 8192);
        // 16 tokens: every pair by itself, without a longer one that it is padded to.
        foreach (var budget in new[] { 48, 16 })
        {
            var actual = Run([.. Rows(sequencesPerRow: 2).AsEnumerable().Reverse()], budget);
            Tiny.AssertClose(expected.Gradient, actual.Gradient, 1e-6);
            Assert.Equal(expected.Metrics.Keys, actual.Metrics.Keys);
            Assert.All(expected.Metrics, pair => Assert.Equal(pair.Value, actual.Metrics[pair.Key], 1e-6 * Math.Max(1, Math.Abs(pair.Value))));
        }

        (float[] Gradient, Dictionary<string, double> Metrics) Run(List<EncodedExample> batch, int budget)
        {
            OfflineModels.AddReferenceLogProbs(reference, batch, budget);
            BatchMetrics metrics = null!;
            var gradient = Tiny.Gradient(model, () => metrics = OfflineLoop.Accumulate(stage with { MicroBatchTokens = budget }, model, batch, train: true));
            return (gradient, metrics.Means().ToDictionary());
        }
    }

    [Fact]
    public void DescentOnDemonstrationsMakesThemMoreProbable()
    {
        using var model = Tiny.Model();
        var batch = Rows(sequencesPerRow: 1);
        var stage = new Sft { Name = "s", Steps = 1, Data = null! };
        var before = OfflineLoop.Accumulate(stage, model, batch, train: true)["loss"];
        using (no_grad())
            model.Parameters.Values.add_(model.Parameters.Gradients!, -0.05);
        Assert.True(OfflineLoop.Accumulate(stage, model, batch, train: false)["loss"] < before);
    }

    private static Dpo Dpo(DpoLossType lossType) =>
        new() { Name = "s", Steps = 1, Data = null!, LossType = lossType, Beta = 0.2, LabelSmoothing = lossType is DpoLossType.Robust or DpoLossType.Sigmoid ? 0.1 : 0 };

    /// <summary>Rows of ragged lengths; every second one has a margin.</summary>
    internal static List<EncodedExample> Rows(int sequencesPerRow)
    {
        var random = new RandomStream(CounterRandom.Key(9));
        var rows = new List<EncodedExample>();
        for (var i = 0; i < 6; i++)
        {
            var prompt = Tokens(2 + i % 3);
            int[][] sequences = [.. Enumerable.Range(0, sequencesPerRow).Select(j => (int[])[.. prompt, .. Tokens(1 + (5 * i + 3 * j) % 9)])];
            rows.Add(new EncodedExample(sequences, prompt.Length, new Example { Prompt = "", Margin = i % 2 == 0 ? 0.5 : null }));
        }

        return rows;

        int[] Tokens(int length) => [.. Enumerable.Range(0, length).Select(_ => (int)(random.NextDouble() * Tiny.Llama.VocabSize))];
    }
}
