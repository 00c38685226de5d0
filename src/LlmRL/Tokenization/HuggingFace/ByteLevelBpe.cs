using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>
/// The short way for byte-level BPE behind a known pattern (GPT-2, Llama 3, Qwen 2): from UTF-16 to ids without building the pieces as
/// strings, with a cache of the words met before.
/// </summary>
internal sealed class ByteLevelBpe : IWordEncoder
{
    private readonly BpeModel _model;
    private readonly Scanner? _scanner;
    private readonly int[] _byteIds = new int[256];

    private readonly WordCache _cache = new();

    private ByteLevelBpe(BpeModel model, Scanner? scanner)
    {
        _model = model;
        _scanner = scanner;
    }

    /// <summary>The short way for a pipeline, or null where it has to go the long one.</summary>
    public static ByteLevelBpe? TryCreate(IPreTokenizer? preTokenizer, ITokenModel model)
    {
        if (model is not BpeModel { Options: { Prefix: "", Suffix: "" } } bpe)
            return null;
        var steps = preTokenizer switch { null => [], SequencePreTokenizer sequence => sequence.Steps, _ => [preTokenizer] };
        Scanner? scanner;
        switch (steps)
        {
            case [ByteLevelPreTokenizer { AddPrefixSpace: false } only]:
                scanner = only.UseRegex ? Gpt2Scanner.Instance : null;
                break;
            case [SplitPreTokenizer { KeepsMatches: true, Pattern: { Scanner: { } known } },
                ByteLevelPreTokenizer { AddPrefixSpace: false, UseRegex: false }]:
                scanner = known;
                break;
            default:
                return null;
        }

        var result = new ByteLevelBpe(bpe, scanner);
        return result.FindBytes() ? result : null;
    }

    public void Encode(ReadOnlySpan<char> text, List<int> ids)
    {
        if (_scanner is null)
        {
            if (text.Length > 0)
                EncodeWord(text, ids);
            return;
        }

        for (var start = 0; start < text.Length;)
        {
            var end = _scanner.End(text, start);
            _cache.Encode(text[start..end], this, ids);
            start = end;
        }
    }

    private bool FindBytes()
    {
        for (var b = 0; b < 256; b++)
        {
            _byteIds[b] = _model.Vocabulary.Find(ByteAlphabet.CharOf((byte)b).ToString());
            if (_byteIds[b] < 0)
                return false;
        }

        return true;
    }

    public void EncodeWord(ReadOnlySpan<char> word, List<int> ids)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(word.Length));
        var count = Encoding.UTF8.GetBytes(word, bytes);
        if (_model.Options.IgnoreMerges && _model.Vocabulary.Find(ByteAlphabet.Spell(bytes.AsSpan(0, count))) is >= 0 and var whole)
        {
            ids.Add(whole);
        }
        else
        {
            var first = ids.Count;
            CollectionsMarshal.SetCount(ids, first + count);
            var symbols = CollectionsMarshal.AsSpan(ids)[first..];
            for (var i = 0; i < count; i++)
                symbols[i] = _byteIds[bytes[i]];
            CollectionsMarshal.SetCount(ids, first + BpeMerger.Merge(symbols, _model.Merges));
        }

        ArrayPool<byte>.Shared.Return(bytes);
    }
}
