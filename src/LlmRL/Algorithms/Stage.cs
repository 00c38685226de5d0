using System.ComponentModel.DataAnnotations;
using LlmRL.Models;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Algorithms;

/// <summary>One stage of a recipe: what to do, with every setting. Its kind is its <c>[Variant]</c> name.</summary>
public abstract record Stage
{
    /// <summary>The name under which later stages and the run directory refer to it.</summary>
    public required string Name { get; init; }

    /// <summary>Names of the stages or folders whose models this stage reads.</summary>
    public abstract IEnumerable<string> Inputs { get; }

    /// <summary>Whether it leaves a model in <c>final/NAME</c>.</summary>
    public virtual bool HasModel => true;

    /// <summary>Whether it works on a language model, so that the recipe must have one.</summary>
    public virtual bool NeedsLanguageModel => true;

    /// <summary>Does the work.</summary>
    public abstract StageSummary Run(StageContext context);
}

/// <summary>What every stage that trains has: the optimizer's settings, named as Hugging Face's <c>TrainingArguments</c>.</summary>
public abstract record TrainingStage : Stage
{
    /// <summary>Number of optimizer steps (offline) or sampling phases (online).</summary>
    [Range(1, int.MaxValue)]
    public required int Steps { get; init; }

    /// <summary>Peak learning rate.</summary>
    [Range(0.0, 10.0)]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How the learning rate moves.</summary>
    public LearningRateSchedule LrSchedulerType { get; init; } = LearningRateSchedule.Linear;

    /// <summary>Steps over which the learning rate rises from 0.</summary>
    [Range(0, int.MaxValue)]
    public int WarmupSteps { get; init; }

    /// <summary>Decoupled weight decay, on matrices only.</summary>
    [Range(0.0, 10.0)]
    public double WeightDecay { get; init; }

    /// <summary>Gradients are scaled down to this norm; 0: never.</summary>
    [Range(0.0, 1e6)]
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>β₁ of Adam.</summary>
    [Range(0.0, 0.9999999)]
    public double AdamBeta1 { get; init; } = 0.9;

    /// <summary>β₂ of Adam.</summary>
    [Range(0.0, 0.9999999)]
    public double AdamBeta2 { get; init; } = 0.999;

    /// <summary>ε of Adam: 1e-5, as in the reference implementations of RLHF (arXiv 2403.17031).</summary>
    [Range(1e-12, 1.0)]
    public double AdamEpsilon { get; init; } = 1e-5;

    /// <summary>Most tokens that go through the model at once, a prompt that samples share counted once: bounds memory, changes no result beyond rounding.</summary>
    [Range(16, int.MaxValue)]
    public int MicroBatchTokens { get; init; } = MicroBatches.DefaultTokens;

    /// <summary>What passes read and compute in: <c>auto</c> is bfloat16 on CUDA and float32 on the CPU. What is trained has float32 master copies, gradients and moments.</summary>
    public WeightType Dtype { get; init; }

    /// <summary>Whether the backward pass computes each layer again instead of keeping its activations: less memory, a third more work, the same gradients.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>Where the optimizer's moments are kept, 8 bytes for each weight that is trained: with <c>disk</c> in a file instead of memory, with the same results. On the CPU only.</summary>
    public OptimizerOffload OptimizerOffload { get; init; }

    /// <summary>A checkpoint is written every so many steps, and after the last one; 0: none by steps.</summary>
    [Range(0, int.MaxValue)]
    public int SaveSteps { get; init; }

    /// <summary>A checkpoint is written where so many minutes have passed since the last one; 0: none by time.</summary>
    [Range(0.0, 1e6)]
    public double SaveMinutes { get; init; } = 15;

    /// <summary>How many of the newest checkpoints are kept.</summary>
    [Range(1, int.MaxValue)]
    public int SaveTotalLimit { get; init; } = 2;

    /// <summary>
    /// A logged metric such as <c>reward</c>: the checkpoint of <see cref="SaveSteps"/> with the best mean of it over the steps since the one before is kept
    /// too; of a held-out metric such as <c>eval/reward</c> the checkpoint's own value counts. Null: only the newest are kept.
    /// </summary>
    public string? MetricForBestModel { get; init; }

    /// <summary>Whether a greater metric is better; by default it is, unless the metric's name ends in <c>loss</c>.</summary>
    public bool? GreaterIsBetter { get; init; }

    /// <summary>Whether the stage's model is that of the best checkpoint instead of the last step's.</summary>
    public bool LoadBestModelAtEnd { get; init; }

    /// <summary>Whether a greater <see cref="MetricForBestModel"/> is better.</summary>
    internal bool IsGreaterBetter => GreaterIsBetter ?? MetricForBestModel?.EndsWith("loss", StringComparison.Ordinal) != true;

    /// <summary>Steps from one evaluation on held-out rows to the next; 0: there is none while the stage runs.</summary>
    internal virtual int EvaluationInterval => 0;

    /// <summary>What is wrong with the settings of checkpoints and of evaluations that choose among them: a property's name and the problem; null where nothing is.</summary>
    internal virtual (string Key, string Problem)? CheckpointProblem()
    {
        if (HeldOutSchedule.IsHeldOut(MetricForBestModel) && SaveSteps > 0 && (EvaluationInterval == 0 || SaveSteps % EvaluationInterval != 0))
        {
            return (nameof(MetricForBestModel), $"{MetricForBestModel} is measured on held-out rows, which "
                + (EvaluationInterval == 0 ? "this stage does not do while it runs; name eval_data, and set eval_steps to a divisor of save_steps" : $"happens every {EvaluationInterval} steps; set eval_steps to a divisor of save_steps, which is {SaveSteps}"));
        }

        if (MetricForBestModel is not null && SaveSteps == 0)
            return (nameof(MetricForBestModel), "checkpoints are compared at the steps of save_steps, which is 0; give it a value");
        return LoadBestModelAtEnd && MetricForBestModel is null ? (nameof(LoadBestModelAtEnd), "which model is best is for metric_for_best_model to say; name a logged metric, such as reward") : null;
    }

    /// <summary>The optimizer's settings.</summary>
    public AdamWOptions OptimizerOptions() => new()
    {
        Beta1 = AdamBeta1,
        Beta2 = AdamBeta2,
        Epsilon = AdamEpsilon,
        WeightDecay = WeightDecay,
        MaxGradNorm = MaxGradNorm,
    };

    /// <summary>The learning rate of a step, counted from 0.</summary>
    public double LearningRateAt(long step) => LrSchedulerType.At(LearningRate, step, Steps, WarmupSteps);
}
