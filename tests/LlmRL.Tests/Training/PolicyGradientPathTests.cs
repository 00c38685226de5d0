using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>The gradient that the online loop leaves in the models' buffers is the gradient of the loss as it is written in the papers.</summary>
[Collection(TensorCollection.Name)]
public class PolicyGradientPathTests
{
    private const double Tolerance = 1e-5;

    internal static readonly Dictionary<string, OnlineStage> Stages = new()
    {
        ["reinforce"] = Tiny.Reinforce with { EntropyCoef = 0.02 },
        ["reinforce with value network"] = Tiny.Reinforce with { Baseline = BaselineKind.Value },
        ["reinforce with tokens' weights"] = Tiny.Reinforce with { ImportanceSampling = ImportanceSampling.Token, ImportanceCap = 1.1 },
        ["reinforce with trajectories' weights"] = Tiny.Reinforce with { ImportanceSampling = ImportanceSampling.Trajectory },
        ["reinforce with k2"] = Tiny.Reinforce with { KlIn = KlPlacement.Loss, KlEstimator = KlEstimator.K2, Beta = 0.1 },
        ["rloo"] = Tiny.Rloo with { EpsilonHigh = 0.5, EntropyCoef = 0.02 },
        ["ppo"] = Tiny.Ppo with { EntropyCoef = 0.02, VfCoef = 0.3 },
        ["ppo with dual clip and k1"] = Tiny.Ppo with { DualClip = 1.1, KlIn = KlPlacement.Loss, Beta = 0.1 },
        ["rejection sampling"] = new RejectionSampling { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! },
        ["grpo"] = Grpo(GrpoLossType.Grpo) with { EntropyCoef = 0.02 },
        ["bnpo"] = Grpo(GrpoLossType.Bnpo),
        ["dapo"] = Grpo(GrpoLossType.Dapo) with { EpsilonHigh = 0.28 },
        ["grpo with two-sided clip and |d|"] = Grpo(GrpoLossType.Grpo) with { Delta = 1.3, KlEstimator = KlEstimator.Abs },
        ["cispo"] = Grpo(GrpoLossType.Cispo) with { EpsilonHigh = 1.1 },
        ["dr_grpo"] = Grpo(GrpoLossType.DrGrpo) with { MaxCompletionLength = 20 },
        ["gspo"] = Grpo(GrpoLossType.Grpo) with { ImportanceSamplingLevel = ImportanceSamplingLevel.Sequence },
    };

    public static TheoryData<string, double> Cases()
    {
        var cases = new TheoryData<string, double>();
        foreach (var name in Stages.Keys)
        {
            cases.Add(name, 1);
            cases.Add(name, 0.7);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void GradientIsThatOfThePlainFormula(string name, double temperature)
    {
        var stage = Stages[name] with { Temperature = temperature };
        using var policy = Tiny.Model();
        using var value = stage.ValueModel is null ? null : Tiny.Model(scalarHead: true, seed: 2);
        var trajectories = Tiny.Trajectories(policy, temperature);
        if (stage is Rloo)
            Array.ForEach(trajectories, trajectory => Array.Fill(trajectory.Advantages, trajectory.Advantages[0]));
        var naive = new Trained(policy, value, () => NaiveLosses.Minibatch(stage, policy, value, trajectories).backward());
        var loop = new Trained(policy, value, () => Loop(stage, policy, value, trajectories));
        naive.AssertEqual(loop);
        // 24 tokens at once: several micro-batches; 16: most trajectories alone.
        new Trained(policy, value, () => Loop(stage with { MicroBatchTokens = 24 }, policy, value, trajectories)).AssertEqual(naive);
        new Trained(policy, value, () => Loop(stage with { MicroBatchTokens = 16 }, policy, value, trajectories)).AssertEqual(naive);
    }

    /// <summary>A tied head adds its own gradient to the embedding's, whichever comes first.</summary>
    [Fact]
    public void GradientOfATiedHeadIsTheSumOfBothUses()
    {
        using var policy = Tiny.Model(Tiny.Llama with { TieWordEmbeddings = true });
        var trajectories = Tiny.Trajectories(policy, 1);
        new Trained(policy, null, () => NaiveLosses.Minibatch(Stages["grpo"], policy, null, trajectories).backward())
            .AssertEqual(new Trained(policy, null, () => Loop(Stages["grpo"], policy, null, trajectories)));
    }

    [Theory]
    [InlineData("reinforce")]
    [InlineData("rloo")]
    [InlineData("grpo")]
    [InlineData("ppo")]
    public void DescentMakesGoodCompletionsMoreProbableAndBadOnesLess(string name)
    {
        var stage = Stages[name] with { EntropyCoef = 0, Beta = 0 };
        using var policy = Tiny.Model();
        using var value = stage.ValueModel is null ? null : Tiny.Model(scalarHead: true, seed: 2);
        var trajectories = Tiny.Trajectories(policy, 1, count: 4, noise: 0);
        for (var i = 0; i < trajectories.Length; i++)
            Array.Fill(trajectories[i].Advantages, i % 2 == 0 ? 1f : -1f);
        double[] Sums() => [.. trajectories.Select(trajectory => (double)Tiny.LogProbs(policy, trajectory.Prompt, trajectory.Completion.Tokens, 1).Sum())];
        var before = Sums();
        Loop(stage, policy, value, trajectories);
        using (no_grad())
            policy.Parameters.Values.add_(policy.Parameters.Gradients!, -0.02);
        var after = Sums();
        for (var i = 0; i < trajectories.Length; i++)
            Assert.True(i % 2 == 0 ? after[i] > before[i] : after[i] < before[i], $"completion {i}: log π went from {before[i]} to {after[i]}");
    }

    [Fact]
    public void MaskedCompletionsHaveNoPartInLossOrGradient()
    {
        foreach (var stage in Stages.Values.Where(stage => stage is not Reinforce and not Rloo).Append(Stages["reinforce"]))
        {
            using var policy = Tiny.Model();
            using var value = stage.ValueModel is null ? null : Tiny.Model(scalarHead: true, seed: 2);
            var trajectories = Tiny.Trajectories(policy, 1);
            trajectories[4].Counts = false;
            var expected = new Trained(policy, value, () => Loop(stage, policy, value, trajectories));
            Array.Fill(trajectories[4].Advantages, 1e6f);
            Array.Fill(trajectories[4].Returns, -1e6f);
            expected.AssertEqual(new Trained(policy, value, () => Loop(stage, policy, value, trajectories)));
        }
    }

    /// <summary>A minibatch in which every completion is masked out has a gradient of 0, not of 0/0.</summary>
    [Fact]
    public void NothingToLearnFromIsNoFault()
    {
        foreach (var stage in Stages.Values)
        {
            using var policy = Tiny.Model();
            using var value = stage.ValueModel is null ? null : Tiny.Model(scalarHead: true, seed: 2);
            var trajectories = Tiny.Trajectories(policy, 1);
            Array.ForEach(trajectories, trajectory => trajectory.Counts = false);
            var metrics = new BatchMetrics();
            var gradient = Tiny.Gradient(policy, () => Loop(stage, policy, value, trajectories, metrics));
            Assert.All(gradient, element => Assert.Equal(0, element));
            Assert.All(metrics.Means(), pair => Assert.True(double.IsFinite(pair.Value), $"{pair.Key} is {pair.Value}"));
        }
    }

    private static Grpo Grpo(GrpoLossType type) => Tiny.Grpo with { LossType = type, Beta = 0.1 };

    /// <summary>The online loop's own pass over one minibatch.</summary>
    internal static void Loop(OnlineStage stage, Transformer policy, Transformer? value, Trajectory[] minibatch, BatchMetrics? metrics = null)
    {
        var share = new BatchShare(minibatch.Length, minibatch.Where(trajectory => trajectory.Counts).Sum(trajectory => (long)trajectory.Length));
        foreach (var micro in MicroBatches.Split(minibatch, trajectory => trajectory.Prompt.Length + trajectory.Length, stage.MicroBatchTokens))
            OnlineLoop.Accumulate(stage, policy, value, micro, share, metrics ?? new BatchMetrics(), firstEpoch: true);
    }

    /// <summary>The gradients of policy and value network after one pass.</summary>
    private sealed class Trained
    {
        private readonly float[] policy;
        private float[] value = [];

        public Trained(Transformer policy, Transformer? value, Action backward)
        {
            this.policy = Tiny.Gradient(policy, () =>
            {
                if (value is null)
                    backward();
                else
                    this.value = Tiny.Gradient(value, backward);
            });
        }

        public void AssertEqual(Trained other)
        {
            Tiny.AssertClose(policy, other.policy, Tolerance);
            if (value.Length > 0)
                Tiny.AssertClose(value, other.value, Tolerance);
        }
    }
}
