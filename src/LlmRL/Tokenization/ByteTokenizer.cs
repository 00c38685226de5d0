using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

namespace LlmRL.Tokenization;

/// <summary>
/// UTF-8 bytes as tokens: ids 0–255 are byte values, 256 BOS, 257 EOS, 258 PAD. Nothing is out of vocabulary and nothing is trained.
/// </summary>
/// <remarks>
/// <c>Save</c> writes it as a byte-level BPE without merges, which Hugging Face's <c>tokenizers</c> reads with the same ids. As there, the
/// spellings <c>&lt;|bos|&gt;</c>, <c>&lt;|eos|&gt;</c> and <c>&lt;|pad|&gt;</c> inside a text are the special tokens, not their bytes.
/// </remarks>
public sealed class ByteTokenizer : Tokenizer
{
    /// <summary>Spelling of id 256.</summary>
    public const string BosText = "<|bos|>";

    /// <summary>Spelling of id 257.</summary>
    public const string EosText = "<|eos|>";

    /// <summary>Spelling of id 258.</summary>
    public const string PadText = "<|pad|>";

    private const int Bos = 256, Eos = 257, Pad = 258;
    private static readonly SearchValues<string> SpecialTexts = SearchValues.Create([BosText, EosText, PadText], StringComparison.Ordinal);

    private readonly TokenizerFiles? _files;

    /// <summary>Creates the tokenizer.</summary>
    public ByteTokenizer()
    {
    }

    internal ByteTokenizer(TokenizerFiles files) => _files = files;

    /// <inheritdoc/>
    public override int VocabularySize => 259;

    /// <inheritdoc/>
    public override int? BosId => Bos;

    /// <inheritdoc/>
    public override int EosId => Eos;

    /// <inheritdoc/>
    public override int PadId => Pad;

    /// <inheritdoc/>
    public override int[] Encode(string text, bool addSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length + 1);
        if (addSpecialTokens)
            ids.Add(Bos);
        var rest = text.AsSpan();
        while (rest.IndexOfAny(SpecialTexts) is >= 0 and var at)
        {
            AddBytes(rest[..at], ids);
            ids.Add(rest[at + 2] switch { 'b' => Bos, 'e' => Eos, _ => Pad });
            rest = rest[(at + BosText.Length)..];
        }

        AddBytes(rest, ids);
        return [.. ids];
    }

    /// <inheritdoc/>
    public override string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var bytes = new ArrayBufferWriter<byte>(ids.Length + 1);
        foreach (var id in ids)
        {
            if ((uint)id < 256)
                bytes.Write([(byte)id]);
            else if (TokenizerErrors.Checked(id, VocabularySize) is var special && !skipSpecialTokens)
                bytes.Write(Encoding.UTF8.GetBytes(TokenText(special)));
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The byte in GPT-2's printable alphabet (a space is <c>Ġ</c>), or the special token's spelling.</summary>
    public override string TokenText(int id) => TokenizerErrors.Checked(id, VocabularySize) switch
    {
        Bos => BosText,
        Eos => EosText,
        Pad => PadText,
        _ => ByteAlphabet.CharOf((byte)id).ToString(),
    };

    /// <inheritdoc/>
    public override void Save(string folder)
    {
        var files = _files ?? new TokenizerFiles();
        if (_files is null)
            files.Add(TokenizerLoader.JsonName, Json());
        files.AddConfigIfMissing(this, "PreTrainedTokenizerFast");
        files.Save(folder);
    }

    /// <summary>Whether a <c>tokenizer.json</c> is the one that <see cref="Save"/> writes; respelt, it loads as a pipeline with the same ids.</summary>
    internal static bool Wrote(ReadOnlySpan<byte> tokenizerJson) => tokenizerJson.SequenceEqual(TokenizerFiles.Bytes(Json()));

    private static JsonObject Json()
    {
        var vocabulary = new JsonObject();
        for (var b = 0; b < 256; b++)
            vocabulary[ByteAlphabet.CharOf((byte)b).ToString()] = b;
        return TokenizerJsonBuilder.Document(TokenizerJsonBuilder.ByteLevelBpe(vocabulary, []), [(Bos, BosText), (Eos, EosText), (Pad, PadText)],
            TokenizerJsonBuilder.ByteLevel(useRegex: false), TokenizerJsonBuilder.BosTemplate(Bos, BosText),
            TokenizerJsonBuilder.ByteLevel(useRegex: false));
    }

    private static void AddBytes(ReadOnlySpan<char> text, List<int> ids)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        var count = Encoding.UTF8.GetBytes(text, bytes);
        var start = ids.Count;
        CollectionsMarshal.SetCount(ids, start + count);
        var target = CollectionsMarshal.AsSpan(ids)[start..];
        for (var i = 0; i < count; i++)
            target[i] = bytes[i];
        ArrayPool<byte>.Shared.Return(bytes);
    }
}
