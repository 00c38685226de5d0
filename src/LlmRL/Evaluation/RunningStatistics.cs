namespace LlmRL.Evaluation;

/// <summary>A mean with its standard error.</summary>
/// <param name="Value">The mean.</param>
/// <param name="StandardError">Standard deviation (n − 1) of the items over √n; 0 for fewer than two items.</param>
/// <param name="Count">n: how many independent items it rests on.</param>
public readonly record struct Estimate(double Value, double StandardError, int Count)
{
    /// <summary>The mean of independent items.</summary>
    public static Estimate Mean(ReadOnlySpan<double> items)
    {
        var statistics = new RunningStatistics();
        foreach (var item in items)
            statistics.Add(item);
        return new Estimate(statistics.Mean, statistics.StandardError, items.Length);
    }
}

/// <summary>Mean, variance and extremes of a stream of numbers in one pass, without the cancellation of Σx² − (Σx)²/n.</summary>
/// <remarks>Welford 1962; merging: Chan, Golub and LeVeque 1979.</remarks>
public sealed class RunningStatistics
{
    private double squares;

    /// <summary>n: how many numbers were added.</summary>
    public long Count { get; private set; }

    /// <summary>x̄; 0 before the first number.</summary>
    public double Mean { get; private set; }

    /// <summary>Smallest number; +∞ before the first.</summary>
    public double Min { get; private set; } = double.PositiveInfinity;

    /// <summary>Largest number; −∞ before the first.</summary>
    public double Max { get; private set; } = double.NegativeInfinity;

    /// <summary>Σ(x − x̄)²/(n − 1); 0 for fewer than two numbers.</summary>
    public double Variance => Count < 2 ? 0 : squares / (Count - 1);

    /// <summary>√<see cref="Variance"/>.</summary>
    public double StandardDeviation => Math.Sqrt(Variance);

    /// <summary>Of the mean: <see cref="StandardDeviation"/>/√n.</summary>
    public double StandardError => Count < 2 ? 0 : Math.Sqrt(Variance / Count);

    /// <summary>The statistics of numbers of which only these three are known any more; the extremes start anew.</summary>
    public static RunningStatistics Restore(long count, double mean, double variance) =>
        new() { Count = count, Mean = mean, squares = variance * Math.Max(0, count - 1) };

    /// <summary>Adds a number.</summary>
    public void Add(double value)
    {
        Count++;
        var before = value - Mean;
        Mean += before / Count;
        squares += before * (value - Mean);
        Min = Math.Min(Min, value);
        Max = Math.Max(Max, value);
    }

    /// <summary>Adds all numbers that <paramref name="other"/> has seen.</summary>
    public void Merge(RunningStatistics other)
    {
        if (other.Count == 0)
            return;
        var total = Count + other.Count;
        var distance = other.Mean - Mean;
        squares += other.squares + distance * distance * ((double)Count * other.Count / total);
        Mean += distance * other.Count / total;
        Count = total;
        Min = Math.Min(Min, other.Min);
        Max = Math.Max(Max, other.Max);
    }
}
