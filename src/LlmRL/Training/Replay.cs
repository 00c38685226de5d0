using LlmRL.Algorithms;
using LlmRL.Control;
using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>Computes a <see cref="SavedBatch"/> again, quantity after quantity, and says where it first stops being finite.</summary>
public sealed class Replay : IDisposable
{
    private readonly SavedBatch saved;
    private readonly Stage stage;
    private readonly Transformer policy;
    private readonly Transformer? value;
    private readonly Action<string> say;
    private readonly FiniteCheck check;

    private Replay(string folder, SavedBatch saved, Stage stage, Device device, Action<string> say)
    {
        (this.saved, this.stage, this.say, check) = (saved, stage, say, new FiniteCheck(say));
        // On the CPU whatever ran on a GPU is replayed in float32.
        var dtype = device.type == TorchSharp.DeviceType.CUDA ? WeightTypes.Choose((stage as TrainingStage)?.Dtype ?? WeightType.Float32, device) : ScalarType.Float32;
        policy = ModelFolder.Load(Path.Combine(folder, SavedBatch.PolicyFolder), scalarHead: stage is RewardModel, device: device, dtype: dtype);
        if (ModelFolder.IsModel(Path.Combine(folder, SavedBatch.ValueFolder)))
            value = ModelFolder.Load(Path.Combine(folder, SavedBatch.ValueFolder), scalarHead: true, device: device, dtype: dtype);
    }

    /// <summary>Replays the batch of a folder.</summary>
    /// <param name="folder">A folder that a run left below <c>non-finite/</c>.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="say">Receives the findings, line by line.</param>
    /// <returns>Whether something was not finite again.</returns>
    public static bool Run(string folder, Device device, Action<string> say)
    {
        var saved = SavedBatch.Read(folder);
        var recipe = RecipeBinder.Load<Recipe>(Path.Combine(folder, SavedBatch.RecipeName));
        var stage = recipe.Stages.FirstOrDefault(candidate => candidate.Name == saved.Stage)
            ?? throw new BadInputException($"{folder}: its recipe has no stage '{saved.Stage}'; the folder was put together from two runs.");
        if (stage is ControlStage control)
            return ControlReplay.Run(folder, saved, control, say);
        using var replay = new Replay(folder, saved, stage, device, say);
        return replay.Run();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        policy.Dispose();
        value?.Dispose();
    }

    private bool Run()
    {
        say($"{saved.Stage}, step {saved.Step}: {saved.Reason}");
        check.Weights("policy", policy.Parameters);
        if (value is not null)
            check.Weights("value network", value.Parameters);
        switch (stage)
        {
            case OnlineStage online when saved.Trajectories is { } rows:
                Online(online with { Beta = saved.Beta, EntropyCoef = saved.EntropyCoef, MicroBatchTokens = saved.MicroBatchTokens }, [.. rows.Select((row, i) => row.Restore(i))]);
                break;
            case OfflineStage offline when saved.Examples is { } rows:
                Offline(offline with { MicroBatchTokens = saved.MicroBatchTokens }, [.. rows.Select(row => row.Restore())]);
                break;
            default:
                throw new BadInputException($"stage '{saved.Stage}' of the saved recipe is of another kind than the batch.");
        }

        check.Gradients("policy", policy.Parameters);
        if (value is not null)
            check.Gradients("value network", value.Parameters);
        return check.Conclude();
    }

    private void Online(OnlineStage online, Trajectory[] rows)
    {
        for (var i = 0; i < rows.Length; i++)
        {
            foreach (var (name, values) in new[] { ("log π_old", rows[i].LogProbs), ("log π_ref", rows[i].ReferenceLogProbs), ("values", rows[i].Values), ("returns", rows[i].Returns), ("advantages", rows[i].Advantages) })
                check.Check($"{name} of completion {i}", values);
        }

        var share = BatchShare.Of(rows);
        var units = rows.Chunk(online.LossUnit).ToArray();
        foreach (var micro in MicroBatches.Split(units.Where(unit => unit.Any(row => row.Counts)), online.MicroBatchTokens, policy))
            Online(online, [.. micro.SelectMany(unit => unit)], share, rows);
    }

    private void Online(OnlineStage online, Trajectory[] micro, BatchShare share, Trajectory[] all)
    {
        using var scope = NewDisposeScope();
        var where = $"completions {string.Join(", ", micro.Select(row => Array.IndexOf(all, row)))}";
        using var batch = new PolicyBatch(micro, policy.Device, share) { Metrics = new BatchMetrics() };
        using var forward = batch.Forward(policy, online.Temperature);
        check.Check($"log π of {where}", batch.LogProbs);
        check.Check($"entropy of {where}", batch.Entropies!);
        if (value is not null)
        {
            batch.ForwardValues(value);
            check.Check($"V of {where}", batch.Values!);
        }

        var term = online.PolicyLoss(batch);
        check.Check($"{online.GetType().Name}'s own loss of {where}", term);
        var loss = online.Loss(batch);
        foreach (var (name, number) in batch.Metrics.Means())
            check.Check($"{name} of {where}", [(float)number]);
        check.Check($"the whole loss of {where}", loss);
        loss.backward();
        forward.Backward();
    }

    private void Offline(OfflineStage offline, List<EncodedExample> rows)
    {
        for (var i = 0; i < rows.Count; i++)
            check.Check($"log π_ref of row {i} ({rows[i].Example.Source})", rows[i].ReferenceLogProbs);
        foreach (var (row, i) in rows.Select((row, i) => (row, i)))
        {
            foreach (var (name, number) in OfflineLoop.Accumulate(offline, policy, [row], train: false).Means())
                check.Check($"{name} of row {i} ({row.Example.Source})", [(float)number]);
        }

        OfflineLoop.Accumulate(offline, policy, rows, train: true);
    }
}
