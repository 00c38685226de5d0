namespace LlmRL.Data;

/// <summary>
/// Numbers of the draws that gave something new: test[i] is the i-th distinct problem of the sequence of draws 0, 1, 2, …, so a longer test
/// set begins with the shorter one.
/// </summary>
internal static class DistinctDraws
{
    // Long enough that a space with one unseen problem in a thousand is still found to have it.
    private const int PatienceInDraws = 10_000;

    public static int[] Collect(string what, int count, Func<int, string> canonical, string remedy)
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
