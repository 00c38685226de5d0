using System.Text.Json;
using LlmRL.Algorithms;

namespace LlmRL.Training;

/// <summary>
/// Follows <see cref="TrainingStage.MetricForBestModel"/>: its mean over the steps between two checkpoints of <see cref="TrainingStage.SaveSteps"/> (of a metric on held-out
/// rows: the last value), and which of them had the best. Part of a checkpoint, so that a run which was interrupted within such a span comes to the same choice.
/// </summary>
internal sealed class BestCheckpoint(TrainingStage stage)
{
    private double sum;
    private int count;
    private double? best;

    /// <summary>The step of the best checkpoint so far; null where there is none, or no metric was named.</summary>
    public int? Step { get; private set; }

    /// <summary>Adds a step's numbers.</summary>
    public void Add(IEnumerable<KeyValuePair<string, double>> values)
    {
        foreach (var (_, value) in values.Where(pair => pair.Key == stage.MetricForBestModel && double.IsFinite(pair.Value)))
            (sum, count) = HeldOutSchedule.IsHeldOut(stage.MetricForBestModel) ? (value, 1) : (sum + value, count + 1);
    }

    /// <summary>Ends a span with a checkpoint.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="known">Gives the metrics that there are, for the message: it reads the log from its beginning.</param>
    /// <exception cref="BadInputException">No step of the span had the metric.</exception>
    public void EndSpan(int step, Func<IEnumerable<string>> known)
    {
        if (stage.MetricForBestModel is not { } metric)
            return;
        if (count == 0)
            throw new BadInputException($"stage {stage.Name}: metric_for_best_model is {metric}, which no step up to step {step} logged. There are {string.Join(", ", known())}.");
        var mean = sum / count;
        (sum, count) = (0, 0);
        if (best is { } other && (stage.IsGreaterBetter ? mean <= other : mean >= other))
            return;
        (best, Step) = (mean, step);
    }

    /// <summary>What a checkpoint keeps of it, by Hugging Face's names where they have one.</summary>
    public Dictionary<string, double?> State() => new() { ["best_metric"] = best, ["best_step"] = Step, ["span_sum"] = sum, ["span_count"] = count };

    /// <summary>Takes it from a checkpoint.</summary>
    public void Restore(JsonElement state)
    {
        double? Number(string name) => state.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
        (best, Step) = (Number("best_metric"), (int?)Number("best_step"));
        (sum, count) = (Number("span_sum") ?? 0, (int)(Number("span_count") ?? 0));
    }
}
