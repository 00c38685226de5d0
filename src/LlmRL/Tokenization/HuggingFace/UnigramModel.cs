namespace LlmRL.Tokenization.HuggingFace;

/// <summary>
/// Unigram language model (Kudo 2018, arXiv 1804.10959): the segmentation with the largest sum of token log-probabilities, found by Viterbi.
/// </summary>
internal sealed class UnigramModel : ITokenModel
{
    // SentencePiece's penalty for an unknown character below the least likely token.
    private const double UnknownPenalty = 10;
    private const int None = -1;

    private readonly double[] _scores;
    private readonly int _unknownId;
    private readonly double _unknownScore;
    private readonly int[]? _byteIds;
    private readonly Dictionary<(int Node, char Next), int> _edges = [];
    private readonly List<int> _nodeIds = [-1];

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="scores">Log-probabilities by id.</param>
    /// <param name="unknownId">Id of an unknown character.</param>
    /// <param name="byteFallback">Whether unknown characters become byte tokens.</param>
    /// <param name="isMatched">Whether a token may be found in text (control tokens and bytes may not).</param>
    public UnigramModel(Vocabulary vocabulary, double[] scores, int unknownId, bool byteFallback, Func<int, bool> isMatched)
    {
        Vocabulary = vocabulary;
        _scores = scores;
        _unknownId = unknownId;
        _byteIds = byteFallback ? BpeModel.FallbackIds(vocabulary) : null;
        var least = double.PositiveInfinity;
        for (var id = 0; id < scores.Length; id++)
        {
            if (!isMatched(id))
                continue;
            least = Math.Min(least, scores[id]);
            AddToTrie(vocabulary.Text(id)!, id);
        }

        _unknownScore = (double.IsInfinity(least) ? 0 : least) - UnknownPenalty;
    }

    public Vocabulary Vocabulary { get; }

    public void Encode(string piece, List<int> ids)
    {
        var (starts, tokens) = BestPath(piece);
        var path = new List<(int Start, int End, int Id)>();
        for (var end = piece.Length; end > 0; end = starts[end])
            path.Add((starts[end], end, tokens[end]));

        // Neighbouring unknown characters are one unknown token, or all their bytes.
        for (var i = path.Count - 1; i >= 0; i--)
        {
            var (start, end, id) = path[i];
            if (id != None && id != _unknownId)
            {
                ids.Add(id);
                continue;
            }

            var isSpelling = id == _unknownId;
            for (; i > 0 && (path[i - 1].Id is None || path[i - 1].Id == _unknownId); i--)
                (end, isSpelling) = (path[i - 1].End, false);
            AppendUnknown(piece.AsSpan(start, end - start), isSpelling, ids);
        }
    }

    private void AppendUnknown(ReadOnlySpan<char> text, bool isSpelling, List<int> ids)
    {
        // The unknown token's own spelling, alone, is that token.
        if (_byteIds is null || isSpelling)
        {
            if (_unknownId >= 0)
                ids.Add(_unknownId);
            return;
        }

        BpeModel.AppendBytes(text, _byteIds, ids);
    }

    private (int[] Starts, int[] Tokens) BestPath(string piece)
    {
        var scores = new double[piece.Length + 1];
        var starts = new int[piece.Length + 1];
        var tokens = new int[piece.Length + 1];
        Array.Fill(scores, double.NegativeInfinity, 1, piece.Length);
        for (int at = 0, width; at < piece.Length; at += width)
        {
            width = at + 1 < piece.Length && char.IsSurrogatePair(piece[at], piece[at + 1]) ? 2 : 1;
            var hasSingle = false;
            for (int end = at, node = 0; end < piece.Length && _edges.TryGetValue((node, piece[end]), out node);)
            {
                end++;
                if (_nodeIds[node] is not (>= 0 and var id))
                    continue;
                hasSingle |= end == at + width;
                Relax(end, scores[at] + _scores[id], id);
            }

            if (!hasSingle)
                Relax(at + width, scores[at] + _unknownScore, None);

            void Relax(int end, double score, int id)
            {
                if (score <= scores[end])
                    return;
                scores[end] = score;
                starts[end] = at;
                tokens[end] = id;
            }
        }

        return (starts, tokens);
    }

    private void AddToTrie(string text, int id)
    {
        var node = 0;
        foreach (var c in text)
        {
            if (!_edges.TryGetValue((node, c), out var next))
            {
                next = _nodeIds.Count;
                _nodeIds.Add(-1);
                _edges.Add((node, c), next);
            }

            node = next;
        }

        _nodeIds[node] = id;
    }
}
