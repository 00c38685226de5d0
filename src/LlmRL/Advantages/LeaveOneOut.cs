namespace LlmRL.Advantages;

/// <summary>RLOO: every sample's baseline is the mean reward of the other samples of its prompt.</summary>
public static class LeaveOneOut
{
    /// <summary>
    /// A_i = r_i − 1/(k−1) Σ_{j≠i} r_j within each group of k; equal to k/(k−1)·(r_i − mean), so each group sums to 0.
    /// A reward of NaN (none applies) leaves its sample out of the group: its advantage is 0, as is that of a sample without another to compare with.
    /// </summary>
    /// <remarks>Ahmadian et al. 2024, arXiv 2402.14740, section 2.2; Kool, van Hoof and Welling 2019.</remarks>
    /// <param name="rewards">r (B), the samples of one prompt next to each other.</param>
    /// <param name="groupSize">k ≥ 2, a divisor of B.</param>
    /// <param name="advantages">Receives A (B); may be the rewards' own memory.</param>
    /// <param name="normalize">Whether A is then centred and divided by its standard deviation (n − 1) over the batch + ε (TRL's <c>normalize_advantages</c>).</param>
    /// <param name="epsilon">ε, in units of reward.</param>
    public static void Advantages(ReadOnlySpan<double> rewards, int groupSize, Span<double> advantages, bool normalize = false, double epsilon = 1e-4)
    {
        Spans.ExpectGroups(rewards.Length, groupSize);
        Spans.ExpectLength<double>(advantages, rewards.Length);
        for (var start = 0; start < rewards.Length; start += groupSize)
        {
            var (count, sum) = (0, 0.0);
            foreach (var reward in rewards.Slice(start, groupSize))
            {
                if (!double.IsNaN(reward))
                    (count, sum) = (count + 1, sum + reward);
            }

            for (var i = start; i < start + groupSize; i++)
                advantages[i] = count < 2 ? double.NaN : rewards[i] - (sum - rewards[i]) / (count - 1);
        }

        GroupRelative.Finish(advantages, normalize, epsilon);
    }

    /// <summary>
    /// A_{i,t} = Ĝ_{i,t} − 1/(k−1) Σ_{j≠i} Ĝ_{j,t}: at each step, the mean return-to-go of the prompt's other samples; a sample that has ended by then adds 0.
    /// The baseline does not depend on sample i, so the gradient stays unbiased.
    /// </summary>
    /// <remarks>RLOO's baseline (arXiv 2402.14740, section 2.2) with rewards at single tokens.</remarks>
    /// <param name="returns">Ĝ of each sample (B × T_i), the samples of one prompt next to each other; becomes A.</param>
    /// <param name="groupSize">k ≥ 2, a divisor of B.</param>
    public static void PerStep(double[][] returns, int groupSize)
    {
        Spans.ExpectGroups(returns.Length, groupSize);
        for (var start = 0; start < returns.Length; start += groupSize)
        {
            var group = returns.AsSpan(start, groupSize);
            var sums = new double[returns.Skip(start).Take(groupSize).Max(perStep => perStep.Length)];
            foreach (var perStep in group)
            {
                for (var t = 0; t < perStep.Length; t++)
                    sums[t] += perStep[t];
            }

            foreach (var perStep in group)
            {
                for (var t = 0; t < perStep.Length; t++)
                    perStep[t] -= (sums[t] - perStep[t]) / (groupSize - 1);
            }
        }
    }
}
