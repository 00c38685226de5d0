namespace LlmRL.Training;

/// <summary>Cuts a batch into micro-batches of similar lengths that fit a token budget.</summary>
public static class MicroBatches
{
    /// <summary>
    /// Groups items, longest first, so that rows · longest ≤ budget in every group (a single longer item has a group of its own). Sorting by length
    /// keeps attention's padding small; the order of groups does not matter to a sum of gradients.
    /// </summary>
    /// <param name="items">The batch.</param>
    /// <param name="length">Tokens of an item.</param>
    /// <param name="budget">Tokens per group, padding included.</param>
    public static List<List<T>> Split<T>(IEnumerable<T> items, Func<T, int> length, int budget)
    {
        var groups = new List<List<T>>();
        var longest = 0;
        foreach (var item in items.OrderByDescending(length))
        {
            if (groups.Count == 0 || (groups[^1].Count + 1) * longest > budget)
            {
                groups.Add([]);
                longest = length(item);
            }

            groups[^1].Add(item);
        }

        return groups;
    }
}
