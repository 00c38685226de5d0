using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rollouts;

namespace LlmRL.Training;

/// <summary>Cuts a batch into micro-batches of similar lengths that fit a token budget.</summary>
public static class MicroBatches
{
    /// <summary>Most tokens that go through a model at once where a recipe does not say.</summary>
    public const int DefaultTokens = 1536;

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

    /// <summary>
    /// Groups items, those with one beginning side by side, so that in every group each beginning once and what the items have for themselves add up to no more than the
    /// budget (a single longer item has a group of its own); see <see cref="TokenBatch"/>.
    /// </summary>
    /// <param name="items">The batch.</param>
    /// <param name="beginning">Equal for items that begin alike.</param>
    /// <param name="shared">Tokens of the beginning.</param>
    /// <param name="own">Tokens that an item has behind it.</param>
    /// <param name="budget">Tokens per group.</param>
    /// <param name="comparer">Compares beginnings; null: by <see cref="object.Equals(object)"/>.</param>
    public static List<List<T>> Split<T, TKey>(IEnumerable<T> items, Func<T, TKey> beginning, Func<T, int> shared, Func<T, int> own, int budget, IEqualityComparer<TKey>? comparer = null)
        where TKey : notnull
    {
        var groups = new List<List<T>>();
        var rows = 0;
        // Long ones first, so that lengths in a group are similar: other devices pad.
        foreach (var bundle in items.GroupBy(beginning, comparer).OrderByDescending(bundle => bundle.Max(item => shared(item) + own(item))))
        {
            var isOpen = false; // whether the last group has this beginning
            foreach (var item in bundle)
            {
                var more = own(item) + (isOpen ? 0 : shared(item));
                if (groups.Count == 0 || rows + more > budget)
                {
                    groups.Add([]);
                    (rows, more) = (0, own(item) + shared(item));
                }

                groups[^1].Add(item);
                rows += more;
                isOpen = true;
            }
        }

        return groups;
    }

    /// <summary>Groups a rollout's trajectories as it suits the model that reads them.</summary>
    public static List<List<Trajectory>> Split(IEnumerable<Trajectory> trajectories, int budget, Transformer model) => model.SharesPrefixes
        ? Split(trajectories, trajectory => trajectory.Prompt, trajectory => trajectory.Prompt.Length, trajectory => trajectory.Length, budget, PromptComparer.Instance)
        : Split(trajectories, trajectory => trajectory.Prompt.Length + trajectory.Length, budget);

    /// <summary>The same of trajectories that a loss takes together, which have one prompt.</summary>
    public static List<List<Trajectory[]>> Split(IEnumerable<Trajectory[]> units, int budget, Transformer model) => model.SharesPrefixes
        ? Split(units, unit => unit[0].Prompt, unit => unit[0].Prompt.Length, unit => unit.Sum(trajectory => trajectory.Length), budget, PromptComparer.Instance)
        : Split(units, unit => unit.Length * unit.Max(trajectory => trajectory.Prompt.Length + trajectory.Length), budget);

    /// <summary>The same of the rows of a data set.</summary>
    public static List<List<EncodedExample>> Split(IEnumerable<EncodedExample> examples, int budget, Transformer model) =>
        Split(examples, example => model.SharesPrefixes ? example.Rows : example.Length, budget);
}
