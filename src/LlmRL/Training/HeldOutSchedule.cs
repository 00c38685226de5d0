using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using LlmRL.Algorithms;
using LlmRL.Runs;

namespace LlmRL.Training;

/// <summary>
/// Measures a model on held-out rows while it is trained: after every so many steps, before the step's checkpoint is written, as a row of <c>metrics.jsonl</c> by itself. A run
/// that was stopped while it measured does so again when it resumes.
/// </summary>
/// <param name="stage">The stage.</param>
/// <param name="context">Where rows are logged.</param>
/// <param name="checkpoints">Those of the stage.</param>
/// <param name="measure">The numbers by the names that training logs them by; null: nothing is measured.</param>
/// <param name="isDue">Whether there is something to measure after so many steps, given whether they are the last.</param>
/// <param name="logged">Is told the steps done once their row is logged; null: nobody is.</param>
internal sealed class HeldOutSchedule(
    TrainingStage stage, StageContext context, StageCheckpoints checkpoints, Func<IEnumerable<KeyValuePair<string, double>>>? measure, Func<int, bool, bool> isDue,
    Action<int>? logged = null)
{
    /// <summary>Whether a metric is of held-out rows.</summary>
    public static bool IsHeldOut([NotNullWhen(true)] string? metric) => metric?.StartsWith(MetricCatalog.HeldOutPrefix, StringComparison.Ordinal) == true;

    /// <summary>Measures before the first step where that is wanted, or what a stopped run still had to measure.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen in them.</param>
    /// <param name="ends">Whether an alarm has ended the stage.</param>
    public void Begin(int step, long tokens, bool ends = false)
    {
        if (measure is null || !isDue(step, ends || step == stage.Steps) || context.LoggedEvaluation(step) is not null)
            return;
        After(step, tokens, ends);
        if (step > 0)
            checkpoints.AfterStep(step, tokens, ends);
    }

    /// <summary>Measures after a step where it is due.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="tokens">Tokens seen in them.</param>
    /// <param name="ends">Whether the stage ends with this step, before its last one.</param>
    public void After(int step, long tokens, bool ends = false)
    {
        if (measure is null || !isDue(step, ends || step == stage.Steps))
            return;
        var start = Stopwatch.GetTimestamp();
        var values = checkpoints.Evaluate(step, tokens, () => context.Explain(step, measure).Select(pair => KeyValuePair.Create(MetricCatalog.HeldOutPrefix + pair.Key, pair.Value)).ToArray());
        context.Log.Evaluation(step, [.. values, new("time/evaluation", Stopwatch.GetElapsedTime(start).TotalSeconds)]);
        logged?.Invoke(step);
    }

    /// <summary>The numbers of the model that the stage leaves: those of its step, or measured now.</summary>
    /// <param name="step">The step that the weights are of.</param>
    public IEnumerable<KeyValuePair<string, double>> Of(int step) => measure is null ? []
        : context.LoggedEvaluation(step) ?? measure().Select(pair => KeyValuePair.Create(MetricCatalog.HeldOutPrefix + pair.Key, pair.Value));
}
