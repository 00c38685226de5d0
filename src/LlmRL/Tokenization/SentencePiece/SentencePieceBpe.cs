using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>
/// SentencePiece's BPE: two neighbours merge when together they spell a piece, the piece with the highest score first, among equals the leftmost.
/// </summary>
internal sealed class SentencePieceBpe : IWordEncoder
{
    private readonly SentencePieceModel _model;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly Vocabulary _mergeable;
    private readonly bool _hasUnused, _hasUserDefined, _wordsAreApart;
    private readonly int[]? _byteIds;
    private readonly int _unknownId;
    private readonly WordCache _cache = new();

    public SentencePieceBpe(SentencePieceModel model, SentencePieceNormalizer normalizer, Vocabulary vocabulary, int unknownId)
    {
        _model = model;
        _normalizer = normalizer;
        _unknownId = unknownId;
        _byteIds = model.ByteFallback ? BpeModel.FallbackIds(vocabulary) : null;
        _mergeable = new Vocabulary(model.Pieces.Count);
        _wordsAreApart = true;
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            var (text, _, kind) = model.Pieces[id];
            if (kind is not (PieceKind.Normal or PieceKind.UserDefined or PieceKind.Unused))
                continue;
            _mergeable.Add(text, id);
            _hasUnused |= kind == PieceKind.Unused;
            _hasUserDefined |= kind == PieceKind.UserDefined;
            _wordsAreApart &= SpacedWords.IsWithinOne(text);
        }

        _wordsAreApart &= !_hasUserDefined;
    }

    public void Encode(string text, List<int> ids)
    {
        // Where no piece has a space after another character, nothing ever merges across the start of a word.
        if (_wordsAreApart)
            _cache.EncodeSpaced(text, this, ids);
        else
            EncodeWord(text, ids);
    }

    public void EncodeWord(ReadOnlySpan<char> word, List<int> ids)
    {
        var symbols = Symbols(word);
        var queue = new PriorityQueue<(int Left, int Right, int Length), (float NegatedScore, int Left)>();
        for (var i = 0; i + 1 < symbols.Length; i++)
            Push(word, i, i + 1, symbols, queue);
        var halves = _hasUnused ? new Dictionary<string, int>(StringComparer.Ordinal) : null;
        while (queue.TryDequeue(out var pair, out _))
        {
            ref var left = ref symbols[pair.Left];
            ref var right = ref symbols[pair.Right];
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length)
                continue; // one of the two was merged since
            halves?.TryAdd(word.Slice(left.Start, pair.Length).ToString(), left.Length);
            left.Length = pair.Length;
            left.Next = right.Next;
            right.Length = 0;
            if (left.Next < symbols.Length)
                symbols[left.Next].Previous = pair.Left;
            Push(word, left.Previous, pair.Left, symbols, queue);
            Push(word, pair.Left, left.Next, symbols, queue);
        }

        for (var i = 0; i < symbols.Length; i = symbols[i].Next)
            Append(word.Slice(symbols[i].Start, symbols[i].Length), halves, ids);
    }

    private Symbol[] Symbols(ReadOnlySpan<char> word)
    {
        var symbols = new List<Symbol>(word.Length);
        for (var i = 0; i < word.Length;)
        {
            var piece = _hasUserDefined ? _normalizer.UserDefinedAt(word[i..]) : null;
            var length = piece?.Length ?? (i + 1 < word.Length && char.IsSurrogatePair(word[i], word[i + 1]) ? 2 : 1);
            symbols.Add(new Symbol { Start = i, Length = length, Previous = symbols.Count - 1, Next = symbols.Count + 1, IsFrozen = piece is not null });
            i += length;
        }

        return [.. symbols];
    }

    private void Push(ReadOnlySpan<char> word, int left, int right, Symbol[] symbols,
        PriorityQueue<(int Left, int Right, int Length), (float NegatedScore, int Left)> queue)
    {
        if (left < 0 || right >= symbols.Length || symbols[left].IsFrozen || symbols[right].IsFrozen)
            return;
        var length = symbols[left].Length + symbols[right].Length;
        if (_mergeable.Find(word.Slice(symbols[left].Start, length)) is >= 0 and var id)
            queue.Enqueue((left, right, length), (-_model.Pieces[id].Score, left));
    }

    private void Append(ReadOnlySpan<char> piece, Dictionary<string, int>? halves, List<int> ids)
    {
        var id = _mergeable.Find(piece);
        if (id >= 0 && _model.Pieces[id].Kind == PieceKind.Unused && halves is not null && halves.TryGetValue(piece.ToString(), out var half))
        {
            Append(piece[..half], halves, ids);
            Append(piece[half..], halves, ids);
            return;
        }

        if (id >= 0)
            ids.Add(id);
        else
            AppendUnknown(piece, ids);
    }

    private void AppendUnknown(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_byteIds is null)
            ids.Add(_unknownId);
        else
            BpeModel.AppendBytes(piece, _byteIds, ids);
    }

    private struct Symbol
    {
        public int Start, Length, Previous, Next;
        public bool IsFrozen;
    }
}
