namespace LlmRL.Evaluation;

/// <summary>The outcome of comparing the policy's completion with its opponent's.</summary>
public enum Verdict
{
    /// <summary>The opponent's is better.</summary>
    Loss,

    /// <summary>Neither is better: counts half.</summary>
    Tie,

    /// <summary>The policy's is better.</summary>
    Win,
}

/// <summary>How often a policy's completion is preferred; a tie counts half, so equal policies score ½.</summary>
public static class WinRate
{
    /// <summary>1 for a win, ½ for a tie, 0 for a loss.</summary>
    public static double Points(Verdict verdict) => verdict switch { Verdict.Win => 1, Verdict.Tie => 0.5, _ => 0 };

    /// <summary>The verdict of two scores; a difference of at most <paramref name="margin"/> is a tie.</summary>
    /// <param name="score">The policy's score.</param>
    /// <param name="opponent">The opponent's score.</param>
    /// <param name="margin">≥ 0, in the scores' unit.</param>
    public static Verdict Compare(double score, double opponent, double margin = 0) =>
        Math.Abs(score - opponent) <= margin ? Verdict.Tie : score > opponent ? Verdict.Win : Verdict.Loss;

    /// <summary>
    /// A judge's two verdicts on one pair, asked with the policy first and with it second: their agreement, and a tie where they differ, so that a judge that
    /// merely prefers the first place gives everybody ½ (Zheng et al. 2023, arXiv 2306.05685, section 3.4).
    /// </summary>
    public static Verdict Swapped(Verdict policyFirst, Verdict policySecond) => policyFirst == policySecond ? policyFirst : Verdict.Tie;

    /// <summary>Mean points over the comparisons.</summary>
    /// <param name="verdicts">One per prompt (P).</param>
    public static Estimate Mean(ReadOnlySpan<Verdict> verdicts)
    {
        var points = new double[verdicts.Length];
        for (var i = 0; i < points.Length; i++)
            points[i] = Points(verdicts[i]);
        return Estimate.Mean(points);
    }

    /// <summary>
    /// Wilson's score interval for a rate p̂ of n comparisons: (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n). Unlike p̂ ± z·SE it stays within [0, 1] and is
    /// not a point at 0 or 1. With ties it is wider than need be.
    /// </summary>
    /// <remarks>Wilson 1927, "Probable inference, the law of succession, and statistical inference".</remarks>
    /// <param name="rate">p̂.</param>
    /// <param name="count">n ≥ 1.</param>
    /// <param name="z">Normal quantile; 1.96 for 95 %.</param>
    public static (double Low, double High) Wilson(double rate, int count, double z = 1.959963984540054)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rate);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rate, 1);
        var share = z * z / count;
        var centre = rate + share / 2;
        var half = z * Math.Sqrt(rate * (1 - rate) / count + share / (4 * count));
        // Rounding must not push a bound past a rate of exactly 0 or 1.
        return (Math.Clamp((centre - half) / (1 + share), 0, rate), Math.Clamp((centre + half) / (1 + share), rate, 1));
    }
}
