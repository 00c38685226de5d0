using System.Text.Json;
using System.Text.Json.Serialization;
using LlmRL.Algorithms;
using LlmRL.Control;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Runs;

namespace LlmRL.Training;

/// <summary>
/// A minibatch whose loss or gradient was not finite, with all that is needed to compute it again: <c>batch.json</c> beside the run's recipe and the weights
/// as they were, in <c>non-finite/STAGE-step-N/</c> of the run. <c>llmrl replay</c> reads it.
/// </summary>
public sealed record SavedBatch
{
    /// <summary>Names in the folder.</summary>
    public const string FileName = "batch.json", RecipeName = "recipe.yaml", PolicyFolder = "policy", ValueFolder = "value";

    private static readonly JsonSerializerOptions Layout = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>The stage's name.</summary>
    public required string Stage { get; init; }

    /// <summary>The step, from 1.</summary>
    public required int Step { get; init; }

    /// <summary>What was not finite.</summary>
    public required string Reason { get; init; }

    /// <summary>Most tokens of a micro-batch.</summary>
    public required int MicroBatchTokens { get; init; }

    /// <summary>Online: β of the step.</summary>
    public double Beta { get; init; }

    /// <summary>Online: c of the entropy bonus of the step.</summary>
    public double EntropyCoef { get; init; }

    /// <summary>Online: the completions, unit by unit.</summary>
    public SavedTrajectory[]? Trajectories { get; init; }

    /// <summary>Offline: the rows.</summary>
    public SavedExample[]? Examples { get; init; }

    /// <summary>Control: the steps.</summary>
    public SavedSteps? Steps { get; init; }

    /// <summary>Keeps a minibatch of a control stage.</summary>
    /// <returns>The folder.</returns>
    public static string Save(StageContext context, ControlStage stage, int step, string reason, ControlAgent agent, ControlBatch minibatch)
    {
        var folder = Begin(context, stage.Name, step);
        agent.Save(folder);
        new SavedBatch { Stage = stage.Name, Step = step + 1, Reason = reason, MicroBatchTokens = stage.MicroBatchTokens, Steps = minibatch.ToSaved() }.Write(folder);
        return folder;
    }

    /// <summary>Keeps a minibatch of an online stage.</summary>
    /// <returns>The folder.</returns>
    public static string Save(StageContext context, OnlineStage stage, int step, string reason, OnlineModels models, IEnumerable<Trajectory> minibatch) => Save(context, new SavedBatch
    {
        Stage = stage.Name,
        Step = step + 1,
        Reason = reason,
        MicroBatchTokens = stage.MicroBatchTokens,
        Beta = stage.Beta,
        EntropyCoef = stage.EntropyCoef,
        Trajectories = [.. minibatch.Select(SavedTrajectory.Of)],
    }, models.Policy, models.Value);

    /// <summary>Keeps a batch of an offline stage.</summary>
    /// <returns>The folder.</returns>
    public static string Save(StageContext context, OfflineStage stage, int step, string reason, Transformer model, IEnumerable<EncodedExample> batch) => Save(context, new SavedBatch
    {
        Stage = stage.Name,
        Step = step + 1,
        Reason = reason,
        MicroBatchTokens = stage.MicroBatchTokens,
        Examples = [.. batch.Select(SavedExample.Of)],
    }, model, null);

    /// <summary>Reads <c>batch.json</c> of a folder.</summary>
    /// <exception cref="BadInputException">It is missing or damaged.</exception>
    public static SavedBatch Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new BadInputException($"{path}: no such file. Name a folder below non-finite/ of a run, which a run writes where a loss or gradient is not finite.");
        try
        {
            return JsonSerializer.Deserialize<SavedBatch>(File.ReadAllBytes(path), Layout) ?? throw new JsonException("it is empty");
        }
        catch (JsonException fault)
        {
            throw new BadInputException($"{path}: no batch can be read from it: {fault.Message}", fault);
        }
    }

    /// <summary>Writes <c>batch.json</c> into a folder.</summary>
    internal void Write(string folder) => AtomicFile.WriteAllBytes(Path.Combine(folder, FileName), JsonSerializer.SerializeToUtf8Bytes(this, Layout));

    /// <summary>Makes the folder, with the recipe in it.</summary>
    private static string Begin(StageContext context, string stage, int step)
    {
        var folder = context.Run.Directory.NonFinite(stage, step + 1);
        Directory.CreateDirectory(folder);
        AtomicFile.WriteAllText(Path.Combine(folder, RecipeName), RecipeWriter.Write(context.Run.Recipe));
        return folder;
    }

    private static string Save(StageContext context, SavedBatch batch, Transformer policy, Transformer? value)
    {
        var folder = Begin(context, batch.Stage, batch.Step - 1);
        ModelFolder.Save(policy, Path.Combine(folder, PolicyFolder), context.Tokenizer);
        if (value is not null)
            ModelFolder.Save(value, Path.Combine(folder, ValueFolder), null);
        batch.Write(folder);
        return folder;
    }
}

/// <summary>A <see cref="Trajectory"/> as a file holds it: what losses read.</summary>
public sealed record SavedTrajectory(
    int[] Prompt, int[] Tokens, float[] LogProbs, float[] ReferenceLogProbs, float[] Values, float[] Returns, float[] Advantages, double Score, bool Counts, bool Truncated, string Text)
{
    /// <summary>From a trajectory.</summary>
    public static SavedTrajectory Of(Trajectory trajectory) => new(
        trajectory.Prompt, trajectory.Completion.Tokens, trajectory.LogProbs, trajectory.ReferenceLogProbs, trajectory.Values, trajectory.Returns, trajectory.Advantages,
        trajectory.Score, trajectory.Counts, trajectory.IsTruncated, trajectory.Text);

    /// <summary>Back to a trajectory.</summary>
    public Trajectory Restore(int index) => new()
    {
        Example = new Example { Prompt = "" },
        Prompt = Prompt,
        Completion = new Completion(index, 0, Tokens, LogProbs, Truncated ? FinishReason.Length : FinishReason.Stop),
        Text = Text,
        ReferenceLogProbs = ReferenceLogProbs,
        Values = Values,
        Returns = Returns,
        Advantages = Advantages,
        Score = Score,
        Counts = Counts,
    };
}

/// <summary>An <see cref="EncodedExample"/> as a file holds it.</summary>
public sealed record SavedExample(int[][] Sequences, int PromptLength, float[] ReferenceLogProbs, double? Margin, string Source, bool[][]? Learned = null)
{
    /// <summary>From a row.</summary>
    public static SavedExample Of(EncodedExample row) => new(row.Sequences, row.PromptLength, row.ReferenceLogProbs, row.Example.Margin, row.Example.Source, row.Learned);

    /// <summary>Back to a row.</summary>
    public EncodedExample Restore() => new(Sequences, PromptLength, new Example { Prompt = "", Margin = Margin, Source = Source }) { ReferenceLogProbs = ReferenceLogProbs, Learned = Learned };
}
