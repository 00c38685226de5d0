namespace LlmRL.Evaluation;

/// <summary>pass@k: the probability that at least one of k samples solves a problem.</summary>
/// <remarks>Chen et al. 2021, arXiv 2107.03374, equation 1.</remarks>
public static class PassAtK
{
    /// <summary>1 − C(n−c, k)/C(n, k): the average over all subsets of k of n samples, of which c are correct; unbiased.</summary>
    /// <param name="samples">n ≥ k.</param>
    /// <param name="correct">c, 0 ≤ c ≤ n.</param>
    /// <param name="k">k ≥ 1.</param>
    public static double Problem(int samples, int correct, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, k);
        ArgumentOutOfRangeException.ThrowIfNegative(correct);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(correct, samples);
        if (k == 1)
            return (double)correct / samples;
        // The ratio of binomials as a product, which neither overflows nor cancels.
        var allWrong = 1.0;
        for (var i = 0; i < k; i++)
            allWrong *= Math.Max(samples - correct - i, 0) / (double)(samples - i);
        return 1 - allWrong;
    }

    /// <summary>The mean over problems; the standard error takes the problems as drawn from a population.</summary>
    /// <param name="samples">n, the same for all problems.</param>
    /// <param name="correct">c of each problem (P).</param>
    /// <param name="k">k ≤ n.</param>
    public static Estimate Mean(int samples, ReadOnlySpan<int> correct, int k)
    {
        var problems = new double[correct.Length];
        for (var p = 0; p < problems.Length; p++)
            problems[p] = Problem(samples, correct[p], k);
        return Estimate.Mean(problems);
    }
}
