using System.ComponentModel.DataAnnotations;
using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Control;

/// <summary>
/// A stage that trains a small network on a classic control task, from random weights, with the same equations as the language models. Its
/// <see cref="TrainingStage.Steps"/> are sampling phases; the whole stage runs on the CPU.
/// </summary>
[Variant("control", Title = "Classic control", About = "A small network learns a control task by trial and error, with the same equations as the language models.")]
public sealed record ControlStage : TrainingStage, IValidated, IWatchedStage
{
    /// <summary>The task.</summary>
    public required EnvironmentKind Environment { get; init; }

    /// <summary>How it learns.</summary>
    public required ControlAlgorithm Algorithm { get; init; }

    /// <summary>Environments that are stepped side by side.</summary>
    [Range(1, 1 << 16)]
    public int NumEnvs { get; init; } = 8;

    /// <summary>Widths of the hidden layers, of policy and value network alike.</summary>
    [Range(1, 1 << 16)]
    public IReadOnlyList<int> HiddenSizes { get; init; } = [64, 64];

    /// <summary>Peak learning rate of the value network; that of the policy by default.</summary>
    [Range(0.0, 10.0)]
    public double? ValueLearningRate { get; init; }

    /// <summary>c of the entropy bonus −c·H in the loss (Williams and Peng 1991).</summary>
    [Range(0.0, 100.0)]
    public double EntropyCoef { get; init; }

    /// <summary>Fresh episodes on which the trained policy is measured.</summary>
    [Range(1, 1 << 16)]
    public int EvalEpisodes { get; init; } = 100;

    /// <summary>Whether the likeliest action is taken there, instead of one sampled from the policy.</summary>
    public bool EvalGreedy { get; init; }

    /// <summary>Alarms of this stage, before those of the recipe: that of entropy, whose others look at completions, references and reward functions.</summary>
    public AlarmSettings? Alarms { get; init; }

    IEnumerable<string> IWatchedStage.LoggedMetrics =>
    [
        "return", "episode_length", "loss", "entropy", "grad_norm", "approx_kl", "policy/clipfrac_avg", "loss/value_avg", "val/explained_variance", "baseline", "learning_rate", "environment_steps",
    ];

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => [];

    /// <inheritdoc/>
    public override bool NeedsLanguageModel => false;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (NumEnvs < 2 && Algorithm is ControlReinforce { Baseline: BaselineKind.LeaveOneOut })
            yield return (nameof(NumEnvs), $"{NumEnvs}; baseline: leave_one_out compares the episodes of a phase with each other, give it 2 or more");
        foreach (var problem in AlarmSettings.Problems(Alarms, [this], AlarmSettings.KeyInStage))
            yield return problem;
        if (Dtype == WeightType.Bfloat16)
            yield return (nameof(Dtype), "a control stage's networks are small and float32; remove it");
        if (GradientCheckpointing)
            yield return (nameof(GradientCheckpointing), "a control stage's networks have no layers worth computing again; remove it");
        if (OptimizerOffload != OptimizerOffload.None)
            yield return (nameof(OptimizerOffload), "a control stage's networks are small, and so are their moments; remove it");
    }

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context) => ControlLoop.Run(this, context);

    /// <summary>The value network's learning rate of a step, counted from 0.</summary>
    public double ValueLearningRateAt(long step) => LrSchedulerType.At(ValueLearningRate ?? LearningRate, step, Steps, WarmupSteps);
}
