using LlmRL.Algorithms;
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
    private bool found;

    private Replay(string folder, Device device, Action<string> say)
    {
        this.say = say;
        saved = SavedBatch.Read(folder);
        var recipe = RecipeBinder.Load<Recipe>(Path.Combine(folder, SavedBatch.RecipeName));
        stage = recipe.Stages.FirstOrDefault(candidate => candidate.Name == saved.Stage)
            ?? throw new BadInputException($"{folder}: its recipe has no stage '{saved.Stage}'; the folder was put together from two runs.");
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
        using var replay = new Replay(folder, device, say);
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
        Weights("policy", policy);
        if (value is not null)
            Weights("value network", value);
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

        Gradients("policy", policy);
        if (value is not null)
            Gradients("value network", value);
        say(found ? "reproduced: the first line marked ✗ is where it begins" : "not reproduced: everything is finite on this machine");
        return found;
    }

    private void Online(OnlineStage online, Trajectory[] rows)
    {
        for (var i = 0; i < rows.Length; i++)
        {
            foreach (var (name, values) in new[] { ("log π_old", rows[i].LogProbs), ("log π_ref", rows[i].ReferenceLogProbs), ("values", rows[i].Values), ("returns", rows[i].Returns), ("advantages", rows[i].Advantages) })
                Check($"{name} of completion {i}", values);
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
        Check($"log π of {where}", batch.LogProbs);
        Check($"entropy of {where}", batch.Entropies!);
        if (value is not null)
        {
            batch.ForwardValues(value);
            Check($"V of {where}", batch.Values!);
        }

        var term = online.PolicyLoss(batch);
        Check($"{online.GetType().Name}'s own loss of {where}", term);
        var loss = online.Loss(batch);
        foreach (var (name, number) in batch.Metrics.Means())
            Check($"{name} of {where}", [(float)number]);
        Check($"the whole loss of {where}", loss);
        loss.backward();
        forward.Backward();
    }

    private void Offline(OfflineStage offline, List<EncodedExample> rows)
    {
        for (var i = 0; i < rows.Count; i++)
            Check($"log π_ref of row {i} ({rows[i].Example.Source})", rows[i].ReferenceLogProbs);
        foreach (var (row, i) in rows.Select((row, i) => (row, i)))
        {
            foreach (var (name, number) in OfflineLoop.Accumulate(offline, policy, [row], train: false).Means())
                Check($"{name} of row {i} ({row.Example.Source})", [(float)number]);
        }

        OfflineLoop.Accumulate(offline, policy, rows, train: true);
    }

    private void Weights(string name, Transformer model)
    {
        foreach (var spec in model.Parameters.Specs)
            Check($"{name}: weight {Name(spec)}", model.Parameters[spec.Name]);
        say($"  {name}: {model.Parameters.Count} weights looked at");
    }

    private void Gradients(string name, Transformer model)
    {
        foreach (var spec in model.Parameters.Specs)
            Check($"{name}: gradient of {Name(spec)}", model.Parameters.Gradient(spec.Name));
        say($"  {name}: gradients of {model.Parameters.Specs.Count} parameters looked at");
    }

    /// <summary>By its names in files, where one of ours may be several.</summary>
    private static string Name(ParameterSpec spec) => string.Join(" + ", spec.Parts.Select(part => part.HuggingFaceName));

    private void Check(string what, Tensor values)
    {
        using var guard = no_grad();
        using var host = values.detach().cpu().contiguous();
        Check(what, host.data<float>().ToArray());
    }

    private void Check(string what, float[] values)
    {
        var bad = values.Count(number => !float.IsFinite(number));
        if (bad == 0)
            return;
        found = true;
        var first = Array.FindIndex(values, number => !float.IsFinite(number));
        say(values.Length == 1 ? $"✗ {what} is {values[0]}" : $"✗ {what}: {bad} of {values.Length} numbers are not finite, the first at {first}: {values[first]}");
    }
}
