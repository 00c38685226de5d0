using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>
/// Checkpoints of one stage: <c>checkpoints/STAGE/step-N/</c> holds each model in Hugging Face layout (the policy at the top, others in folders of
/// their name), the optimizers' state, the loop's own, and a manifest with checksums. All randomness is keyed by the step, so that nothing else is needed to
/// go on with the same bytes. What is written is copied first, and written while training goes on.
/// </summary>
public sealed class StageCheckpoints : IDisposable
{
    /// <summary>Name of the part that lies at the top of a checkpoint's folder.</summary>
    public const string PolicyName = "policy";

    private readonly StageContext context;
    private readonly TrainingStage stage;
    private readonly IReadOnlyList<CheckpointPart> parts;
    private readonly BackgroundWrite writer = new();
    private readonly BestCheckpoint best;
    private long lastWritten;
    private bool hasWritten;
    private KeyValuePair<string, double>[] stateBefore = [];

    /// <summary>Checkpoints of networks.</summary>
    public StageCheckpoints(StageContext context, TrainingStage stage, IReadOnlyList<CheckpointPart> parts)
    {
        (this.context, this.stage, this.parts) = (context, stage, parts);
        best = new BestCheckpoint(stage);
        lastWritten = context.Run.Time.GetTimestamp();
    }

    /// <summary>Checkpoints of transformers.</summary>
    public StageCheckpoints(StageContext context, TrainingStage stage, IReadOnlyList<(string Name, Transformer Model, AdamW? Optimizer)> models)
        : this(context, stage, [.. models.Select(part => CheckpointPart.Of(part.Name, part.Model, part.Optimizer, context))])
    {
    }

    /// <summary>Tokens (of a control stage: environment steps) seen up to the checkpoint that was resumed from.</summary>
    public long TokensSeen { get; private set; }

    /// <summary>Numbers of the algorithm that are part of its state (a moving baseline, a KL coefficient), by name.</summary>
    public Dictionary<string, double> State { get; } = new(StringComparer.Ordinal);

    /// <summary>Loads the newest checkpoint when the run resumes. Damaged ones were set aside before: <see cref="CheckpointManifest.NewestWhole"/>.</summary>
    /// <returns>How many steps are done: 0 where there is none.</returns>
    public int Resume()
    {
        var steps = context.Run.Directory.CheckpointSteps(stage.Name);
        if (!context.Run.Resume || steps.Count == 0)
            return 0;
        var step = Enumerable.Max(steps);
        var folder = context.Run.Directory.Checkpoint(stage.Name, step);
        LoadParts(folder, withOptimizers: true);
        var file = Path.Combine(folder, CheckpointManifest.StateName);
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
            best.Restore(root.GetProperty("best"));
            context.EarlierSeconds = root.GetProperty("seconds").GetDouble();
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or IOException)
        {
            throw new BadInputException($"{file}: this checkpoint cannot be read ({fault.Message}). Delete its folder to go on from the one before.", fault);
        }

        hasWritten = true;
        // A kill between a checkpoint and the removal of the ones it replaces leaves them behind.
        context.Run.Directory.PruneCheckpoints(stage.Name, stage.SaveTotalLimit, best.Step);
        return step;
    }

    /// <summary>Starts to write a checkpoint where one is due.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen.</param>
    /// <param name="ends">Whether the stage ends with this step, before its last one.</param>
    /// <exception cref="IOException">An earlier checkpoint could not be written.</exception>
    public void AfterStep(int step, long tokens, bool ends = false)
    {
        writer.ThrowIfFailed();
        best.Add(context.Log.Latest);
        var isLast = step == stage.Steps;
        var isPlanned = stage.SaveSteps > 0 && (isLast || step % stage.SaveSteps == 0);
        if (isPlanned)
            best.EndSpan(step, context.LoggedNames);
        // The last one lets the stage go on where its steps are raised later.
        var isDue = isLast ? hasWritten : stage.SaveMinutes > 0 && context.Run.Time.GetElapsedTime(lastWritten).TotalMinutes >= stage.SaveMinutes;
        if (isPlanned || isDue || ends)
            StartWrite(step, tokens);
    }

    /// <summary>Begins a step; ends the stage with a checkpoint where the run was asked to stop.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void StopWhereAsked(int step, long tokens)
    {
        stateBefore = [.. State];
        SaveWhereStopped(step, tokens, context.Cancellation.ThrowIfCancellationRequested);
    }

    /// <summary>Measures on held-out rows after a step that is logged. Where this is stopped, the step is in a checkpoint, which goes on with the measuring.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen.</param>
    /// <param name="measure">The measuring, which changes nothing.</param>
    public T Evaluate<T>(int step, long tokens, Func<T> measure)
    {
        best.Add(context.Log.Latest);
        StopWhereAsked(step, tokens);
        return SaveWhereStopped(step, tokens, measure);
    }

    /// <summary>
    /// Runs a part of a step before its weights change, which may be stopped: then a checkpoint of the steps before is written, without what the step has done
    /// to <see cref="State"/>.
    /// </summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen in them.</param>
    /// <param name="part">What may be stopped.</param>
    public T SaveWhereStopped<T>(int step, long tokens, Func<T> part)
    {
        try
        {
            return part();
        }
        catch (OperationCanceledException) when (context.Cancellation.IsCancellationRequested)
        {
            writer.Wait();
            if (!context.Run.Directory.CheckpointSteps(stage.Name).Contains(step))
                Write(step, tokens);
            context.Run.Console.Note($"{stage.Name}: stopped after step {step} of {stage.Steps}, checkpoint {context.Run.Directory.Checkpoint(stage.Name, step)}");
            throw;
        }
    }

    /// <summary>The same for a part without a result.</summary>
    public void SaveWhereStopped(int step, long tokens, Action part) => SaveWhereStopped(step, tokens, () =>
    {
        part();
        return true;
    });

    /// <summary>Writes a checkpoint as of the step's beginning, and waits until it is on the disk. The step's weights must not have changed.</summary>
    public void Write(int step, long tokens)
    {
        State.Clear();
        foreach (var (name, value) in stateBefore)
            State[name] = value;
        StartWrite(step, tokens);
        writer.Wait();
    }

    /// <summary>Ends the stage's steps: waits until the last checkpoint is written, and takes the best weights where the recipe asks for them.</summary>
    /// <returns>The step whose weights are taken instead of the last one's; null where these stay.</returns>
    public int? Complete()
    {
        writer.Wait();
        if (!stage.LoadBestModelAtEnd || best.Step is not { } step || step == stage.Steps)
            return null;
        var folder = context.Run.Directory.Checkpoint(stage.Name, step);
        if (CheckpointManifest.Problem(folder) is { } problem)
            throw new IOException($"stage {stage.Name}: the best checkpoint, {folder}, cannot be loaded: {problem}.");
        LoadParts(folder, withOptimizers: false);
        context.Run.Console.Note($"{stage.Name}: the model of step {step} is kept, which had the best {stage.MetricForBestModel}");
        return step;
    }

    /// <summary>Waits for a write that is under way.</summary>
    public void Dispose() => writer.Dispose();

    private static string Folder(string checkpoint, string name) => name == PolicyName ? checkpoint : Path.Combine(checkpoint, name);

    /// <summary>Copies what a checkpoint holds, and starts to write it: into a temporary folder first, which is then renamed.</summary>
    private void StartWrite(int step, long tokens)
    {
        writer.Wait();
        var frozen = Freeze(step);
        var state = StateText(step, tokens);
        var keep = best.Step;
        (hasWritten, lastWritten) = (true, context.Run.Time.GetTimestamp());
        writer.Start(() => Write(step, frozen, state, keep));
    }

    private List<CheckpointPart.FrozenPart> Freeze(int step)
    {
        var frozen = new List<CheckpointPart.FrozenPart>();
        try
        {
            foreach (var part in parts)
                frozen.Add(part.Freeze());
            return frozen;
        }
        catch (IOException fault)
        {
            frozen.ForEach(part => part.Dispose());
            throw NotWritten(step, fault);
        }
    }

    private void LoadParts(string folder, bool withOptimizers)
    {
        using var guard = no_grad();
        foreach (var part in parts)
        {
            if (withOptimizers)
                part.LoadAll(Folder(folder, part.Name));
            else
                part.Load(Folder(folder, part.Name));
        }
    }

    private string StateText(int step, long tokens) => JsonSerializer.Serialize(new
    {
        format = CheckpointManifest.Format,
        stage = stage.Name,
        step,
        num_tokens = tokens,
        optimizer_steps = parts.Where(part => part.Optimizer is not null).ToDictionary(part => part.Name, part => part.Optimizer!.StepCount),
        state = State,
        best = best.State(),
        seconds = context.Seconds,
    }, JsonLayout.Indented) + "\n";

    private void Write(int step, List<CheckpointPart.FrozenPart> frozen, string state, int? bestStep)
    {
        var directory = context.Run.Directory;
        var folder = directory.Checkpoint(stage.Name, step);
        var temporary = folder + ".tmp";
        try
        {
            Disk.DeleteFolder(temporary);
            foreach (var part in frozen)
                part.Write(Folder(temporary, part.Name));
            // What the checkpoint continues must be on the disk before it.
            context.Log.Sync();
            AtomicFile.WriteAllText(Path.Combine(temporary, CheckpointManifest.StateName), state);
            CheckpointManifest.Write(temporary, stage.Name, step);
            Disk.DeleteFolder(folder);
            Disk.MoveFolder(temporary, folder);
            AtomicFile.SyncFolder(Path.GetDirectoryName(folder)!);
            directory.PruneCheckpoints(stage.Name, stage.SaveTotalLimit, bestStep);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw NotWritten(step, fault);
        }
        finally
        {
            frozen.ForEach(part => part.Dispose());
        }
    }

    private IOException NotWritten(int step, Exception fault)
    {
        var good = context.Run.Directory.CheckpointSteps(stage.Name);
        return new IOException($"stage {stage.Name}: the checkpoint after step {step} could not be written: {fault.Message} "
            + (good.Count > 0 ? $"The last good one is {context.Run.Directory.Checkpoint(stage.Name, good[^1])}; go on from it with --resume." : "There is none before it."), fault);
    }
}
