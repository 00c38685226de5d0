using LlmRL.Control;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Control;

[Collection(TensorCollection.Name)]
public sealed class EnvironmentPoolTests : IDisposable
{
    private readonly Mlp policy = new(4, [8], 2);

    static EnvironmentPoolTests() => _ = Tiny.Llama;

    public EnvironmentPoolTests() => policy.Initialize(5, 1);

    public void Dispose() => policy.Dispose();

    [Fact]
    public void Segments_hold_every_step_and_end_where_episodes_end()
    {
        var pool = new EnvironmentPool(EnvironmentKind.CartPole, 3, 1);
        var rollout = pool.Collect(policy, 2, 100);

        Assert.Equal(300, rollout.StepCount);
        Assert.Equal(rollout.Finished.Count, rollout.Segments.Count(segment => segment.Terminated));
        Assert.InRange(rollout.Segments.Count(segment => !segment.Terminated), 1, 3);
        foreach (var segment in rollout.Segments)
        {
            var environment = new CartPole();
            // Observations are the state rounded to float32: a step from one leads to the next up to that rounding.
            for (var t = 0; t < segment.Length; t++)
            {
                var next = t + 1 < segment.Length ? segment.Observations.GetRange(4 * (t + 1), 4).ToArray() : segment.FinalObservation;
                segment.Observations.GetRange(4 * t, 4).Select(x => (double)x).ToArray().CopyTo(environment.State);
                var result = environment.Step(segment.Actions[t]);
                Assert.Equal(t == segment.Length - 1 && segment.Terminated, result.Terminated);
                Assert.All(next.Zip(environment.State.ToArray()), pair => Assert.Equal(pair.Second, pair.First, 1e-6));
            }
        }
    }

    [Fact]
    public void Actions_follow_the_policys_distribution_and_carry_its_log_probability()
    {
        using var biased = new Mlp(4, [], 2);
        // Logits (ln 3, 0) whatever is seen: probabilities ¾ and ¼.
        using (TorchSharp.torch.no_grad())
            biased.Parameters["0.bias"][0] = TorchSharp.torch.tensor((float)Math.Log(3));
        var rollout = new EnvironmentPool(EnvironmentKind.CartPole, 8, 3).Collect(biased, 4, 500);
        var actions = rollout.Segments.SelectMany(segment => segment.Actions).ToArray();
        var logProbs = rollout.Segments.SelectMany(segment => segment.LogProbs).ToArray();

        // Four standard errors of 4,000 draws.
        Assert.InRange(actions.Average(), 0.25 - 0.028, 0.25 + 0.028);
        Assert.All(actions.Zip(logProbs), pair => Assert.Equal(Math.Log(pair.First == 0 ? 0.75 : 0.25), pair.Second, 1e-6));
        Assert.All(new EnvironmentPool(EnvironmentKind.CartPole, 2, 3).Collect(biased, 4, 50, greedy: true).Segments.SelectMany(segment => segment.Actions), action => Assert.Equal(0, action));
    }

    [Fact]
    public void Whole_episodes_end_by_themselves_or_at_the_time_limit()
    {
        using var still = new Mlp(6, [], 3);
        var episodes = new EnvironmentPool(EnvironmentKind.Acrobot, 2, 3).Collect(still, 4, steps: null, greedy: true);
        Assert.Equal(2, episodes.Segments.Count);
        Assert.All(episodes.Segments, segment => Assert.Equal((500, false), (segment.Length, segment.Terminated)));
        Assert.All(episodes.Finished, episode => Assert.Equal(new FinishedEpisode(-500, 500), episode));

        var fallen = new EnvironmentPool(EnvironmentKind.CartPole, 4, 3).Collect(policy, 4, steps: null);
        Assert.Equal(4, fallen.Segments.Count);
        Assert.All(fallen.Segments, segment => Assert.True(segment.Terminated && segment.Length < 500));
        Assert.Equal(fallen.Segments.Select(segment => segment.Rewards.Sum()).Order(), fallen.Finished.Select(episode => episode.Return).Order());
    }

    [Fact]
    public void A_restored_pool_goes_on_with_the_same_steps()
    {
        var first = new EnvironmentPool(EnvironmentKind.CartPole, 3, 1);
        first.Collect(policy, 2, 37);
        var state = new Dictionary<string, double>();
        first.Store(state);
        var restored = new EnvironmentPool(EnvironmentKind.CartPole, 3, 1);
        restored.Restore(state);
        var (expected, actual) = (first.Collect(policy, 3, 60), restored.Collect(policy, 3, 60));

        Assert.Equal(expected.Finished, actual.Finished);
        Assert.NotEmpty(expected.Finished);
        Assert.Equal(expected.Segments.SelectMany(segment => segment.Observations), actual.Segments.SelectMany(segment => segment.Observations));
        Assert.Equal(expected.Segments.SelectMany(segment => segment.Actions), actual.Segments.SelectMany(segment => segment.Actions));
    }

    [Fact]
    public void A_policy_that_diverged_is_reported()
    {
        policy.Parameters.Values.fill_(float.NaN);
        Assert.Throws<NonFiniteException>(() => new EnvironmentPool(EnvironmentKind.CartPole, 2, 1).Collect(policy, 2, 5));
    }
}
