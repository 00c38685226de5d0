using System.Buffers;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Byte-pair merging (Sennrich et al. 2016, arXiv 1508.07909): the pair of lowest rank first, among equals the leftmost.</summary>
internal static class BpeMerger
{
    // Beyond this a heap beats looking at every pair after every merge.
    private const int ScanLimit = 96;

    /// <summary>Merges in place; returns how many symbols are left.</summary>
    public static int Merge(Span<int> symbols, PairTable merges)
    {
        if (symbols.Length < 2)
            return symbols.Length;
        return symbols.Length <= ScanLimit ? MergeByScan(symbols, merges) : MergeByHeap(symbols, merges);
    }

    private static int MergeByScan(Span<int> symbols, PairTable merges)
    {
        Span<int> ranks = stackalloc int[ScanLimit];
        var count = symbols.Length;
        for (var i = 0; i < count - 1; i++)
            ranks[i] = merges.Rank(symbols[i], symbols[i + 1]);
        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i < count - 1; i++)
            {
                if (ranks[i] < ranks[best])
                    best = i;
            }

            if (ranks[best] == int.MaxValue)
                break;
            symbols[best] = merges.Merged(symbols[best], symbols[best + 1]);
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            count--;
            if (best < count - 1)
                ranks[best] = merges.Rank(symbols[best], symbols[best + 1]);
            if (best > 0)
                ranks[best - 1] = merges.Rank(symbols[best - 1], symbols[best]);
        }

        return count;
    }

    private static int MergeByHeap(Span<int> symbols, PairTable merges)
    {
        var length = symbols.Length;
        var next = ArrayPool<int>.Shared.Rent(length);
        var previous = ArrayPool<int>.Shared.Rent(length);
        var queue = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>(length);
        for (var i = 0; i < length; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
        }

        for (var i = 0; i < length - 1; i++)
            Push(i, symbols[i], symbols[i + 1]);
        while (queue.TryDequeue(out var pair, out _))
        {
            var right = next[pair.At];
            if (symbols[pair.At] != pair.Left || right >= length || symbols[right] != pair.Right)
                continue; // one of the two was merged away since
            symbols[pair.At] = merges.Merged(pair.Left, pair.Right);
            symbols[right] = -1;
            next[pair.At] = next[right];
            if (next[right] < length)
            {
                previous[next[right]] = pair.At;
                Push(pair.At, symbols[pair.At], symbols[next[right]]);
            }

            if (previous[pair.At] >= 0)
                Push(previous[pair.At], symbols[previous[pair.At]], symbols[pair.At]);
        }

        var count = 0;
        for (var i = 0; i < length; i = next[i])
            symbols[count++] = symbols[i];
        ArrayPool<int>.Shared.Return(next);
        ArrayPool<int>.Shared.Return(previous);
        return count;

        void Push(int at, int left, int right)
        {
            var rank = merges.Rank(left, right);
            if (rank != int.MaxValue)
                queue.Enqueue((at, left, right), (rank, at));
        }
    }
}
