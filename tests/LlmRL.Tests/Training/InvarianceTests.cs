using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>Loss, gradient and every metric of a minibatch depend neither on the order of its rows, nor on how it is cut, nor on what pads it.</summary>
[Collection(TensorCollection.Name)]
public class InvarianceTests
{
    private const double Tolerance = 1e-6;

    public static TheoryData<string> Names() => [.. PolicyGradientPathTests.Stages.Keys];

    public static TheoryData<string> NamesWithAdvantages() => [.. PolicyGradientPathTests.Stages.Where(pair => pair.Value is not RejectionSampling).Select(pair => pair.Key)];

    [Theory]
    [MemberData(nameof(Names))]
    public void OrderAndCutDoNotMatter(string name)
    {
        var stage = PolicyGradientPathTests.Stages[name];
        using var models = new Models(stage);
        var trajectories = Tiny.Trajectories(models.Policy, 1, count: 7);
        var expected = models.Run(stage, trajectories, trajectories.Length);
        Assert.NotEmpty(expected.Metrics);
        models.Run(stage, [.. trajectories.Reverse()], trajectories.Length).AssertEqual(expected);
        models.Run(stage, [.. trajectories.OrderBy(trajectory => trajectory.Advantages[0])], 3).AssertEqual(expected);
        models.Run(stage, trajectories, 1).AssertEqual(expected);
    }

    /// <summary>A long row that does not count widens the batch: all others get more padding.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void PaddingDoesNotMatter(string name)
    {
        var stage = PolicyGradientPathTests.Stages[name];
        using var models = new Models(stage);
        var trajectories = Tiny.Trajectories(models.Policy, 1, count: 7).OrderBy(trajectory => trajectory.Length).ToArray();
        trajectories[^1].Counts = false;
        // RLOO's sequence loss of an empty row is the constant −A (as in TRL): no gradient, but a part of the logged loss.
        Array.Fill(trajectories[^1].Advantages, 0);
        var wide = models.Run(stage, trajectories, trajectories.Length);
        models.Run(stage, trajectories, 1).AssertEqual(wide);
    }

    /// <summary>REBEL compares the completions of a prompt, so whole groups are what can be reordered and cut.</summary>
    [Fact]
    public void OrderAndCutOfRebelsGroupsDoNotMatter()
    {
        var stage = new Rebel { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null!, NumGenerations = 2, Eta = 0.5 };
        using var models = new Models(stage);
        var trajectories = Tiny.Trajectories(models.Policy, 1, count: 8);
        var expected = models.Run(stage, trajectories, 8);
        models.Run(stage, trajectories, 2).AssertEqual(expected);
        models.Run(stage, [.. trajectories.Chunk(2).Reverse().SelectMany(group => group)], 4).AssertEqual(expected);
        // Within a group the order is free, too.
        models.Run(stage, [.. trajectories.Chunk(2).SelectMany(group => group.Reverse())], 8).AssertEqual(expected);
    }

    /// <summary>Supervised and preference batches have no padding at all; order and cut are left.</summary>
    [Fact]
    public void OrderAndCutOfAnOfflineBatchDoNotMatter()
    {
        foreach (var (stage, sequences) in new (OfflineStage, int)[]
        {
            (new Sft { Name = "s", Steps = 1, Data = null! }, 1),
            (new RewardModel { Name = "s", Steps = 1, Data = null!, CenterRewardsCoefficient = 0.1 }, 2),
        })
        {
            using var model = Tiny.Model(scalarHead: stage is RewardModel);
            var batch = OfflineGradientTests.Rows(sequences);
            Result Run(IReadOnlyList<EncodedExample> rows, int microBatchTokens)
            {
                BatchMetrics metrics = null!;
                var gradient = Tiny.Gradient(model, () => metrics = OfflineLoop.Accumulate(stage with { MicroBatchTokens = microBatchTokens }, model, rows, train: true));
                return new Result(gradient, [], metrics.Means().ToDictionary());
            }

            var expected = Run(batch, 8192);
            Assert.NotEmpty(expected.Metrics);
            Run([.. Enumerable.Reverse(batch)], 8192).AssertEqual(expected);
            Run(batch, 24).AssertEqual(expected);
            Run([.. Enumerable.Reverse(batch)], 1).AssertEqual(expected);
        }
    }

    /// <summary>
    /// One surrogate, one backward pass: the gradient of a minibatch is the sum of those of its tokens, each the only one with an advantage. A sequence's
    /// ratio belongs to all its tokens, so RLOO's and GSPO's parts are whole sequences.
    /// </summary>
    [Theory]
    [MemberData(nameof(NamesWithAdvantages))]
    public void OneBackwardPassIsTheSumOfThoseOfTheTokens(string name)
    {
        var stage = PolicyGradientPathTests.Stages[name] with { EntropyCoef = 0, Beta = 0 };
        using var models = new Models(stage);
        var trajectories = Tiny.Trajectories(models.Policy, 1, count: 5);
        var perSequence = stage is Rloo or Grpo { ImportanceSamplingLevel: ImportanceSamplingLevel.Sequence };
        var expected = models.Run(stage, trajectories, trajectories.Length).Gradient;
        var advantages = trajectories.Select(trajectory => trajectory.Advantages).ToArray();
        var sum = new double[expected.Length];
        for (var b = 0; b < trajectories.Length; b++)
        {
            for (var t = 0; t < (perSequence ? 1 : trajectories[b].Length); t++)
            {
                foreach (var (trajectory, i) in trajectories.Select((trajectory, i) => (trajectory, i)))
                    trajectory.Advantages = [.. advantages[i].Select((advantage, u) => i == b && (perSequence || u == t) ? advantage : 0)];
                var part = models.Run(stage, trajectories, trajectories.Length).Gradient;
                for (var i = 0; i < sum.Length; i++)
                    sum[i] += part[i];
            }
        }

        Tiny.AssertClose(Array.ConvertAll(sum, x => (float)x), expected, Tolerance);
    }

    private sealed class Models(OnlineStage stage) : IDisposable
    {
        private readonly Transformer? value = stage.ValueModel is null ? null : Tiny.Model(scalarHead: true, seed: 2);

        public Transformer Policy { get; } = Tiny.Model();

        /// <summary>One pass in micro-batches of so many rows.</summary>
        public Result Run(OnlineStage stage, Trajectory[] minibatch, int rows)
        {
            var metrics = new BatchMetrics();
            var share = new BatchShare(minibatch.Length, minibatch.Where(trajectory => trajectory.Counts).Sum(trajectory => (long)trajectory.Length));
            var valueGradient = Array.Empty<float>();
            void Pass()
            {
                foreach (var micro in minibatch.Chunk(rows))
                    OnlineLoop.Accumulate(stage, Policy, value, micro, share, metrics, firstEpoch: true);
            }

            var gradient = Tiny.Gradient(Policy, value is null ? Pass : () => valueGradient = Tiny.Gradient(value, Pass));
            return new Result(gradient, valueGradient, metrics.Means().ToDictionary());
        }

        public void Dispose()
        {
            Policy.Dispose();
            value?.Dispose();
        }
    }

    private sealed record Result(float[] Gradient, float[] ValueGradient, Dictionary<string, double> Metrics)
    {
        public void AssertEqual(Result expected)
        {
            Tiny.AssertClose(expected.Gradient, Gradient, Tolerance);
            if (ValueGradient.Length > 0)
                Tiny.AssertClose(expected.ValueGradient, ValueGradient, Tolerance);
            Assert.Equal(expected.Metrics.Keys.Order(), Metrics.Keys.Order());
            foreach (var (name, value) in expected.Metrics)
                Assert.True(Math.Abs(value - Metrics[name]) <= Tolerance * Math.Max(1, Math.Abs(value)), $"{name}: {value} became {Metrics[name]}");
        }
    }
}
