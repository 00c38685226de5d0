using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>
/// Checkpoints of one stage: <c>checkpoints/STAGE/step-N/</c> holds each model in Hugging Face layout (the policy at the top, others in folders of
/// their name), the optimizers' state, and the loop's own. All randomness is keyed by the step, so that nothing else is needed to go on with the same bytes.
/// </summary>
public sealed class StageCheckpoints(StageContext context, TrainingStage stage, IReadOnlyList<CheckpointPart> parts)
{
    /// <summary>Name of the part that lies at the top of a checkpoint's folder.</summary>
    public const string PolicyName = "policy";

    private const string StateName = "trainer_state.json", OptimizerName = "optimizer.safetensors";

    /// <summary>Checkpoints of transformers.</summary>
    public StageCheckpoints(StageContext context, TrainingStage stage, IReadOnlyList<(string Name, Transformer Model, AdamW? Optimizer)> models)
        : this(context, stage, [.. models.Select(part => CheckpointPart.Of(part.Name, part.Model, part.Optimizer, context))])
    {
    }

    /// <summary>Tokens (of a control stage: environment steps) seen up to the checkpoint that was resumed from.</summary>
    public long TokensSeen { get; private set; }

    /// <summary>Numbers of the algorithm that are part of its state (a moving baseline, a KL coefficient), by name.</summary>
    public Dictionary<string, double> State { get; } = new(StringComparer.Ordinal);

    /// <summary>Loads the newest checkpoint when the run resumes.</summary>
    /// <returns>How many steps are done: 0 where there is none.</returns>
    public int Resume()
    {
        var steps = context.Run.Directory.CheckpointSteps(stage.Name);
        if (!context.Run.Resume || steps.Count == 0)
            return 0;
        var step = Enumerable.Max(steps);
        var folder = context.Run.Directory.Checkpoint(stage.Name, step);
        using var guard = no_grad();
        foreach (var part in parts)
            LoadPart(Folder(folder, part.Name), part);
        var file = Path.Combine(folder, StateName);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            var root = json.RootElement;
            TokensSeen = root.GetProperty("num_tokens").GetInt64();
            foreach (var part in parts)
            {
                if (part.Optimizer is not null)
                    part.Optimizer.StepCount = root.GetProperty("optimizer_steps").GetProperty(part.Name).GetInt64();
            }

            foreach (var pair in root.GetProperty("state").EnumerateObject())
                State[pair.Name] = pair.Value.GetDouble();
            context.EarlierSeconds = root.GetProperty("seconds").GetDouble();
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or IOException)
        {
            throw new BadInputException($"{file}: this checkpoint cannot be read ({fault.Message}). Delete its folder to go on from the one before.", fault);
        }

        return step;
    }

    /// <summary>Writes a checkpoint where one is due.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen.</param>
    public void AfterStep(int step, long tokens)
    {
        if (stage.SaveSteps > 0 && step % stage.SaveSteps == 0 && step < stage.Steps)
            Write(step, tokens);
    }

    /// <summary>Ends the stage with a checkpoint where the run was asked to stop.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void StopWhereAsked(int step, long tokens) => SaveWhereStopped(step, tokens, () =>
    {
        context.Cancellation.ThrowIfCancellationRequested();
        return true;
    });

    /// <summary>Runs a part of a step that changes no state and may be stopped: then a checkpoint of the steps before is written.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen in them.</param>
    /// <param name="part">What may be stopped.</param>
    public T SaveWhereStopped<T>(int step, long tokens, Func<T> part)
    {
        try
        {
            return part();
        }
        catch (OperationCanceledException)
        {
            if (!context.Run.Directory.CheckpointSteps(stage.Name).Contains(step))
                Write(step, tokens);
            context.Run.Console.Note($"{stage.Name}: stopped after step {step} of {stage.Steps}, checkpoint {context.Run.Directory.Checkpoint(stage.Name, step)}");
            throw;
        }
    }

    /// <summary>Writes a checkpoint: into a temporary folder first, which is then renamed.</summary>
    public void Write(int step, long tokens)
    {
        var folder = context.Run.Directory.Checkpoint(stage.Name, step);
        var temporary = folder + ".tmp";
        if (Directory.Exists(temporary))
            Directory.Delete(temporary, recursive: true);
        foreach (var (name, optimizer, save, _) in parts)
        {
            var part = Folder(temporary, name);
            save(part);
            if (optimizer is not null)
                AtomicFile.Write(Path.Combine(part, OptimizerName), stream => SafetensorsWriter.Write(stream, [Item("exp_avg", optimizer.Moment), Item("exp_avg_sq", optimizer.SquaredMoment)]));
        }

        // What the checkpoint continues must be on the disk before it.
        context.Log.Sync();
        AtomicFile.WriteAllText(Path.Combine(temporary, StateName), JsonSerializer.Serialize(new
        {
            stage = stage.Name,
            step,
            num_tokens = tokens,
            optimizer_steps = parts.Where(part => part.Optimizer is not null).ToDictionary(part => part.Name, part => part.Optimizer!.StepCount),
            state = State,
            seconds = context.Seconds,
        }, JsonLayout.Indented) + "\n");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.Move(temporary, folder);
        AtomicFile.SyncFolder(Path.GetDirectoryName(folder)!);
        context.Run.Directory.PruneCheckpoints(stage.Name, stage.SaveTotalLimit);
    }

    private static string Folder(string checkpoint, string name) => name == PolicyName ? checkpoint : Path.Combine(checkpoint, name);

    private static SafetensorsWriter.Item Item(string name, Tensor values) => new(name, values.shape, destination =>
    {
        using var host = values.cpu();
        host.data<float>().CopyTo(destination);
    });

    private static void LoadPart(string folder, CheckpointPart part)
    {
        part.Load(folder);
        if (part.Optimizer is not { } optimizer)
            return;
        using var reader = new SafetensorsReader(Path.Combine(folder, OptimizerName));
        foreach (var (name, target) in new[] { ("exp_avg", optimizer.Moment), ("exp_avg_sq", optimizer.SquaredMoment) })
        {
            if (!reader.Entries.TryGetValue(name, out var entry) || entry.Elements != target.NumberOfElements)
                throw new BadInputException($"{reader.Path}: {name} is missing or of another size; this checkpoint belongs to another model.");
            var values = new float[entry.Elements];
            reader.Read(entry, values);
            using var source = tensor(values);
            target.copy_(source);
        }
    }
}

/// <summary>A network whose weights a checkpoint holds, with its optimizer's state.</summary>
/// <param name="Name">Name of its folder; <see cref="StageCheckpoints.PolicyName"/> for the one at the top.</param>
/// <param name="Optimizer">Its optimizer; null where it is not trained by gradients.</param>
/// <param name="Save">Writes the weights into a folder.</param>
/// <param name="Load">Reads them from there.</param>
public sealed record CheckpointPart(string Name, AdamW? Optimizer, Action<string> Save, Action<string> Load)
{
    /// <summary>A transformer in Hugging Face layout; with the tokenizer where it is the policy.</summary>
    public static CheckpointPart Of(string name, Transformer model, AdamW? optimizer, StageContext context) => new(
        name, optimizer,
        folder => ModelFolder.Save(model, folder, name == StageCheckpoints.PolicyName ? context.Tokenizer : null),
        folder =>
        {
            using var saved = ModelFolder.Load(folder, model.HasScalarHead, trainable: false, context.Device);
            model.Parameters.CopyFrom(saved.Parameters);
            model.ScoreShift = saved.ScoreShift;
        });
}
