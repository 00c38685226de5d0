namespace LlmRL.Alarms;

/// <summary>What alarms know of a metric: its mean over the last steps, its mean over the first ones, and its noise. Takes no more room the longer a run is.</summary>
/// <param name="size">Steps in a window.</param>
internal sealed class MetricWindow(int size)
{
    private readonly double[] latest = new double[size];
    private double startSum, squaredDifferences, last;

    /// <summary>Values so far.</summary>
    public long Count { get; private set; }

    /// <summary>Whether there are enough values for the means to mean something.</summary>
    public bool IsFull => Count >= size;

    /// <summary>Mean of the last values, a window of them.</summary>
    public double Mean => latest.Sum() / size;

    /// <summary>Mean of the first values, a window of them.</summary>
    public double Start => startSum / size;

    /// <summary>
    /// Standard deviation of a single value around the metric's trend, from the differences of neighbours: √(Σ(xᵢ₊₁ − xᵢ)²/(2(n − 1))) (von Neumann 1941). A slow
    /// rise or fall adds nothing to it.
    /// </summary>
    public double Noise => Count < 2 ? 0 : Math.Sqrt(squaredDifferences / (2 * (Count - 1)));

    /// <summary>Standard error of the difference of two means over windows.</summary>
    public double ErrorOfDifference => Noise * Math.Sqrt(2.0 / size);

    /// <summary>Takes the next value; one that is not finite is left out.</summary>
    public void Add(double value)
    {
        if (!double.IsFinite(value))
            return;
        if (Count > 0)
            squaredDifferences += (value - last) * (value - last);
        if (Count < size)
            startSum += value;
        latest[Count % size] = value;
        last = value;
        Count++;
    }
}
