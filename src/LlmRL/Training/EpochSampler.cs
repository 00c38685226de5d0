namespace LlmRL.Training;

/// <summary>
/// A shuffled pass over a data set, again and again. Which row comes at which position is a pure function of the key, so a resumed run needs no state.
/// </summary>
/// <param name="count">Rows of the data set.</param>
/// <param name="key">What the order depends on, see <see cref="CounterRandom.Key"/>.</param>
public sealed class EpochSampler(int count, ulong key)
{
    private int[] order = [];
    private long orderedEpoch = -1;

    /// <summary>The row at a position of the endless sequence.</summary>
    public int this[long position]
    {
        get
        {
            var epoch = position / count;
            if (epoch != orderedEpoch)
            {
                order = [.. Enumerable.Range(0, count)];
                new RandomStream(CounterRandom.Key(key, (ulong)epoch)).Shuffle<int>(order);
                orderedEpoch = epoch;
            }

            return order[position % count];
        }
    }
}
