using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>The networks of a control stage and their optimizers.</summary>
public sealed class ControlAgent : IDisposable
{
    private const double PolicyGain = 0.01, ValueGain = 1;

    private readonly ControlStage stage;
    private readonly IEnvironment environment;
    private readonly AdamW policyOptimizer;
    private readonly AdamW? valueOptimizer;

    /// <summary>Draws fresh networks.</summary>
    public ControlAgent(ControlStage stage, ulong key)
    {
        (this.stage, environment) = (stage, stage.Environment.Create());
        Policy = new Mlp(environment.ObservationSize, stage.HiddenSizes, environment.ActionCount);
        Policy.Initialize(CounterRandom.Key(key, CounterRandom.Hash("policy")), PolicyGain);
        policyOptimizer = new AdamW(Policy.Parameters, stage.OptimizerOptions());
        if (!stage.Algorithm.HasValues)
            return;
        Value = new Mlp(environment.ObservationSize, stage.HiddenSizes, 1);
        Value.Initialize(CounterRandom.Key(key, CounterRandom.Hash("value")), ValueGain);
        valueOptimizer = new AdamW(Value.Parameters, stage.OptimizerOptions());
    }

    /// <summary>Observation → logits of the actions.</summary>
    public Mlp Policy { get; }

    /// <summary>Observation → V(s), or null.</summary>
    public Mlp? Value { get; }

    /// <summary>What checkpoints hold.</summary>
    public IReadOnlyList<CheckpointPart> Parts => Value is null
        ? [Part(StageCheckpoints.PolicyName, Policy, policyOptimizer)]
        : [Part(StageCheckpoints.PolicyName, Policy, policyOptimizer), Part("value", Value, valueOptimizer!)];

    /// <summary>One optimizer step of the policy; the gradients are zeroed.</summary>
    /// <returns>The gradient's norm before clipping.</returns>
    public double StepPolicy(int step) => policyOptimizer.Step(stage.LearningRateAt(step));

    /// <summary>One optimizer step of the value network; the gradients are zeroed.</summary>
    /// <returns>The gradient's norm before clipping.</returns>
    public double StepValue(int step) => valueOptimizer!.Step(stage.ValueLearningRateAt(step));

    /// <summary>Writes V(s) of every step into the segments, and of the state after the last one where the task did not end there.</summary>
    public void AddValues(ControlRollout rollout)
    {
        if (Value is null)
            return;
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var size = environment.ObservationSize;
        var observations = rollout.Segments.SelectMany(segment => segment.Observations.Concat(segment.FinalObservation)).ToArray();
        var values = Native.NativeTorch.AsSpan<float>(Value.Forward(tensor(observations, [observations.Length / size, size])));
        var next = 0;
        foreach (var segment in rollout.Segments)
        {
            segment.Values = Array.ConvertAll(values.Slice(next, segment.Length).ToArray(), value => (double)value);
            segment.FinalValue = segment.Terminated ? 0 : values[next + segment.Length];
            next += segment.Length + 1;
        }
    }

    /// <summary>The networks by name.</summary>
    internal IEnumerable<(string Name, Mlp Network)> Networks => Value is null ? [("policy", Policy)] : [("policy", Policy), ("value network", Value)];

    /// <summary>Writes both networks as <see cref="SavedBatch"/> keeps them.</summary>
    internal void Save(string folder)
    {
        Save(Policy, Path.Combine(folder, SavedBatch.PolicyFolder));
        if (Value is not null)
            Save(Value, Path.Combine(folder, SavedBatch.ValueFolder));
    }

    /// <summary>Reads both networks of a <see cref="SavedBatch"/>.</summary>
    internal void Load(string folder)
    {
        Policy.Load(Path.Combine(folder, SavedBatch.PolicyFolder));
        Value?.Load(Path.Combine(folder, SavedBatch.ValueFolder));
    }

    /// <summary>Writes the policy: weights, and what they are for.</summary>
    public void SavePolicy(string folder) => Save(Policy, folder);

    /// <inheritdoc/>
    public void Dispose()
    {
        policyOptimizer.Dispose();
        valueOptimizer?.Dispose();
        Policy.Dispose();
        Value?.Dispose();
    }

    private CheckpointPart Part(string name, Mlp network, AdamW optimizer) =>
        new(name, optimizer, () =>
        {
            var copy = new Mlp(environment.ObservationSize, stage.HiddenSizes, (int)network.Parameters.Specs[^1].Shape[0]);
            copy.Parameters.CopyFrom(network.Parameters);
            return new FrozenNetwork(copy, folder => Save(copy, folder));
        }, network.Load);

    private void Save(Mlp network, string folder) => network.Save(folder, new
    {
        model_type = "mlp",
        environment = environment.Id,
        observation_size = environment.ObservationSize,
        hidden_sizes = stage.HiddenSizes,
        output_size = network.Parameters.Specs[^1].Shape[0],
        activation = "tanh",
    });
}
