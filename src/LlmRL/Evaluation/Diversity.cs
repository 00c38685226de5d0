namespace LlmRL.Evaluation;

/// <summary>How much samples repeat themselves and each other: it falls when a policy collapses onto few answers.</summary>
public static class Diversity
{
    /// <summary>distinct-n: different n-grams over all n-grams of the texts together, 0 where there are none; 1: no n-gram occurs twice.</summary>
    /// <remarks>Li et al. 2016, arXiv 1510.03055. It falls with the amount of text: compare equal amounts only.</remarks>
    /// <param name="texts">Token ids (or word ids) of each text.</param>
    /// <param name="n">n ≥ 1.</param>
    public static double Distinct(IEnumerable<IReadOnlyList<int>> texts, int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        var seen = new HashSet<NGram>();
        var total = 0;
        foreach (var text in texts)
        {
            for (var start = 0; start + n <= text.Count; start++, total++)
                seen.Add(new NGram(text, start, n));
        }

        return total == 0 ? 0 : (double)seen.Count / total;
    }

    /// <summary>
    /// self-BLEU: mean over the texts of BLEU-n against the others as references; 1: all alike. BLEU is the geometric mean of clipped 1…n-gram precisions times the
    /// brevity penalty (Papineni et al. 2002); orders without a match give 0, without smoothing.
    /// </summary>
    /// <remarks>Zhu et al. 2018, arXiv 1802.01886. Quadratic in the number of texts: pass some hundred at most.</remarks>
    /// <param name="texts">Token ids of each text, at least two.</param>
    /// <param name="n">Longest n-gram.</param>
    public static double SelfBleu(IReadOnlyList<IReadOnlyList<int>> texts, int n = 4)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(texts.Count, 2);
        var counts = texts.Select(text => Enumerable.Range(1, n).Select(order => Count(text, order)).ToArray()).ToArray();
        var sum = 0.0;
        for (var i = 0; i < texts.Count; i++)
            sum += Bleu(i, texts, counts);
        return sum / texts.Count;
    }

    private static Dictionary<NGram, int> Count(IReadOnlyList<int> text, int n)
    {
        var counts = new Dictionary<NGram, int>();
        for (var start = 0; start + n <= text.Count; start++)
        {
            var gram = new NGram(text, start, n);
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }

        return counts;
    }

    private static double Bleu(int candidate, IReadOnlyList<IReadOnlyList<int>> texts, Dictionary<NGram, int>[][] counts)
    {
        var logPrecision = 0.0;
        var orders = counts[candidate].Length;
        for (var order = 0; order < orders; order++)
        {
            var (matched, total) = (0, 0);
            foreach (var (gram, count) in counts[candidate][order])
            {
                var best = 0;
                for (var other = 0; other < texts.Count; other++)
                    best = other == candidate ? best : Math.Max(best, counts[other][order].GetValueOrDefault(gram));
                (matched, total) = (matched + Math.Min(count, best), total + count);
            }

            if (matched == 0)
                return 0;
            logPrecision += Math.Log((double)matched / total) / orders;
        }

        // The reference nearest in length, the shorter of two equally near.
        var length = texts[candidate].Count;
        var nearest = Enumerable.Range(0, texts.Count).Where(other => other != candidate).Select(other => texts[other].Count)
            .MinBy(other => (Math.Abs(other - length), other));
        return Math.Exp(logPrecision + Math.Min(0, 1 - (double)nearest / length));
    }

    /// <summary>A stretch of a text, equal where the ids are.</summary>
    private readonly struct NGram(IReadOnlyList<int> text, int start, int length) : IEquatable<NGram>
    {
        private int this[int i] => text[start + i];

        public bool Equals(NGram other)
        {
            for (var i = 0; i < length; i++)
            {
                if (this[i] != other[i])
                    return false;
            }

            return true;
        }

        public override bool Equals(object? obj) => obj is NGram other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            for (var i = 0; i < length; i++)
                hash.Add(this[i]);
            return hash.ToHashCode();
        }
    }
}
