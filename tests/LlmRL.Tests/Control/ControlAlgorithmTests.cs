using LlmRL.Algorithms;
using LlmRL.Control;
using LlmRL.Training;

namespace LlmRL.Tests.Control;

/// <summary>Advantages of small rollouts by hand.</summary>
public class ControlAlgorithmTests
{
    private const double Gamma = 0.5;

    [Fact]
    public void Reinforce_credits_the_whole_episode_or_what_follows()
    {
        // Returns: 1 + ½·2 + ¼·4 = 3 and 8.
        Assert.Equal([3, 3, 3, 8], Advantages(new ControlReinforce { Gamma = Gamma }));
        Assert.Equal([3, 4, 4, 8], Advantages(new ControlReinforce { Gamma = Gamma, RewardToGo = true }));
        Assert.Equal([-2.5, -2.5, -2.5, 2.5], Advantages(new ControlReinforce { Gamma = Gamma, Baseline = BaselineKind.BatchMean }));
    }

    [Fact]
    public void Leave_one_out_subtracts_what_the_other_episodes_got_from_the_same_step_on()
    {
        // An episode that has ended gets nothing more.
        Assert.Equal([3 - 8, 4, 4, 8 - 3], Advantages(new ControlReinforce { Gamma = Gamma, RewardToGo = true, Baseline = BaselineKind.LeaveOneOut }));
    }

    [Fact]
    public void A_moving_average_knows_earlier_batches_only()
    {
        var state = new Dictionary<string, double>();
        var algorithm = new ControlReinforce { Gamma = Gamma, Baseline = BaselineKind.MovingAverage, BaselineBeta = 0.9 };
        Assert.Equal([3, 3, 3, 8], Advantages(algorithm, state));
        // The mean return of the first batch is 5.5, without the pull towards 0.
        Assert.Equal([-2.5, -2.5, -2.5, 2.5], Advantages(algorithm, state).Select(value => Math.Round(value, 12)));
    }

    [Fact]
    public void A_learned_baseline_is_subtracted_step_by_step()
    {
        var rollout = Rollout();
        rollout.Segments[0].Values = [1, 2, 3];
        rollout.Segments[1].Values = [5];
        new ControlReinforce { Gamma = Gamma, RewardToGo = true, Baseline = BaselineKind.Value }.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
        Assert.Equal([2, 2, 1, 3], rollout.Segments.SelectMany(segment => segment.Advantages));
        Assert.Equal([3, 4, 4, 8], rollout.Segments.SelectMany(segment => segment.Returns));
    }

    /// <summary>With reward 1 a step for ever, V = 1/(1 − γ) is right everywhere: a segment that was cut off has no advantage anywhere, whatever λ.</summary>
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.7)]
    [InlineData(1.0)]
    public void What_was_cut_off_is_bootstrapped_and_what_ended_is_not(double lambda)
    {
        const double gamma = 0.9, value = 1 / (1 - gamma);
        var rollout = new ControlRollout([Constant(4, terminated: false), Constant(4, terminated: true)], []);
        new ControlActorCritic { Gamma = gamma, Lam = lambda }.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());

        Assert.All(rollout.Segments[0].Advantages, advantage => Assert.Equal(0, advantage, 1e-12));
        Assert.All(rollout.Segments[0].Returns, target => Assert.Equal(value, target, 1e-12));
        // The end came as a surprise: δ = 1 − V there, and (γλ)^k of it k steps before.
        for (var t = 0; t < 4; t++)
            Assert.Equal(Math.Pow(gamma * lambda, 3 - t) * (1 - value), rollout.Segments[1].Advantages[t], 1e-12);

        static Segment Constant(int length, bool terminated)
        {
            var segment = Steps([.. Enumerable.Repeat(1.0, length)]);
            (segment.Values, segment.Terminated, segment.FinalValue) = ([.. Enumerable.Repeat(value, length)], terminated, terminated ? 0 : value);
            return segment;
        }
    }

    [Fact]
    public void Whitened_advantages_have_mean_0_and_variance_1_over_all_steps()
    {
        var rollout = Rollout();
        new ControlReinforce { Gamma = Gamma, RewardToGo = true }.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
        rollout.WhitenAdvantages();
        var all = rollout.Segments.SelectMany(segment => segment.Advantages).ToArray();

        Assert.Equal(0, all.Average(), 1e-12);
        Assert.Equal(1, all.Sum(value => value * value) / (all.Length - 1), 1e-6);
        Assert.True(all[0] < all[1] && all[1] == all[2] && all[2] < all[3]);
    }

    [Fact]
    public void Explained_variance_is_1_for_right_values_and_0_for_a_constant()
    {
        var rollout = Rollout();
        foreach (var segment in rollout.Segments)
            segment.Returns = [.. segment.Rewards];
        void Predict(Func<double, double> value) => rollout.Segments.ToList().ForEach(segment => segment.Values = [.. segment.Rewards.Select(value)]);

        Predict(reward => reward + 7);
        Assert.Equal(1, rollout.ExplainedVariance(), 1e-12);
        Predict(_ => 3);
        Assert.Equal(0, rollout.ExplainedVariance(), 1e-12);
        Predict(reward => 0.5 * reward);
        Assert.Equal(0.75, rollout.ExplainedVariance(), 1e-12);
    }

    private static double[] Advantages(ControlAlgorithm algorithm, IDictionary<string, double>? state = null)
    {
        var rollout = Rollout();
        algorithm.ComputeAdvantages(rollout, state ?? new Dictionary<string, double>(), new BatchMetrics());
        return [.. rollout.Segments.SelectMany(segment => segment.Advantages)];
    }

    private static ControlRollout Rollout() => new([Steps(1, 2, 4), Steps(8)], []);

    private static Segment Steps(params double[] rewards)
    {
        var segment = new Segment();
        segment.Rewards.AddRange(rewards);
        segment.Actions.AddRange(rewards.Select(_ => 0));
        return segment;
    }
}
