namespace LlmRL.Data;

/// <summary>
/// Which of the draws 0, 1, 2, … each row of a generated split is made of: its own number; of a test split the i-th that gave something new, so that a longer test set begins
/// with the shorter one.
/// </summary>
internal sealed class SplitDraws
{
    // Long enough that a space with one unseen problem in a thousand is still found to have it.
    private const int PatienceInDraws = 10_000;

    private readonly int[]? distinct;

    /// <summary>Draws for a split; those of a test split are made until enough differ.</summary>
    /// <param name="generator">The generator as recipes spell it.</param>
    /// <param name="unit">What a row is called in messages.</param>
    /// <param name="split">The split.</param>
    /// <param name="count">How many rows.</param>
    /// <param name="canonical">What a draw gives, in a form in which equal rows are equal; asked for a test split only.</param>
    /// <param name="remedy">What to change where too few differ.</param>
    /// <exception cref="BadInputException">No row is asked for, or more than differ.</exception>
    public SplitDraws(string generator, string unit, DataSplit split, int count, Func<int, string> canonical, string remedy)
    {
        if (count < 1)
            throw new BadInputException($"{generator}: count is {count}. Ask for at least one {unit}.");
        Count = count;
        if (split == DataSplit.Test)
            distinct = Collect($"{generator}/test", count, canonical, remedy);
    }

    /// <summary>How many rows.</summary>
    public int Count { get; }

    /// <summary>The draw of a row.</summary>
    public int this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return distinct is null ? index : distinct[index];
        }
    }

    private static int[] Collect(string what, int count, Func<int, string> canonical, string remedy)
    {
        var seen = new HashSet<string>();
        var draws = new int[count];
        var misses = 0;
        for (var draw = 0; seen.Count < count; draw++)
        {
            if (seen.Add(canonical(draw)))
            {
                draws[seen.Count - 1] = draw;
                misses = 0;
            }
            else if (++misses == PatienceInDraws)
            {
                throw new BadInputException($"{what}: count is {count}, but these settings have only about {seen.Count} distinct problems. {remedy}");
            }
        }

        return draws;
    }
}
