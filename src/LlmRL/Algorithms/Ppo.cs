using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// Proximal policy optimisation with KL-to-SFT penalty in the reward and a value network: r_t = −β·k_t with the score at the last token, optional reward
/// whitening, GAE (<see cref="Gae"/>), whitened advantages, the clipped surrogate (<see cref="PolicyGradient.PpoClip"/>) and clipped value loss
/// (<see cref="ValueLoss.Clipped"/>). Schulman et al. 2017, arXiv 1707.06347; Stiennon et al. 2020, arXiv 2009.01325; details: arXiv 2403.17031.
/// </summary>
[Variant("ppo", Title = "PPO",
    About = "The model samples answers and is updated in small clipped steps; a value network predicts the reward, and moving away has a price.")]
public sealed record Ppo : OnlineStage
{
    /// <inheritdoc/>
    [Range(1, 1 << 16)]
    public override int NumGenerations { get; init; } = 1;

    /// <summary>Epochs over each sampling phase's completions.</summary>
    [Range(1, 1000)]
    [RecipeKey("num_ppo_epochs")]
    public override int NumIterations { get; init; } = 4;

    /// <summary>The model that the value network starts from: the reward model, usually. By default the policy's body with a fresh head.</summary>
    public string? Value { get; init; }

    /// <summary>γ: discount per token.</summary>
    [Range(0.0, 1.0)]
    public double Gamma { get; init; } = 1;

    /// <summary>λ of GAE.</summary>
    [Range(0.0, 1.0)]
    public double Lam { get; init; } = 0.95;

    /// <summary>ε: the ratio's clip range.</summary>
    [Range(0.0, 100.0)]
    public double Cliprange { get; init; } = 0.2;

    /// <summary>ε above 1; equal to <see cref="Cliprange"/> by default. A larger one lets unlikely tokens rise faster (arXiv 2503.14476, section 3.1).</summary>
    [Range(0.0, 100.0)]
    public double? CliprangeHigh { get; init; }

    /// <summary>ε of the value loss, in units of reward.</summary>
    [Range(0.0, 1e6)]
    public double CliprangeValue { get; init; } = 0.2;

    /// <summary>Weight of the value loss.</summary>
    [Range(0.0, 100.0)]
    public double VfCoef { get; init; } = 0.1;

    /// <summary>Whether per-token rewards are scaled to variance 1 (their mean is kept).</summary>
    public bool WhitenRewards { get; init; }

    /// <summary>c &gt; 1: for A &lt; 0 the loss of a token is at most −c·A (arXiv 1912.09729); null: no such bound.</summary>
    [Range(1.0, 1e6)]
    public double? DualClip { get; init; }

    /// <inheritdoc/>
    public override string? ValueModel => Value ?? Policy;

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var rewards = rollout.Trajectories.Select(trajectory => TokenRewards(trajectory)).ToArray();
        metrics.Add("objective/scores", rollout.Trajectories.Average(trajectory => trajectory.Score), 1);
        metrics.Add("objective/non_score_reward", rollout.Trajectories.Zip(rewards, (trajectory, perToken) => perToken.Sum() - trajectory.Score).Average(), 1);
        metrics.Add("val/num_eos_tokens", rollout.Trajectories.Count(trajectory => !trajectory.IsTruncated), 1);
        if (WhitenRewards)
            Whiten.Rows(rewards, null, shiftMean: false, unbiased: true);
        foreach (var (trajectory, perToken) in rollout.Trajectories.Zip(rewards))
        {
            var values = Array.ConvertAll(trajectory.Values, value => (double)value);
            var returns = new double[perToken.Length];
            Gae.Advantages(perToken, values, Gamma, Lam, perToken);
            Gae.Returns(perToken, values, returns);
            trajectory.Returns = Array.ConvertAll(returns, value => (float)value);
        }

        TokenAdvantages.Store(rollout, rewards, whiten: true);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        var policy = PolicyGradient.PpoClip(batch.LogProbs, batch.OldLogProbs, batch.Advantages, Cliprange, CliprangeHigh ?? Cliprange, DualClip ?? 0)
            .Aggregate(batch.Mask, Aggregation.TokenMean, batch.Share.Tokens);
        var value = ValueLoss.Clipped(batch.Values!, batch.OldValues!, batch.Returns!, CliprangeValue)
            .Aggregate(batch.Mask, Aggregation.TokenMean, batch.Share.Tokens);
        batch.AddMetric("loss/policy_avg", policy, Aggregation.TokenMean);
        batch.AddMetric("loss/value_avg", value, Aggregation.TokenMean);
        batch.AddPpoMetrics(Cliprange, CliprangeHigh ?? Cliprange, CliprangeValue);
        return policy + VfCoef * value;
    }
}
