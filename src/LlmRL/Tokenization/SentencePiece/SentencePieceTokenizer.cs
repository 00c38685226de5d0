using System.Runtime.InteropServices;
using System.Text;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>How a folder's configuration adds special tokens around a text.</summary>
internal readonly record struct AddedEnds(bool Bos, bool Eos);

/// <summary>
/// SentencePiece (Kudo &amp; Richardson 2018, arXiv 1808.06226) as its own library encodes and decodes: spellings of control tokens inside a
/// text are plain text.
/// </summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    /// <summary>The visible space.</summary>
    public const char Space = SpacedWords.Space;

    private readonly SentencePieceModel _model;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly SentencePieceBpe? _bpe;
    private readonly UnigramModel? _unigram;
    private readonly SpecialTokenIds _special;
    private readonly AddedEnds _ends;
    private readonly TokenizerFiles _files;
    private readonly int _unknownId;
    private readonly AddedTokenFinder _controls;

    public SentencePieceTokenizer(SentencePieceModel model, SpecialTokenIds special, AddedEnds ends, TokenizerFiles files)
    {
        _model = model;
        _special = special;
        _ends = ends;
        _files = files;
        _normalizer = new SentencePieceNormalizer(model);
        _unknownId = model.Pieces.FindIndex(p => p.Kind == PieceKind.Unknown);
        _controls = new AddedTokenFinder(Enumerable.Range(0, model.Pieces.Count).Where(id => model.Pieces[id].Kind == PieceKind.Control)
            .Select(id => (model.Pieces[id].Text, new AddedToken(id, model.Pieces[id].Text))));
        var vocabulary = new Vocabulary(model.Pieces.Count);
        for (var id = 0; id < model.Pieces.Count; id++)
            vocabulary.Add(model.Pieces[id].Text, id);
        if (model.IsBpe)
            _bpe = new SentencePieceBpe(model, _normalizer, vocabulary, _unknownId);
        else
            _unigram = new UnigramModel(vocabulary, UnigramScores(model), _unknownId, model.ByteFallback, IsMatched);
    }

    public override int VocabularySize => _model.Pieces.Count;

    public override int? BosId => _special.Bos;

    public override int EosId => _special.Eos;

    public override int PadId => _special.Pad;

    public override int[] Encode(string text, bool addSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>((text.Length / 2) + 4);
        var normalized = _normalizer.Normalize(text);
        if (_bpe is not null)
            _bpe.Encode(normalized, ids);
        else
            _unigram!.Encode(normalized, ids);
        JoinUnknowns(ids);
        if (addSpecialTokens && _ends.Bos && BosId is { } bos)
            ids.Insert(0, bos);
        if (addSpecialTokens && _ends.Eos)
            ids.Add(EosId);
        return [.. ids];
    }

    /// <summary>Each part between two control tokens is encoded as a text of its own.</summary>
    public override int[] EncodeMarkup(string text)
    {
        var ids = new List<int>();
        foreach (var (start, end, token) in _controls.Split(text))
        {
            if (token is null)
                ids.AddRange(Encode(text[start..end]));
            else
                ids.Add(token.Id);
        }

        return [.. ids];
    }

    public override string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var result = new StringBuilder(4 * ids.Length);
        var bytes = new List<byte>();
        var atStart = true;
        foreach (var id in ids)
        {
            var (text, _, kind) = _model.Pieces[TokenizerErrors.Checked(id, VocabularySize)];
            if (kind == PieceKind.Byte)
            {
                bytes.Add((byte)ByteFallbackDecoder.ByteOf(text));
                atStart = false;
                continue;
            }

            Flush(bytes, result);
            if (kind == PieceKind.Control)
            {
                result.Append(skipSpecialTokens ? "" : text);
                continue;
            }

            AppendPiece(kind == PieceKind.Unknown ? _model.UnknownSurface : text, kind, result, ref atStart);
        }

        Flush(bytes, result);
        return result.ToString();
    }

    public override string TokenText(int id) => _model.Pieces[TokenizerErrors.Checked(id, VocabularySize)].Text;

    public override void Save(string folder) => _files.Save(folder);

    // At the start the space that encoding put there goes; where encoding removes extra spaces, every space there goes.
    private void AppendPiece(string text, PieceKind kind, StringBuilder result, ref bool atStart)
    {
        if (kind != PieceKind.Unknown)
        {
            if (atStart && text.StartsWith(Space) && (_model.AddDummyPrefix || _model.RemoveExtraWhitespaces))
            {
                text = text[1..];
                atStart = text.Length == 0 && _model.RemoveExtraWhitespaces;
            }
            else
            {
                atStart = false;
            }

            result.Append(text.Replace(Space, ' '));
            return;
        }

        atStart = false;
        result.Append(text);
    }

    private static void Flush(List<byte> bytes, StringBuilder result)
    {
        if (bytes.Count == 0)
            return;
        var span = CollectionsMarshal.AsSpan(bytes);
        while (span.Length > 0)
        {
            // SentencePiece gives one U+FFFD for each byte that begins no valid character.
            if (Rune.DecodeFromUtf8(span, out var rune, out var length) == System.Buffers.OperationStatus.Done)
            {
                result.Append(rune.ToString());
            }
            else
            {
                result.Append('\uFFFD');
                length = 1;
            }

            span = span[length..];
        }

        bytes.Clear();
    }

    private void JoinUnknowns(List<int> ids)
    {
        var kept = 0;
        for (var i = 0; i < ids.Count; i++)
        {
            if (kept > 0 && ids[i] == _unknownId && ids[kept - 1] == _unknownId)
                continue;
            ids[kept++] = ids[i];
        }

        CollectionsMarshal.SetCount(ids, kept);
    }

    private bool IsMatched(int id) => _model.Pieces[id].Kind is PieceKind.Normal or PieceKind.UserDefined;

    // User-defined pieces beat every other segmentation of their text, as in SentencePiece: their score is a length's worth of the best one.
    private static double[] UnigramScores(SentencePieceModel model)
    {
        var best = model.Pieces.Where(p => p.Kind == PieceKind.Normal).Select(p => (double)p.Score).DefaultIfEmpty().Max();
        return [.. model.Pieces.Select(p => p.Kind == PieceKind.UserDefined ? (Encoding.UTF8.GetByteCount(p.Text) * best) - 0.1 : p.Score)];
    }
}
