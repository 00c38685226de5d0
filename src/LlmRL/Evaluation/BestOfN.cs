namespace LlmRL.Evaluation;

/// <summary>
/// The policy that draws n completions and gives the one with the highest proxy reward. From N ≥ n completions of a prompt the expectation over all subsets
/// of n is exact, without drawing them: with the N ranked by reward (i = 0 the lowest), the i-th is the best of C(i, n−1) of the C(N, n) subsets. The estimator
/// is that of Nakano et al. 2021, arXiv 2112.09332, appendix I.
/// </summary>
public static class BestOfN
{
    /// <summary>w_i = C(i, n−1)/C(N, n): how often the i-th lowest of N is the best of n. They add up to 1.</summary>
    /// <param name="total">N ≥ n.</param>
    /// <param name="n">n ≥ 1.</param>
    public static double[] Weights(int total, int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(total, n);
        var weights = new double[total];
        // The highest of all is the best of n/N of the subsets; each step down multiplies by (i − n + 1)/i.
        weights[total - 1] = (double)n / total;
        for (var i = total - 1; i >= n; i--)
            weights[i - 1] = weights[i] * (i - n + 1) / i;
        return weights;
    }

    /// <summary>KL(best-of-n ‖ policy) = ln n − (n − 1)/n in nats, where all completions have different rewards; else an upper bound (arXiv 2009.01325, appendix G.3; arXiv 2401.01879).</summary>
    public static double Kl(int n) => Math.Log(n) - (n - 1.0) / n;

    /// <summary>The expected value of the best of n.</summary>
    /// <param name="rewards">What is maximised, per completion (N). Among equal ones the first counts as the lowest.</param>
    /// <param name="values">What is measured, per completion (N).</param>
    /// <param name="n">n ≤ N.</param>
    public static double Expectation(ReadOnlySpan<double> rewards, ReadOnlySpan<double> values, int n)
    {
        var keys = rewards.ToArray();
        var order = Enumerable.Range(0, keys.Length).OrderBy(i => keys[i]).ToArray();
        var weights = Weights(keys.Length, n);
        var sum = 0.0;
        for (var i = 0; i < order.Length; i++)
            sum += weights[i] * values[order[i]];
        return sum;
    }
}
