using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Training;

namespace LlmRL.Control;

/// <summary>
/// REINFORCE over whole episodes: ascends 1/B Σ_i Σ_t ∇log π(a_t|s_t)·(G − b), G the return of the whole trajectory or the reward-to-go
/// (<see cref="Advantages.RewardToGo"/>), b a baseline (<see cref="Advantages.Baseline"/>). Williams 1992; Sutton et al. 2000.
/// </summary>
[Variant("reinforce")]
public sealed record ControlReinforce : ControlAlgorithm, IValidated
{
    /// <summary>Whether an action is credited only with the rewards from it on (Ĝ_t), instead of those of the whole episode.</summary>
    public bool RewardToGo { get; init; }

    /// <summary>b. With leave_one_out the episodes of a phase are each other's baseline.</summary>
    public BaselineKind Baseline { get; init; } = BaselineKind.None;

    /// <summary>β of the moving average.</summary>
    [Range(0.0, 0.999999)]
    public double BaselineBeta { get; init; } = 0.9;

    /// <summary>Optimizer steps of the value network per step of the policy, with baseline: value (Spinning Up's name).</summary>
    [Range(1, 10_000)]
    public int TrainVIters { get; init; } = 20;

    /// <inheritdoc/>
    public override int? RolloutSteps => null;

    /// <inheritdoc/>
    public override bool HasValues => Baseline == BaselineKind.Value;

    /// <inheritdoc/>
    public override int ValueSteps => TrainVIters;

    /// <inheritdoc/>
    public override Aggregation Aggregation => Aggregation.SequenceSum;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Baseline == BaselineKind.Value && !RewardToGo)
            yield return (nameof(RewardToGo), "a value network predicts what follows a state, so baseline: value needs reward_to_go: true");
    }

    /// <inheritdoc/>
    public override void ComputeAdvantages(ControlRollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        var totals = rollout.Segments.Select(segment => Advantages.RewardToGo.WholeTrajectory([.. segment.Rewards], Gamma)).ToArray();
        var constant = ConstantBaseline.Next(Baseline, BaselineBeta, totals, state);
        foreach (var (segment, total) in rollout.Segments.Zip(totals))
        {
            segment.Returns = new double[segment.Length];
            segment.Advantages = new double[segment.Length];
            if (RewardToGo)
                Advantages.RewardToGo.PerStep([.. segment.Rewards], Gamma, segment.Returns);
            else
                Array.Fill(segment.Returns, total);
            Advantages.Baseline.Subtract(segment.Returns, constant, segment.Advantages);
            for (var t = 0; t < segment.Values.Length; t++)
                segment.Advantages[t] -= segment.Values[t];
        }

        if (Baseline == BaselineKind.LeaveOneOut)
            LeaveOneOut.PerStep([.. rollout.Segments.Select(segment => segment.Advantages)], rollout.Segments.Count);
        if (Baseline is BaselineKind.BatchMean or BaselineKind.MovingAverage)
            metrics.Add("baseline", constant, 1);
    }
}
