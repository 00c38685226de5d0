using LlmRL.Algorithms;
using LlmRL.Rollouts;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>REINFORCE++ against numbers worked out by hand.</summary>
[Collection(TensorCollection.Name)]
public class ReinforcePlusPlusTests
{
    private static readonly ReinforcePlusPlus Stage = new() { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null!, Beta = 0.5 };

    /// <summary>
    /// β = ½. First completion, score 2, k1 = (1, 0): rewards (−½, 2), returns (1½, 2). Second, score −1, k1 = (2): return −2. Mean ½, deviations (1, 1½, −2½), variance
    /// 9½/2.
    /// </summary>
    [Fact]
    public void Returns_with_the_kl_are_normalised_over_all_tokens()
    {
        var rollout = new Rollout([Sampled(2, [-1f, -1f], [-2f, -1f]), Sampled(-1, [-1f], [-3f])], 1);
        Stage.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
        var deviation = Math.Sqrt(9.5 / 2);
        Assert.Equal([1 / deviation, 1.5 / deviation], rollout.Trajectories[0].Advantages.Select(x => (double)x), (x, y) => Math.Abs(x - y) < 1e-6);
        Assert.Equal(-2.5 / deviation, rollout.Trajectories[1].Advantages[0], 6);
    }

    [Fact]
    public void The_loss_is_the_clipped_surrogate_over_tokens()
    {
        using var scope = NewDisposeScope();
        var trajectories = new[] { Sampled(0, [-1f, -1f], [-1f, -1f]), Sampled(0, [-1f], [-1f]) };
        (trajectories[0].Advantages, trajectories[1].Advantages) = ([1, -1], [2]);
        using var batch = Tiny.Batch(trajectories);
        // Ratios 1.5 (held back to 1.2), 1.5 (a bad token, not held back) and 1.
        batch.LogProbs = (batch.OldLogProbs + tensor(new[] { MathF.Log(1.5f), MathF.Log(1.5f), 0f, 0f }, [2, 2])).detach().requires_grad_();
        Assert.Equal((-1.2 + 1.5 - 2) / 3, Stage.Loss(batch).item<float>(), 6);
        Assert.Equal(1.0 / 3, batch.Metrics["clip_ratio/high_mean"], 6);
    }

    private static Trajectory Sampled(double score, float[] logProbs, float[] reference)
    {
        var trajectory = Tiny.Trajectory([0], new int[logProbs.Length], logProbs);
        (trajectory.ReferenceLogProbs, trajectory.Score) = (reference, score);
        return trajectory;
    }
}
