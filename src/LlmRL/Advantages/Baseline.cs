namespace LlmRL.Advantages;

/// <summary>
/// What is subtracted from a return before it weighs ∇log π. A baseline that does not depend on the action leaves the gradient's expectation as it is and
/// lowers its variance (Williams 1992).
/// </summary>
public static class Baseline
{
    /// <summary>b = 1/B Σ_i G_i. It contains G_i itself, so the expected gradient shrinks by the factor 1 − 1/B; see <see cref="LeaveOneOut"/>.</summary>
    /// <param name="returns">G_i (B), B ≥ 1.</param>
    public static double BatchMean(ReadOnlySpan<double> returns)
    {
        ArgumentOutOfRangeException.ThrowIfZero(returns.Length);
        var sum = 0.0;
        foreach (var value in returns)
            sum += value;
        return sum / returns.Length;
    }

    /// <summary>A_i = G_i − b.</summary>
    /// <param name="returns">G_i (B).</param>
    /// <param name="baseline">b.</param>
    /// <param name="advantages">Receives A_i (B); may be the returns' own memory.</param>
    public static void Subtract(ReadOnlySpan<double> returns, double baseline, Span<double> advantages)
    {
        Spans.ExpectLength<double>(advantages, returns.Length);
        for (var i = 0; i < returns.Length; i++)
            advantages[i] = returns[i] - baseline;
    }
}

/// <summary>
/// A moving average of returns as a baseline: ρ̂ ← β ρ̂ + (1 − β) G. Use <see cref="Baseline"/> before <see cref="Updated"/> sees the same returns, or the
/// baseline depends on the action. The two numbers are its whole state, for a checkpoint.
/// </summary>
/// <param name="Average">ρ̂, from 0.</param>
/// <param name="Remaining">β^n after n updates, from 1: the weight that ρ̂ still gives to its start.</param>
public readonly record struct MovingAverageBaseline(double Average, double Remaining)
{
    /// <summary>Before any return was seen: the baseline is 0.</summary>
    public static MovingAverageBaseline Start { get; } = new(0, 1);

    /// <summary>ρ̂ / (1 − β^n): the average without the pull towards its start, as Adam corrects its moments (arXiv 1412.6980, section 3).</summary>
    public double Baseline => Remaining < 1 ? Average / (1 - Remaining) : 0;

    /// <summary>The average after one more return (or one batch's mean return).</summary>
    /// <param name="value">G.</param>
    /// <param name="beta">β, 0 ≤ β &lt; 1; the average spans about 1/(1 − β) updates.</param>
    public MovingAverageBaseline Updated(double value, double beta)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(beta);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(beta, 1);
        return new MovingAverageBaseline(beta * Average + (1 - beta) * value, beta * Remaining);
    }
}
