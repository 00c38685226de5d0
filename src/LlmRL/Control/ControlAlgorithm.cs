using System.ComponentModel.DataAnnotations;
using LlmRL.Losses;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Control;

/// <summary>What an algorithm is in a control stage: hyper-parameters, how advantages are made, and the loss; the equations are those of <c>Advantages/</c> and <c>Losses/</c>.</summary>
public abstract record ControlAlgorithm
{
    /// <summary>γ: discount per step.</summary>
    [Range(0.0, 1.0)]
    public double Gamma { get; init; } = 0.99;

    /// <summary>Whether advantages (without a baseline: returns) are scaled to mean 0 and variance 1 over the rollout.</summary>
    public virtual bool WhitenAdvantages { get; init; }

    /// <summary>Steps of each environment per sampling phase, or null where each plays one whole episode.</summary>
    public abstract int? RolloutSteps { get; }

    /// <summary>Whether there is a value network.</summary>
    public abstract bool HasValues { get; }

    /// <summary>Epochs over a rollout.</summary>
    public virtual int Epochs => 1;

    /// <summary>Optimizer steps per epoch.</summary>
    public virtual int MiniBatches => 1;

    /// <summary>Optimizer steps of the value network per step of the policy.</summary>
    public virtual int ValueSteps => 1;

    /// <summary>The epochs over a rollout end once KL(π_old‖π) per step exceeds this, in nats; null: never.</summary>
    public virtual double? KlLimit => null;

    /// <summary>How the policy's losses become one number.</summary>
    public virtual Aggregation Aggregation => Aggregation.TokenMean;

    /// <summary>Rewards and values → advantages and value targets, written into the segments.</summary>
    /// <param name="rollout">The samples.</param>
    /// <param name="state">Numbers that live as long as the stage and are part of its checkpoints.</param>
    /// <param name="metrics">Where the algorithm's own numbers go.</param>
    public abstract void ComputeAdvantages(ControlRollout rollout, IDictionary<string, double> state, BatchMetrics metrics);

    /// <summary>The policy's loss per step, (N, 1).</summary>
    public virtual torch.Tensor PolicyLosses(ControlBatch batch) => PolicyGradient.Reinforce(batch.LogProbs, batch.Advantages);

    /// <summary>The value network's loss per step, (N, 1).</summary>
    public virtual torch.Tensor ValueLosses(ControlBatch batch) => ValueLoss.Squared(batch.Values!, batch.Returns!);

    /// <summary>The algorithm's own numbers about a batch, before the optimizer's step.</summary>
    public virtual void AddMetrics(ControlBatch batch, BatchMetrics metrics) { }
}
