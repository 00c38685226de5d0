namespace LlmRL.Advantages;

/// <summary>What a group-relative advantage is divided by (TRL's <c>scale_rewards</c>).</summary>
public enum RewardScale
{
    /// <summary>The standard deviation within the prompt's group (GRPO).</summary>
    Group,

    /// <summary>The standard deviation over the whole batch (arXiv 2508.08221: steadier where a group's rewards hardly differ).</summary>
    Batch,

    /// <summary>Nothing (Dr. GRPO, arXiv 2503.20783: dividing favours prompts that are too easy or too hard).</summary>
    None,
}

/// <summary>How several reward functions make one advantage (TRL's <c>multi_objective_aggregation</c>).</summary>
public enum RewardAggregation
{
    /// <summary>The weighted sum of the rewards is normalised.</summary>
    SumThenNormalize,

    /// <summary>Each reward is normalised in its group, the weighted sum over the batch (GDPO, arXiv 2601.05242): no reward drowns another.</summary>
    NormalizeThenSum,
}

/// <summary>
/// GRPO's advantages. Standard deviations divide by n − 1, as torch.std does. NaN stands for "this reward function does not apply": it is left out of sums, means
/// and deviations, and a sample that has no reward at all gets the advantage 0.
/// </summary>
public static class GroupRelative
{
    /// <summary>A_i = (r_i − mean_group) / (std + ε), std as <paramref name="scale"/> says; without division for <see cref="RewardScale.None"/>.</summary>
    /// <remarks>Shao et al. 2024, arXiv 2402.03300, section 4.1.2; ε as in TRL.</remarks>
    /// <param name="rewards">r (B), the samples of one prompt next to each other.</param>
    /// <param name="groupSize">G ≥ 2, a divisor of B.</param>
    /// <param name="scale">What to divide by.</param>
    /// <param name="advantages">Receives A (B); may be the rewards' own memory.</param>
    /// <param name="epsilon">ε, in units of reward.</param>
    public static void Advantages(ReadOnlySpan<double> rewards, int groupSize, RewardScale scale, Span<double> advantages, double epsilon = 1e-4)
    {
        Spans.ExpectGroups(rewards.Length, groupSize);
        Spans.ExpectLength<double>(advantages, rewards.Length);
        var batchStd = scale == RewardScale.Batch ? Moments(rewards).Std : 0;
        for (var start = 0; start < rewards.Length; start += groupSize)
        {
            var (mean, std) = Moments(rewards.Slice(start, groupSize));
            var divisor = scale switch { RewardScale.Group => std + epsilon, RewardScale.Batch => batchStd + epsilon, _ => 1 };
            for (var i = start; i < start + groupSize; i++)
                advantages[i] = double.IsNaN(rewards[i]) ? 0 : (rewards[i] - mean) / divisor;
        }
    }

    /// <summary>Advantages from F reward functions with weights w_f, aggregated as <paramref name="aggregation"/> says.</summary>
    /// <param name="rewards">r (B, F), row by row; NaN where a function does not apply.</param>
    /// <param name="weights">w (F).</param>
    /// <param name="groupSize">G ≥ 2, a divisor of B.</param>
    /// <param name="scale">What to divide by; <see cref="RewardAggregation.NormalizeThenSum"/> always divides within the group.</param>
    /// <param name="aggregation">Sum first or normalise first.</param>
    /// <param name="advantages">Receives A (B).</param>
    /// <param name="epsilon">ε, in units of reward.</param>
    public static void Advantages(ReadOnlySpan<double> rewards, ReadOnlySpan<double> weights, int groupSize, RewardScale scale,
        RewardAggregation aggregation, Span<double> advantages, double epsilon = 1e-4)
    {
        var total = new double[advantages.Length];
        if (aggregation == RewardAggregation.SumThenNormalize)
        {
            WeightedSum(rewards, weights, total);
            Advantages(total, groupSize, scale, advantages, epsilon);
            return;
        }

        WeightedSum(NormalizeColumns(rewards, weights.Length, groupSize, epsilon), weights, total);
        Finish(total, normalize: true, epsilon);
        total.CopyTo(advantages);
    }

    /// <summary>
    /// Whether all samples of a prompt have the same reward (NaN aside): every advantage is 0 then and the group teaches nothing. Its share of the batch is TRL's
    /// <c>frac_reward_zero_std</c>; DAPO's dynamic sampling (arXiv 2503.14476, section 3.2) replaces such groups.
    /// </summary>
    /// <param name="group">r (G), one prompt's samples.</param>
    public static bool IsFlat(ReadOnlySpan<double> group)
    {
        var first = double.NaN;
        foreach (var reward in group)
        {
            if (double.IsNaN(reward))
                continue;
            if (double.IsNaN(first))
                first = reward;
            else if (reward != first)
                return false;
        }

        return true;
    }

    /// <summary>R_i = Σ_f w_f r_if over the functions that apply; NaN where none does.</summary>
    /// <param name="rewards">r (B, F), row by row.</param>
    /// <param name="weights">w (F).</param>
    /// <param name="sums">Receives R (B).</param>
    public static void WeightedSum(ReadOnlySpan<double> rewards, ReadOnlySpan<double> weights, Span<double> sums)
    {
        Spans.ExpectLength(rewards, sums.Length * weights.Length);
        for (var i = 0; i < sums.Length; i++)
        {
            var row = rewards.Slice(i * weights.Length, weights.Length);
            var (sum, applied) = (0.0, false);
            for (var f = 0; f < row.Length; f++)
            {
                if (double.IsNaN(row[f]))
                    continue;
                sum += weights[f] * row[f];
                applied = true;
            }

            sums[i] = applied ? sum : double.NaN;
        }
    }

    /// <summary>Each column normalised within its groups; NaN stays NaN, so that the weighted sum still leaves it out.</summary>
    private static double[] NormalizeColumns(ReadOnlySpan<double> rewards, int functions, int groupSize, double epsilon)
    {
        var result = new double[rewards.Length];
        var column = new double[rewards.Length / functions];
        var normalized = new double[column.Length];
        for (var f = 0; f < functions; f++)
        {
            for (var i = 0; i < column.Length; i++)
                column[i] = rewards[i * functions + f];
            Advantages(column, groupSize, RewardScale.Group, normalized, epsilon);
            for (var i = 0; i < column.Length; i++)
                result[i * functions + f] = double.IsNaN(column[i]) ? double.NaN : normalized[i];
        }

        return result;
    }

    /// <summary>The last step over a batch: (A − mean)/(std + ε) where asked for, and 0 in place of NaN.</summary>
    internal static void Finish(Span<double> advantages, bool normalize, double epsilon)
    {
        var (mean, std) = Moments(advantages);
        foreach (ref var advantage in advantages)
            advantage = double.IsNaN(advantage) ? 0 : normalize ? (advantage - mean) / (std + epsilon) : advantage;
    }

    /// <summary>Mean and standard deviation (n − 1) of the numbers that are not NaN; deviation 0 for fewer than two.</summary>
    private static (double Mean, double Std) Moments(ReadOnlySpan<double> values)
    {
        var (count, sum) = (0, 0.0);
        foreach (var value in values)
        {
            if (!double.IsNaN(value))
                (count, sum) = (count + 1, sum + value);
        }

        var mean = count == 0 ? 0 : sum / count;
        var squares = 0.0;
        foreach (var value in values)
        {
            if (!double.IsNaN(value))
                squares += (value - mean) * (value - mean);
        }

        return (mean, count < 2 ? 0 : Math.Sqrt(squares / (count - 1)));
    }
}
