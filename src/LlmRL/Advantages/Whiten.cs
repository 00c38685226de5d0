namespace LlmRL.Advantages;

/// <summary>Scaling to unit variance. The numbers of a batch's sequences stand one after the other, without padding, or with a mask over it.</summary>
public static class Whiten
{
    /// <summary>(x − mean) / √(var + ε), plus the mean again where <paramref name="shiftMean"/> is false.</summary>
    /// <remarks>
    /// OpenAI's <c>whiten</c> (Ziegler et al. 2019, arXiv 1909.08593, code): <c>shift_mean=False</c> keeps the mean, as for rewards, whose sign matters; advantages
    /// are centred. TRL's variance divides by n − 1, that of summarize_from_feedback_details (arXiv 2403.17031) by n.
    /// </remarks>
    /// <param name="values">x (N); nothing is done to one number or none.</param>
    /// <param name="shiftMean">Whether the result has mean 0.</param>
    /// <param name="unbiased">Whether the variance divides by n − 1.</param>
    /// <param name="result">Receives the whitened numbers (N); may be the values' own memory.</param>
    /// <param name="epsilon">ε.</param>
    public static void All(ReadOnlySpan<double> values, bool shiftMean, bool unbiased, Span<double> result, double epsilon = 1e-8) =>
        Apply(values, [], shiftMean, unbiased, result, epsilon);

    /// <summary>The same over the numbers that count; the others come out as 0.</summary>
    /// <param name="values">x (N).</param>
    /// <param name="mask">(N), true: this number counts.</param>
    /// <param name="shiftMean">Whether the result has mean 0.</param>
    /// <param name="unbiased">Whether the variance divides by n − 1.</param>
    /// <param name="result">Receives the whitened numbers (N); may be the values' own memory.</param>
    /// <param name="epsilon">ε.</param>
    public static void Masked(ReadOnlySpan<double> values, ReadOnlySpan<bool> mask, bool shiftMean, bool unbiased,
        Span<double> result, double epsilon = 1e-8)
    {
        Spans.ExpectLength(mask, values.Length);
        Apply(values, mask, shiftMean, unbiased, result, epsilon);
    }

    /// <summary>The same over the numbers of several rows together, in place.</summary>
    /// <param name="rows">x, one row per sequence, of any lengths.</param>
    /// <param name="counts">Which rows count; null: all do. The others come out as 0.</param>
    /// <param name="shiftMean">Whether the result has mean 0.</param>
    /// <param name="unbiased">Whether the variance divides by n − 1.</param>
    public static void Rows(IReadOnlyList<double[]> rows, IReadOnlyList<bool>? counts, bool shiftMean, bool unbiased)
    {
        var flat = rows.SelectMany(row => row).ToArray();
        bool[] mask = counts is null ? [] : [.. rows.SelectMany((row, i) => Enumerable.Repeat(counts[i], row.Length))];
        Apply(flat, mask, shiftMean, unbiased, flat, 1e-8);
        var next = 0;
        foreach (var row in rows)
        {
            flat.AsSpan(next, row.Length).CopyTo(row);
            next += row.Length;
        }
    }

    // An empty mask: all count.
    private static void Apply(ReadOnlySpan<double> values, ReadOnlySpan<bool> mask, bool shiftMean, bool unbiased, Span<double> result, double epsilon)
    {
        Spans.ExpectLength<double>(result, values.Length);
        var (count, sum, squares) = (0, 0.0, 0.0);
        for (var i = 0; i < values.Length; i++)
        {
            if (mask.IsEmpty || mask[i])
                (count, sum) = (count + 1, sum + values[i]);
        }

        var mean = sum / Math.Max(count, 1);
        for (var i = 0; i < values.Length; i++)
        {
            if (mask.IsEmpty || mask[i])
                squares += (values[i] - mean) * (values[i] - mean);
        }

        // One number has no spread to scale by; dividing by √ε would turn it into noise.
        var scale = count < 2 ? 1 : 1 / Math.Sqrt(squares / (unbiased ? count - 1 : count) + epsilon);
        for (var i = 0; i < values.Length; i++)
        {
            var counts = mask.IsEmpty || mask[i];
            result[i] = !counts ? 0 : count < 2 ? values[i] : (values[i] - mean) * scale + (shiftMean ? 0 : mean);
        }
    }
}
