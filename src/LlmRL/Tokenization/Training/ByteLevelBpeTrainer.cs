using System.Text;
using System.Text.Json.Nodes;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization.Training;

/// <summary>
/// Trains a byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; over bytes as in Radford et al. 2019): the text is cut by GPT-2's pattern, and the most
/// frequent pair of neighbours becomes a token until the vocabulary is full.
/// </summary>
/// <remarks>
/// Ids: the special tokens, the 256 bytes in the order of their spellings, then the merges. Of equally frequent pairs the one with the smaller ids comes
/// first, as in Hugging Face's trainer, so that the same text gives the same vocabulary there and here.
/// </remarks>
public static class ByteLevelBpeTrainer
{
    private const int Bos = 0, Eos = 1, Pad = 2;
    private static readonly string[] OwnSpecial = [ByteTokenizer.BosText, ByteTokenizer.EosText, ByteTokenizer.PadText];

    /// <summary>The smallest vocabulary without further special tokens: BOS, EOS, PAD and the bytes.</summary>
    public const int SmallestSize = 256 + 3;

    /// <summary>Trains a tokenizer.</summary>
    /// <param name="texts">The corpus. Special tokens inside it are left out, and cut it.</param>
    /// <param name="vocabularySize">Number of ids; fewer where the corpus has no further pair that is frequent enough.</param>
    /// <param name="special">Special tokens beside <c>&lt;|bos|&gt;</c>, <c>&lt;|eos|&gt;</c> and <c>&lt;|pad|&gt;</c>.</param>
    /// <param name="minCount">Pairs that are rarer do not become tokens.</param>
    public static Tokenizer Train(IEnumerable<string> texts, int vocabularySize, IReadOnlyList<string>? special = null, long minCount = 2)
    {
        ArgumentNullException.ThrowIfNull(texts);
        string[] names = [.. OwnSpecial, .. special ?? []];
        if (Array.Find(names, name => name.Length == 0 || names.Count(n => n == name) > 1) is { } wrong)
            throw new BadInputException($"special token '{wrong}': every special token is named once, and is not empty; {string.Join(", ", OwnSpecial)} are there anyway");
        if (vocabularySize < names.Length + 256)
            throw new BadInputException($"a vocabulary of {vocabularySize} is too small: {names.Length} special tokens and 256 bytes need {names.Length + 256}");
        var words = CountWords(texts, names);
        var tokens = new List<string>(names);
        var bytes = Alphabet(tokens);
        var merges = new BpeMergeFinder(words.Select(word => (Symbols(word.Key, bytes), word.Value)), tokens).Find(vocabularySize, minCount);
        return Assemble(tokens, names, merges);
    }

    /// <summary>How often each piece of the pattern occurs.</summary>
    private static Dictionary<string, long> CountWords(IEnumerable<string> texts, string[] special)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var cuts = new AddedTokenFinder(special.Select((name, id) => (name, new AddedToken(id, name))));
        foreach (var text in texts)
        {
            foreach (var (from, to, token) in cuts.Split(text))
            {
                if (token is null)
                    CountPieces(text.AsSpan(from, to - from));
            }
        }

        return counts;

        void CountPieces(ReadOnlySpan<char> part)
        {
            for (var start = 0; start < part.Length;)
            {
                var end = Gpt2Scanner.Instance.End(part, start);
                ref var count = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(lookup, part[start..end], out _);
                count++;
                start = end;
            }
        }
    }

    /// <summary>Adds the bytes to the tokens, in the order of their characters; returns each byte's id.</summary>
    private static int[] Alphabet(List<string> tokens)
    {
        var ids = new int[256];
        foreach (var b in Enumerable.Range(0, 256).OrderBy(b => ByteAlphabet.CharOf((byte)b)))
        {
            ids[b] = tokens.Count;
            tokens.Add(ByteAlphabet.CharOf((byte)b).ToString());
        }

        return ids;
    }

    private static int[] Symbols(string word, int[] bytes) => Array.ConvertAll(Encoding.UTF8.GetBytes(word), b => bytes[b]);

    private static HuggingFaceTokenizer Assemble(List<string> tokens, string[] special, IEnumerable<(int Left, int Right)> merges)
    {
        var vocabulary = new JsonObject();
        for (var id = 0; id < tokens.Count; id++)
            vocabulary[tokens[id]] = id;
        var lines = new JsonArray();
        foreach (var (left, right) in merges)
            lines.Add((JsonNode)$"{tokens[left]} {tokens[right]}");
        var document = TokenizerJsonBuilder.Document(TokenizerJsonBuilder.ByteLevelBpe(vocabulary, lines), special.Select((name, id) => (id, name)),
            TokenizerJsonBuilder.ByteLevel(useRegex: true), TokenizerJsonBuilder.BosTemplate(Bos, ByteTokenizer.BosText), TokenizerJsonBuilder.ByteLevel(useRegex: true));
        return TokenizerJsonBuilder.Open(document, new SpecialTokenIds(Bos, Eos, Pad));
    }
}
