namespace LlmRL.Evaluation;

/// <summary>Confidence intervals by resampling.</summary>
public static class Bootstrap
{
    /// <summary>The percentile interval of the mean: quantiles of the means of samples drawn from the items with replacement.</summary>
    /// <remarks>Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3.</remarks>
    /// <param name="items">Independent items, one per prompt (n ≥ 1).</param>
    /// <param name="random">Where the draws come from.</param>
    /// <param name="confidence">Probability inside the interval, 0 &lt; confidence &lt; 1.</param>
    /// <param name="resamples">How many samples are drawn.</param>
    public static (double Low, double High) Mean(ReadOnlySpan<double> items, RandomStream random, double confidence = 0.95, int resamples = 1000)
    {
        ArgumentOutOfRangeException.ThrowIfZero(items.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(confidence);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(confidence, 1);
        var means = new double[resamples];
        for (var r = 0; r < resamples; r++)
        {
            var sum = 0.0;
            for (var i = 0; i < items.Length; i++)
                sum += items[random.Next(0, items.Length)];
            means[r] = sum / items.Length;
        }

        Array.Sort(means);
        return (Quantile(means, (1 - confidence) / 2), Quantile(means, (1 + confidence) / 2));
    }

    /// <summary>The q-quantile of sorted numbers, linear between neighbours (NumPy's default).</summary>
    /// <param name="sorted">Numbers in ascending order, at least one.</param>
    /// <param name="q">0 ≤ q ≤ 1.</param>
    public static double Quantile(ReadOnlySpan<double> sorted, double q)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length);
        var position = q * (sorted.Length - 1);
        var below = (int)Math.Floor(position);
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
    }
}
