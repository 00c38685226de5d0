using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rollouts;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>The models of an online stage: the policy that is trained, the frozen reference, and the value network where the algorithm has one.</summary>
public sealed class OnlineModels : IDisposable
{
    private readonly OnlineStage stage;
    private readonly CancellationToken cancellation;
    private readonly AdamW policyOptimizer;
    private readonly AdamW? valueOptimizer;

    /// <summary>Loads them.</summary>
    public OnlineModels(OnlineStage stage, StageContext context)
    {
        (this.stage, cancellation) = (stage, context.Cancellation);
        Policy = context.LoadTrained(stage.Policy, stage.Lora);
        policyOptimizer = context.Optimizer(Policy);
        Trained = [(StageCheckpoints.PolicyName, Policy, policyOptimizer)];
        if (stage.NeedsReference)
            Reference = context.LoadReference(stage.Reference ?? stage.Policy, stage.Policy, Policy, changes: stage.SyncRefModel);
        if (stage.SyncRefModel)
            Trained.Add(("reference", Reference!, null));
        if (stage.ValueModel is { } source)
        {
            Value = context.LoadTrained(source, stage.Lora, scalarHead: true);
            // A fresh head of a reward model's width would predict ±1 at random, which drowns small rewards; V = 0 is the better first guess.
            if (!context.Run.HasScalarHead(source))
                ZeroHead(Value);
            valueOptimizer = context.Optimizer(Value);
            Trained.Add(("value", Value, valueOptimizer));
        }
    }

    /// <summary>π.</summary>
    public Transformer Policy { get; }

    /// <summary>π_ref, or null; the policy itself where adapters are trained, whose weights without them are where it started.</summary>
    public Transformer? Reference { get; }

    /// <summary>V, or null.</summary>
    public Transformer? Value { get; }

    /// <summary>What a checkpoint holds.</summary>
    public List<(string Name, Transformer Model, AdamW? Optimizer)> Trained { get; }

    /// <summary>Fills in <see cref="Trajectory.ReferenceLogProbs"/>.</summary>
    /// <param name="rollout">The samples.</param>
    /// <param name="microBatchTokens">Most tokens that go through the model at once.</param>
    /// <param name="temperature">τ that they were sampled with; the stage's where null.</param>
    public void AddReferenceLogProbs(Rollout rollout, int microBatchTokens, double? temperature = null)
    {
        if (Reference is not { } reference)
            return;
        using var off = reference.WithoutAdapters();
        ForEachMicroBatch(rollout, microBatchTokens, batch =>
        {
            using var forward = batch.Forward(reference, temperature ?? stage.Temperature);
            PolicyBatch.Unpad(batch.LogProbs, batch.Trajectories, (trajectory, values) => trajectory.ReferenceLogProbs = values);
        });
    }

    /// <summary>Fills in <see cref="Trajectory.Values"/>.</summary>
    public void AddValues(Rollout rollout, int microBatchTokens)
    {
        if (Value is not { } value)
            return;
        ForEachMicroBatch(rollout, microBatchTokens, batch =>
        {
            batch.ForwardValues(value);
            PolicyBatch.Unpad(batch.Values!, batch.Trajectories, (trajectory, values) => trajectory.Values = values);
        });
    }

    /// <summary>One optimizer step of every trained model.</summary>
    /// <returns>The policy's gradient norm before clipping.</returns>
    public double Step(double learningRate)
    {
        // Both are looked at before either is changed: a step is taken whole or not at all.
        var (norm, valueNorm) = (policyOptimizer.FiniteGradientNorm(), valueOptimizer?.FiniteGradientNorm());
        policyOptimizer.Step(learningRate, norm);
        valueOptimizer?.Step(learningRate, valueNorm!.Value);
        return norm;
    }

    /// <summary>Draws anew what dropout leaves out; call before each minibatch.</summary>
    public void DrawDropout()
    {
        StageContext.DrawDropout(Policy, policyOptimizer);
        if (Value is not null)
            StageContext.DrawDropout(Value, valueOptimizer!);
    }

    /// <summary>Forgets the gradients of a minibatch whose step is not taken.</summary>
    public void DropGradients()
    {
        Policy.TrainedParameters.ZeroGradients();
        Value?.TrainedParameters.ZeroGradients();
    }

    /// <summary>Refreshes the reference where one is due.</summary>
    /// <param name="steps">Steps done.</param>
    public void RefreshReference(int steps)
    {
        if (stage.SyncRefModel && steps % stage.RefModelSyncSteps == 0)
            Reference!.Parameters.MixIn(Policy.Parameters, stage.RefModelMixupAlpha);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Policy.Dispose();
        if (Reference != Policy)
            Reference?.Dispose();
        Value?.Dispose();
        policyOptimizer.Dispose();
        valueOptimizer?.Dispose();
    }

    private static void ZeroHead(Transformer value)
    {
        using var guard = no_grad();
        value.TrainedParameters[ParameterLayout.ScoreName].zero_();
    }

    private void ForEachMicroBatch(Rollout rollout, int microBatchTokens, Action<PolicyBatch> action)
    {
        using var guard = no_grad();
        var share = new BatchShare(rollout.Trajectories.Count, rollout.TokenCount);
        foreach (var micro in MicroBatches.Split(rollout.Trajectories, microBatchTokens, Policy))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var batch = new PolicyBatch(micro, Policy.Device, share) { Metrics = new BatchMetrics() };
            action(batch);
        }
    }
}
