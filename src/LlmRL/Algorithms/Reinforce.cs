using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>What is subtracted from the return in REINFORCE.</summary>
public enum BaselineKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The mean return of the batch.</summary>
    BatchMean,

    /// <summary>At each step t, the mean Ĝ_t of the prompt's other completions (<see cref="LeaveOneOut.PerStep"/>); num_generations must be 2 or more.</summary>
    LeaveOneOut,

    /// <summary>A moving average of the mean returns of earlier batches.</summary>
    MovingAverage,

    /// <summary>A value network V(s_t), trained on the returns.</summary>
    Value,
}

/// <summary>How samples of an older policy are weighed, where they are used for more than one optimizer step.</summary>
public enum ImportanceSampling
{
    /// <summary>Not at all: right for the first optimizer step only.</summary>
    None,

    /// <summary>Each token by its own ratio: low variance, slightly biased.</summary>
    Token,

    /// <summary>Each completion by the product of its ratios: unbiased, high variance.</summary>
    Trajectory,
}

/// <summary>
/// Token-level REINFORCE with KL-to-reference in the reward: maximises E Σ_t log π(a_t|s_t)·(Ĝ_t − b), with r_t = −β·k1_t and the score at the last token
/// (<see cref="PolicyGradient.Reinforce"/>, <see cref="RewardToGo"/>, <see cref="Baseline"/>). Williams 1992; Sutton et al. 2000.
/// </summary>
[Variant("reinforce", Title = "REINFORCE",
    About = "The model samples answers; those with a reward above the baseline become more likely.")]
public sealed record Reinforce : OnlineStage
{
    /// <inheritdoc/>
    [Range(1, 1 << 16)]
    public override int NumGenerations { get; init; } = 1;

    /// <summary>b.</summary>
    public BaselineKind Baseline { get; init; } = BaselineKind.MovingAverage;

    /// <summary>β of the moving average.</summary>
    [Range(0.0, 0.999999)]
    public double BaselineBeta { get; init; } = 0.9;

    /// <summary>γ: discount per token.</summary>
    [Range(0.0, 1.0)]
    public double Gamma { get; init; } = 1;

    /// <summary>Whether a token is credited only with the rewards from it on (Ĝ_t), instead of those of the whole completion.</summary>
    public bool RewardToGo { get; init; } = true;

    /// <summary>Whether advantages are scaled to mean 0 and variance 1 over the batch.</summary>
    public bool WhitenAdvantages { get; init; }

    /// <summary>Weights for samples of an older policy, with num_iterations or num_mini_batches above 1 (<see cref="PolicyGradient.ImportanceWeights"/>).</summary>
    public ImportanceSampling ImportanceSampling { get; init; } = ImportanceSampling.None;

    /// <summary>The weights are at most this; null: no cap.</summary>
    [Range(0.0, 1e6)]
    public double? ImportanceCap { get; init; }

    /// <summary>The model that the value network starts from, with baseline: value; a reward model's scalar head is kept.</summary>
    public string? Value { get; init; }

    /// <summary>Weight of the value loss.</summary>
    [Range(0.0, 100.0)]
    public double VfCoef { get; init; } = 0.5;

    /// <inheritdoc/>
    public override string? ValueModel => Baseline == BaselineKind.Value ? Value ?? Policy : null;

    /// <inheritdoc/>
    public override Aggregation Aggregation => Aggregation.SequenceSum;

    /// <inheritdoc/>
    public override IEnumerable<(string Key, string Problem)> Validate()
    {
        foreach (var fault in base.Validate())
            yield return fault;
        if (Baseline == BaselineKind.LeaveOneOut && NumGenerations < 2)
            yield return (nameof(NumGenerations), "baseline: leave_one_out compares the completions of a prompt with each other; give it 2 or more");
        if (ImportanceCap is not null && ImportanceSampling == ImportanceSampling.None)
            yield return (nameof(ImportanceCap), "there are no weights to cap; set importance_sampling: token or trajectory");
        if (Value is not null && Baseline != BaselineKind.Value)
            yield return (nameof(Value), "a value network is only used with baseline: value");
    }

    /// <inheritdoc/>
    public override void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var returns = rollout.Trajectories.Select(Returns).ToArray();
        var constant = ConstantBaseline.Next(Baseline, BaselineBeta, [.. returns.Select(perToken => perToken[0])], state);
        if (Baseline == BaselineKind.LeaveOneOut)
            LeaveOneOut.PerStep(returns, rollout.GroupSize);
        foreach (var (trajectory, perToken) in rollout.Trajectories.Zip(returns))
        {
            if (Baseline == BaselineKind.Value)
                trajectory.Returns = ToFloats(perToken);
            for (var t = 0; t < perToken.Length; t++)
                perToken[t] -= Baseline == BaselineKind.Value ? trajectory.Values[t] : constant;
        }

        metrics.Add("baseline", constant, 1);
        TokenAdvantages.Store(rollout, returns, WhitenAdvantages);
    }

    /// <inheritdoc/>
    public override torch.Tensor PolicyLoss(PolicyBatch batch)
    {
        var losses = PolicyGradient.Reinforce(batch.LogProbs, batch.Advantages);
        if (ImportanceSampling != ImportanceSampling.None)
        {
            var weights = PolicyGradient.ImportanceWeights(
                batch.LogProbs, batch.OldLogProbs, batch.Mask, ImportanceSampling == ImportanceSampling.Trajectory, ImportanceCap ?? double.PositiveInfinity);
            losses = weights * losses;
            batch.AddMetric("importance_weight", batch.Mask.Mean(weights.expand_as(losses)));
        }

        var loss = losses.Aggregate(batch.Mask, Aggregation, batch.Share.For(Aggregation));
        if (batch.Values is null || batch.Returns is null)
            return loss;
        var value = ValueLoss.Squared(batch.Values, batch.Returns).Aggregate(batch.Mask, Aggregation.TokenMean, batch.Share.Tokens);
        batch.AddMetric("loss/value_avg", value, Aggregation.TokenMean);
        return loss + VfCoef * value;
    }

    /// <summary>Ĝ_t of every token, or the whole return at each.</summary>
    private double[] Returns(Trajectory trajectory)
    {
        var rewards = TokenRewards(trajectory);
        if (RewardToGo)
            Advantages.RewardToGo.PerStep(rewards, Gamma, rewards);
        else
            Array.Fill(rewards, Advantages.RewardToGo.WholeTrajectory(rewards, Gamma));
        return rewards;
    }

    private static float[] ToFloats(double[] values) => Array.ConvertAll(values, value => (float)value);
}
