using System.Runtime.InteropServices;

namespace LlmRL.Tokenization.Training;

/// <summary>
/// Finds the merges of a byte-pair encoding. The words are kept with their counts, every pair with its count and the words it occurs in, so that a merge
/// touches only the words that have it; a heap that is put right lazily gives the most frequent pair.
/// </summary>
internal sealed class BpeMergeFinder
{
    private readonly List<string> _tokens;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<int> _symbols = [];
    private readonly List<Word> _words = [];
    private readonly Dictionary<ulong, Pair> _pairs = [];
    private readonly PriorityQueue<ulong, (long Count, ulong Pair)> _queue = new(Comparer<(long Count, ulong Pair)>.Create(
        (a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Pair.CompareTo(b.Pair)));

    /// <param name="words">Each word's symbols and count.</param>
    /// <param name="tokens">The spelling of each symbol; merges are added.</param>
    public BpeMergeFinder(IEnumerable<(int[] Symbols, long Count)> words, List<string> tokens)
    {
        _tokens = tokens;
        for (var id = 0; id < tokens.Count; id++)
            _ids[tokens[id]] = id;
        foreach (var (symbols, count) in words)
        {
            if (symbols.Length < 2)
                continue;
            var index = _words.Count;
            _words.Add(new Word(_symbols.Count, symbols.Length, count));
            _symbols.AddRange(symbols);
            for (var i = 0; i + 1 < symbols.Length; i++)
                Change(Key(symbols[i], symbols[i + 1]), count, index);
        }
    }

    /// <summary>The merges in their order, until there are so many tokens or no pair is frequent enough.</summary>
    public List<(int Left, int Right)> Find(int vocabularySize, long minCount)
    {
        var merges = new List<(int, int)>();
        var known = new HashSet<ulong>();
        foreach (var (key, pair) in _pairs)
            _queue.Enqueue(key, (pair.Count, key));
        while (_tokens.Count < vocabularySize && _queue.TryDequeue(out var key, out var priority))
        {
            var pair = _pairs[key];
            if (pair.Count != priority.Count)
            {
                // The count has changed since it was put here.
                if (pair.Count > 0)
                    _queue.Enqueue(key, (pair.Count, key));
                continue;
            }

            if (pair.Count < Math.Max(1, minCount))
                break;
            int left = (int)(key >> 32), right = (int)key;
            if (known.Add(key))
                merges.Add((left, right));
            Merge(left, right, pair, TokenOf(left, right));
        }

        return merges;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    // Two ways to the same spelling share its id.
    private int TokenOf(int left, int right)
    {
        var spelling = _tokens[left] + _tokens[right];
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, spelling, out var exists);
        if (!exists)
        {
            id = _tokens.Count;
            _tokens.Add(spelling);
        }

        return id;
    }

    private void Merge(int left, int right, Pair pair, int merged)
    {
        var words = pair.Words;
        pair.Words = [];
        pair.Count = 0;
        var grown = new HashSet<ulong>();
        foreach (var index in words)
            MergeWord(index, left, right, merged, grown);
        foreach (var key in grown)
        {
            var count = _pairs[key].Count;
            if (count > 0)
                _queue.Enqueue(key, (count, key));
        }
    }

    private void MergeWord(int index, int left, int right, int merged, HashSet<ulong> grown)
    {
        ref var word = ref CollectionsMarshal.AsSpan(_words)[index];
        var symbols = CollectionsMarshal.AsSpan(_symbols).Slice(word.Start, word.Length);
        var kept = 0;
        for (var i = 0; i < symbols.Length; i++)
        {
            if (symbols[i] != left || i + 1 == symbols.Length || symbols[i + 1] != right)
            {
                symbols[kept++] = symbols[i];
                continue;
            }

            if (kept > 0)
            {
                Shrink(Key(symbols[kept - 1], left), word.Count, left, right);
                Grow(Key(symbols[kept - 1], merged), word.Count, index, grown);
            }

            if (i + 2 < symbols.Length)
            {
                Shrink(Key(right, symbols[i + 2]), word.Count, left, right);
                Grow(Key(merged, symbols[i + 2]), word.Count, index, grown);
            }

            symbols[kept++] = merged;
            i++;
        }

        word = word with { Length = kept };
    }

    // The merged pair itself is gone everywhere; its count is 0 already.
    private void Shrink(ulong key, long count, int left, int right)
    {
        if (key != Key(left, right))
            _pairs[key].Count -= count;
    }

    private void Grow(ulong key, long count, int word, HashSet<ulong> grown)
    {
        Change(key, count, word);
        grown.Add(key);
    }

    private void Change(ulong key, long count, int word)
    {
        ref var pair = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _);
        pair ??= new Pair();
        pair.Count += count;
        if (pair.Words.Count == 0 || pair.Words[^1] != word)
            pair.Words.Add(word);
    }

    private readonly record struct Word(int Start, int Length, long Count);

    private sealed class Pair
    {
        public long Count { get; set; }

        // A word may have lost the pair since, or stand here twice: it is looked through again, and nothing is found.
        public List<int> Words { get; set; } = [];
    }
}
