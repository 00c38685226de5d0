using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Algorithms;

/// <summary>A stage that learns from a fixed data set: data set → loss → step.</summary>
public abstract record OfflineStage : TrainingStage
{
    /// <summary>What it learns from.</summary>
    public required DataSource Data { get; init; }

    /// <summary>Held-out rows on which the result is measured at the end, and every <see cref="EvalSteps"/> steps, logged as <c>eval/…</c>.</summary>
    public DataSource? EvalData { get; init; }

    /// <summary>Steps from one evaluation on <see cref="EvalData"/> to the next; 0: only at the end.</summary>
    [Range(0, int.MaxValue)]
    public int EvalSteps { get; init; }

    /// <summary>The model to start from: an earlier stage, a folder, or <c>base</c> for the recipe's model.</summary>
    public string Policy { get; init; } = Recipe.BaseModel;

    /// <summary>Low-rank adapters that are trained in place of all weights; by default there are none.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>Rows per step.</summary>
    [Range(1, 1 << 20)]
    public int BatchSize { get; init; } = 32;

    /// <summary>Rows with more tokens, prompt and completion together, are left out and counted in a warning.</summary>
    [Range(2, 1 << 20)]
    public int? MaxLength { get; init; }

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => [Policy];

    internal override int EvaluationInterval => EvalData is null ? 0 : EvalSteps;

    internal override (string Key, string Problem)? CheckpointProblem() => EvalSteps > 0 && EvalData is null
        ? (nameof(EvalSteps), "there are no held-out rows to look at; name them under eval_data")
        : base.CheckpointProblem();

    /// <summary>Whether held-out rows are looked at after so many steps. At the end they are in any case, for the summary.</summary>
    /// <param name="steps">Steps done.</param>
    /// <param name="isLast">Whether the stage ends with them.</param>
    internal bool IsEvaluatedAfter(int steps, bool isLast) => steps > 0 && EvalSteps > 0 && (isLast || steps % EvalSteps == 0);

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context) => OfflineLoop.Run(this, context);

    /// <summary>The frozen model that the loss compares with: an earlier stage, a folder, or <c>base</c>; null for losses without one.</summary>
    public virtual string? ReferenceModel => null;

    /// <summary>Loads the model that is trained.</summary>
    public abstract Transformer LoadModel(StageContext context);

    /// <summary>Turns a row into token sequences: one for a demonstration, chosen and rejected for a pair.</summary>
    /// <exception cref="BadInputException">The row lacks a column that this stage needs.</exception>
    public abstract EncodedExample Encode(Example example, StageContext context);

    /// <summary>Runs a micro-batch forward and backward, adding to the model's gradients.</summary>
    /// <param name="model">The model.</param>
    /// <param name="micro">Some rows of the batch.</param>
    /// <param name="share">What the whole batch holds.</param>
    /// <param name="metrics">Where the numbers go.</param>
    /// <param name="train">False: forward only, for measuring.</param>
    public abstract void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train);

    /// <summary>What remains to do once the last step is taken, before the model is saved.</summary>
    public virtual void Finish(Transformer model, StageContext context) { }

    /// <summary>Chosen and rejected of a pair, each behind the prompt.</summary>
    /// <exception cref="BadInputException">The row is no pair.</exception>
    protected static EncodedExample EncodePreference(Example example, StageContext context)
    {
        if (example.Chosen is null || example.Rejected is null)
            throw new BadInputException($"{example.Source}: a {context.Kind(context.Stage)} stage needs the columns chosen and rejected in every row; map them under data.columns.");
        var (prompt, chosen) = context.EncodePair(example, example.Chosen);
        var (_, rejected) = context.EncodePair(example, example.Rejected);
        return new EncodedExample([[.. prompt, .. chosen], [.. prompt, .. rejected]], prompt.Length, example);
    }
}

/// <summary>A row as tokens.</summary>
/// <param name="Sequences">One sequence, or chosen and rejected.</param>
/// <param name="PromptLength">How many tokens at the start are the prompt; they are not learned.</param>
/// <param name="Example">The row.</param>
public sealed record EncodedExample(int[][] Sequences, int PromptLength, Example Example)
{
    /// <summary>Tokens of all sequences.</summary>
    public int Length => Sequences.Sum(sequence => sequence.Length);

    /// <summary>Tokens that a model reads where the sequences share the prompt's.</summary>
    public int Rows => Length - (Sequences.Length - 1) * PromptLength;

    /// <summary>Which tokens behind the prompt are learned, sequence by sequence; null: all of them.</summary>
    public bool[][]? Learned { get; init; }

    /// <summary>Tokens that are learned.</summary>
    public int TargetCount => Learned?.Sum(learned => learned.Count(isLearned => isLearned)) ?? Sequences.Sum(sequence => sequence.Length - PromptLength);

    /// <summary>Whether a token behind the prompt is learned.</summary>
    /// <param name="part">Which sequence.</param>
    /// <param name="position">Its place in the sequence.</param>
    public bool Learns(int part, int position) => Learned is null || Learned[part][position - PromptLength];

    /// <summary>log π_ref(completion | prompt) of each sequence in nats; empty where the stage has no reference.</summary>
    public float[] ReferenceLogProbs { get; set; } = [];
}
