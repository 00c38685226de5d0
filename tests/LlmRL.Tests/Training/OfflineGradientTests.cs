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
    [InlineData(8192)]
    [InlineData(24)]
    public void SupervisedFineTuning(int microBatchTokens)
    {
        using var model = Tiny.Model();
        var batch = Rows(sequencesPerRow: 1);
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
                    total = total + logits[t - 1].logsumexp(0) - logits[t - 1, row.Sequences[0][t]];
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
