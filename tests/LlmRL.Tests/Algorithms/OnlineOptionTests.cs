using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Rollouts;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>The options that all online stages share, by what they do to numbers.</summary>
[Collection(TensorCollection.Name)]
public class OnlineOptionTests
{
    private static readonly Grpo Grpo = Tiny.Grpo with { Steps = 11, Beta = 0.1 };
    private static readonly Reinforce Reinforce = Tiny.Reinforce with { Steps = 11, Beta = 0, Baseline = BaselineKind.None };

    [Fact]
    public void The_entropy_coefficient_runs_in_a_straight_line()
    {
        var stage = Grpo with { EntropyCoef = 0.5, EntropyCoefFinal = 0.1 };
        double At(int step) => stage.At(step, new Dictionary<string, double>()).EntropyCoef;
        Assert.Equal(0.5, At(0), 12);
        Assert.Equal(0.3, At(5), 12);
        Assert.Equal(0.1, At(10), 12);
    }

    [Fact]
    public void Beta_rises_above_its_target_and_is_kept_in_the_state()
    {
        var stage = Grpo with { AdaptiveKl = new AdaptiveKl { Target = 1, Horizon = 100 } };
        var state = new Dictionary<string, double>();
        // Two completions of KL 1.1 nats: the error is +0.1, and β grows by 0.1 · 2/100.
        stage.AdaptBeta(new Rollout([Trajectory(0, [-1f], [-2.1f]), Trajectory(0, [-1f], [-2.1f])], 2), state);
        Assert.Equal(0.1 * 1.002, stage.At(1, state).Beta, 7);
        Assert.Equal(0.1, Grpo.At(1, new Dictionary<string, double>()).Beta);
    }

    [Fact]
    public void Token_rewards_are_credited_to_what_comes_before_them()
    {
        // Score 3 of which 1 + 0.5 belong to tokens; the remaining 1.5 are paid at the last one.
        var trajectory = Trajectory(3, [-1f, -1f, -1f], []);
        trajectory.TokenRewards = [1, 0.5, 0];
        var rollout = new Rollout([trajectory], 1);
        Reinforce.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
        Assert.Equal([3f, 2f, 1.5f], trajectory.Advantages);
        (Reinforce with { RewardToGo = false }).ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
        Assert.Equal([3f, 3f, 3f], trajectory.Advantages);
    }

    [Theory]
    [InlineData(KlEstimator.K1, 0.3)]
    [InlineData(KlEstimator.K2, 0.045)]
    [InlineData(KlEstimator.K3, 0.0408182206817)]
    [InlineData(KlEstimator.Abs, 0.3)]
    public void The_kl_in_the_loss_is_the_chosen_estimator(KlEstimator estimator, double expected)
    {
        using var scope = NewDisposeScope();
        var trajectories = new[] { Trajectory(0, [-1f, -1f], [-1.3f, -1.3f]) };
        trajectories[0].Advantages = [0, 0];
        using var batch = Tiny.Batch(trajectories);
        batch.LogProbs = batch.OldLogProbs.clone().requires_grad_();
        foreach (var stage in new OnlineStage[] { Grpo with { KlEstimator = estimator }, Grpo with { KlEstimator = estimator, LossType = GrpoLossType.Bnpo } })
            Assert.Equal(0.1 * expected, stage.Loss(batch).item<float>(), 6);
        // REINFORCE sums over a completion.
        var reinforce = Reinforce with { Beta = 0.1, KlIn = KlPlacement.Loss, KlEstimator = estimator };
        Assert.Equal(0.2 * expected, reinforce.Loss(batch).item<float>(), 6);
        Assert.Equal(expected, batch.Metrics["kl"], 6);
    }

    [Fact]
    public void Grpo_charges_the_kl_in_the_reward_where_asked_to()
    {
        var stage = Grpo with { KlIn = KlPlacement.Reward, KlEstimator = KlEstimator.K1, ScaleRewards = RewardScale.None };
        var trajectories = new[] { Trajectory(1, [-1f], [-3f]), Trajectory(1, [-1f], [-1f]) };
        stage.ComputeAdvantages(new Rollout(trajectories, 2), new Dictionary<string, double>(), new BatchMetrics());
        // 0.1 · 2 nats for the first, nothing for the second: ∓0.1 around their mean.
        Assert.Equal(-0.1f, trajectories[0].Advantages[0], 6);
        Assert.Equal(0.1f, trajectories[1].Advantages[0], 6);
    }

    [Theory]
    [InlineData(ImportanceSampling.None, 1.0, 1.0)]
    [InlineData(ImportanceSampling.Token, 1.5, 0.5)]
    [InlineData(ImportanceSampling.Trajectory, 0.75, 0.75)]
    public void Importance_weights_scale_the_gradient(ImportanceSampling how, double first, double second)
    {
        using var scope = NewDisposeScope();
        var trajectories = new[] { Trajectory(1, [-1f, -1f], []) };
        trajectories[0].Advantages = [1, 1];
        using var batch = Tiny.Batch(trajectories);
        batch.LogProbs = (batch.OldLogProbs + tensor(new[] { MathF.Log(1.5f), MathF.Log(0.5f) }, [1, 2])).detach().requires_grad_();
        (Reinforce with { ImportanceSampling = how }).Loss(batch).backward();
        var gradient = batch.LogProbs.grad!.data<float>().ToArray();
        Assert.Equal(-first, gradient[0], 5);
        Assert.Equal(-second, gradient[1], 5);
        using var capped = Losses(batch, how);
        Assert.True(capped.max().item<float>() <= 1.2f + 1e-6);
    }

    [Fact]
    public void Rejection_sampling_imitates_the_best_and_skips_groups_without_a_best()
    {
        var stage = new RejectionSampling { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null!, NumGenerations = 3 };
        var trajectories = new[] { 0.1, 0.9, 0.5, 2, 2, 2 }.Select(score => Trajectory(score, [-1f, -2f], [])).ToArray();
        stage.ComputeAdvantages(new Rollout(trajectories, 3), new Dictionary<string, double>(), new BatchMetrics());
        Assert.Equal([false, true, false, false, false, false], trajectories.Select(trajectory => trajectory.Counts));

        using var scope = NewDisposeScope();
        using var batch = Tiny.Batch(trajectories);
        batch.LogProbs = batch.OldLogProbs.clone().requires_grad_();
        // The mean negative log-likelihood of the one completion that is kept.
        Assert.Equal(1.5, stage.Loss(batch).item<float>(), 6);
    }

    private static Tensor Losses(PolicyBatch batch, ImportanceSampling how) => LlmRL.Losses.PolicyGradient.ImportanceWeights(
        batch.LogProbs, batch.OldLogProbs, batch.Mask, how == ImportanceSampling.Trajectory, cap: 1.2);

    private static Trajectory Trajectory(double score, float[] logProbs, float[] reference)
    {
        var trajectory = Tiny.Trajectory([0], new int[logProbs.Length], logProbs);
        (trajectory.ReferenceLogProbs, trajectory.Score) = (reference, score);
        return trajectory;
    }
}
