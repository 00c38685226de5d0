using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Recipes.Binding;
using LlmRL.Training;

namespace LlmRL.Control;

/// <summary>
/// Advantage actor–critic: −log π(a_t|s_t)·A_t with A_t from <see cref="Gae"/> over short segments, whose ends are bootstrapped with the value network
/// unless the task itself ended there. λ = 1 gives n-step returns. Mnih et al. 2016, arXiv 1602.01783, synchronously; Schulman et al. 2015, arXiv 1506.02438.
/// </summary>
[Variant("actor_critic")]
public record ControlActorCritic : ControlAlgorithm
{
    /// <summary>Steps of each environment per sampling phase.</summary>
    [Range(1, 1 << 20)]
    public virtual int NumSteps { get; init; } = 16;

    /// <summary>λ of GAE.</summary>
    [Range(0.0, 1.0)]
    public double Lam { get; init; } = 0.95;

    /// <summary>Optimizer steps of the value network per step of the policy (Spinning Up's name).</summary>
    [Range(1, 10_000)]
    public int TrainVIters { get; init; } = 1;

    /// <inheritdoc/>
    public override int? RolloutSteps => NumSteps;

    /// <inheritdoc/>
    public override bool HasValues => true;

    /// <inheritdoc/>
    public override int ValueSteps => TrainVIters;

    /// <inheritdoc/>
    public override void ComputeAdvantages(ControlRollout rollout, IDictionary<string, double> state, BatchMetrics metrics)
    {
        foreach (var segment in rollout.Segments)
        {
            segment.Advantages = new double[segment.Length];
            segment.Returns = new double[segment.Length];
            Gae.Advantages([.. segment.Rewards], segment.Values, Gamma, Lam, segment.Advantages, segment.FinalValue);
            Gae.Returns(segment.Advantages, segment.Values, segment.Returns);
        }
    }
}
