using LlmRL.Advantages;

namespace LlmRL.Algorithms;

/// <summary>A baseline that is one number for the whole batch, with what it remembers of earlier batches kept among a stage's numbers.</summary>
internal static class ConstantBaseline
{
    private const string AverageKey = "baseline_average", RemainingKey = "baseline_remaining";

    /// <summary>b for this batch; a moving average takes the batch in afterwards, so that the baseline does not depend on the actions that it weighs.</summary>
    /// <param name="kind">Which baseline; 0 for those that are no constant.</param>
    /// <param name="beta">β of the moving average.</param>
    /// <param name="returns">G_i (B).</param>
    /// <param name="state">Numbers that live as long as the stage and are part of its checkpoints.</param>
    public static double Next(BaselineKind kind, double beta, ReadOnlySpan<double> returns, IDictionary<string, double> state)
    {
        if (kind is not (BaselineKind.BatchMean or BaselineKind.MovingAverage))
            return 0;
        var mean = Baseline.BatchMean(returns);
        if (kind == BaselineKind.BatchMean)
            return mean;
        var average = state.TryGetValue(AverageKey, out var value) ? new MovingAverageBaseline(value, state[RemainingKey]) : MovingAverageBaseline.Start;
        var updated = average.Updated(mean, beta);
        (state[AverageKey], state[RemainingKey]) = (updated.Average, updated.Remaining);
        return average.Baseline;
    }
}
