using System.Buffers;
using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>The steps of a <c>tokenizer.json</c>.</summary>
internal sealed record Pipeline
{
    public required AddedToken[] AddedTokens { get; init; }

    public required INormalizer? Normalizer { get; init; }

    public required IPreTokenizer? PreTokenizer { get; init; }

    public required ITokenModel Model { get; init; }

    /// <summary>Ids that the template puts before a text.</summary>
    public int[] TemplatePrefix { get; init; } = [];

    /// <summary>Ids that the template puts after a text.</summary>
    public int[] TemplateSuffix { get; init; } = [];

    public required IDecoder? Decoder { get; init; }
}

/// <summary>
/// A tokenizer in the form of Hugging Face's <c>tokenizer.json</c>: added tokens are cut out, the rest is normalised, cut into pieces, and each
/// piece becomes ids by the model.
/// </summary>
internal sealed class HuggingFaceTokenizer : Tokenizer
{
    private readonly Pipeline _pipeline;
    private readonly SpecialTokenIds _special;
    private readonly TokenizerFiles _files;
    private readonly AddedTokenFinder _original;
    private readonly AddedTokenFinder? _normalized;
    private readonly ByteLevelBpe? _byteLevel;
    private readonly Dictionary<int, AddedToken> _added = [];
    private readonly byte[]?[]? _bytes;

    public HuggingFaceTokenizer(Pipeline pipeline, SpecialTokenIds special, TokenizerFiles files)
    {
        _pipeline = pipeline;
        _special = special;
        _files = files;
        VocabularySize = Math.Max(pipeline.Model.Vocabulary.Size, pipeline.AddedTokens.Select(t => t.Id + 1).DefaultIfEmpty().Max());
        foreach (var token in pipeline.AddedTokens)
            _added[token.Id] = token;
        _original = new AddedTokenFinder(pipeline.AddedTokens.Where(t => !t.Normalized).Select(t => (t.Content, t)));
        var normalized = pipeline.AddedTokens.Where(t => t.Normalized).Select(t => (Normalize(t.Content), t)).ToArray();
        _normalized = normalized.Length > 0 ? new AddedTokenFinder(normalized) : null;
        _byteLevel = ByteLevelBpe.TryCreate(pipeline.PreTokenizer, pipeline.Model);
        if (pipeline.Decoder is ByteLevelDecoder)
            _bytes = new byte[VocabularySize][];
    }

    public override int VocabularySize { get; }

    public override int? BosId => _special.Bos;

    public override int EosId => _special.Eos;

    public override int PadId => _special.Pad;

    public override int[] Encode(string text, bool addSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>((text.Length / 3) + 4);
        if (addSpecialTokens)
            ids.AddRange(_pipeline.TemplatePrefix);
        foreach (var (start, end, token) in _original.Split(text))
        {
            if (token is not null)
                ids.Add(token.Id);
            else
                EncodeNormalized(Normalize(text[start..end]), start == 0, ids);
        }

        if (addSpecialTokens)
            ids.AddRange(_pipeline.TemplateSuffix);
        return [.. ids];
    }

    public override string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        if (_bytes is not null)
            return DecodeBytes(ids, skipSpecialTokens);
        var tokens = new List<string>(ids.Length);
        foreach (var id in ids)
        {
            if (IsShown(id, skipSpecialTokens) && Spelling(id) is { } spelling)
                tokens.Add(spelling);
        }

        return _pipeline.Decoder is { } decoder ? string.Concat(decoder.Decode(tokens)) : string.Join(' ', tokens);
    }

    public override string TokenText(int id) => Spelling(TokenizerErrors.Checked(id, VocabularySize)) ?? "";

    public override void Save(string folder) => _files.Save(folder);

    private void EncodeNormalized(string text, bool isFirst, List<int> ids)
    {
        if (_normalized is null)
        {
            EncodePlain(text, isFirst, ids);
            return;
        }

        foreach (var (start, end, token) in _normalized.Split(text))
        {
            if (token is not null)
                ids.Add(token.Id);
            else
                EncodePlain(text[start..end], isFirst && start == 0, ids);
        }
    }

    private void EncodePlain(string text, bool isFirst, List<int> ids)
    {
        if (text.Length == 0)
            return;
        if (_byteLevel is not null)
        {
            _byteLevel.Encode(text, ids);
            return;
        }

        var pieces = new List<Piece>();
        if (_pipeline.PreTokenizer is { } preTokenizer)
            preTokenizer.Split(new Piece(text, isFirst), pieces);
        else
            pieces.Add(new Piece(text, isFirst));
        foreach (var piece in pieces)
        {
            if (piece.Text.Length > 0)
                _pipeline.Model.Encode(piece.Text, ids);
        }
    }

    private string Normalize(string text) => _pipeline.Normalizer?.Normalize(text) ?? text;

    private string? Spelling(int id) => _added.TryGetValue(id, out var token) ? token.Content : _pipeline.Model.Vocabulary.Text(id);

    private bool IsShown(int id, bool skipSpecialTokens)
    {
        TokenizerErrors.Checked(id, VocabularySize);
        return !(skipSpecialTokens && _added.TryGetValue(id, out var token) && token.Special);
    }

    private string DecodeBytes(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var output = new ArrayBufferWriter<byte>((4 * ids.Length) + 1);
        foreach (var id in ids)
        {
            if (IsShown(id, skipSpecialTokens))
                output.Write(_bytes![id] ??= ByteLevelDecoder.Bytes(Spelling(id) ?? ""));
        }

        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
