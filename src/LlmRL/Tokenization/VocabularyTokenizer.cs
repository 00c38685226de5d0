using System.Text.Json.Nodes;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization;

/// <summary>What a <see cref="VocabularyTokenizer"/> takes as its tokens.</summary>
public enum VocabularyKind
{
    /// <summary>One Unicode code point a token.</summary>
    Characters,

    /// <summary>
    /// A run of letters with the one space before it, if there is one, as in <c> word</c>; every other code point alone: digits, punctuation, line
    /// breaks, further spaces. Joining the tokens gives the text back.
    /// </summary>
    Words,
}

/// <summary>
/// Tokenizers whose vocabulary is counted in a corpus: ids 0–3 are <c>&lt;unk&gt;</c>, <c>&lt;|bos|&gt;</c>, <c>&lt;|eos|&gt;</c> and
/// <c>&lt;|pad|&gt;</c>, then the tokens, the most frequent first.
/// </summary>
/// <remarks>
/// They are Hugging Face <c>WordLevel</c> models behind a <c>Split</c> pre-tokenizer: <c>Save</c> writes a <c>tokenizer.json</c> that
/// <see cref="TokenizerLoader"/> and Hugging Face's <c>tokenizers</c> read with the same ids. What is not in the vocabulary becomes
/// <c>&lt;unk&gt;</c>; everything else decodes to itself.
/// </remarks>
public static class VocabularyTokenizer
{
    /// <summary>Spelling of id 0, which stands for whatever the vocabulary lacks.</summary>
    public const string UnknownText = "<unk>";

    private const int Unknown = 0, Bos = 1, Eos = 2, Pad = 3;
    private static readonly (int, string)[] Special =
        [(Unknown, UnknownText), (Bos, ByteTokenizer.BosText), (Eos, ByteTokenizer.EosText), (Pad, ByteTokenizer.PadText)];

    /// <summary>Counts the tokens of a corpus and keeps the most frequent; equally frequent ones in ordinal order.</summary>
    /// <param name="texts">The corpus.</param>
    /// <param name="kind">What a token is.</param>
    /// <param name="maxSize">Largest vocabulary, the four special tokens included.</param>
    /// <param name="minCount">Tokens that are rarer are left out.</param>
    public static Tokenizer Build(IEnumerable<string> texts, VocabularyKind kind, int maxSize = int.MaxValue, int minCount = 1)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(maxSize, Special.Length);
        Scanner scanner = kind == VocabularyKind.Characters ? CharacterScanner.Instance : WordScanner.Instance;
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var text in texts)
        {
            for (var start = 0; start < text.Length;)
            {
                var end = scanner.End(text, start);
                var token = text.AsSpan(start, end - start);
                lookup[token] = lookup.TryGetValue(token, out var count) ? count + 1 : 1;
                start = end;
            }
        }

        var kept = counts.Where(c => c.Value >= minCount && !Special.Any(s => s.Item2 == c.Key))
            .OrderByDescending(c => c.Value).ThenBy(c => c.Key, StringComparer.Ordinal).Take(maxSize - Special.Length).Select(c => c.Key);
        var document = Document([.. Special.Select(s => s.Item2), .. kept], kind, Special, UnknownText,
            TokenizerJsonBuilder.BosTemplate(Bos, ByteTokenizer.BosText));
        return TokenizerJsonBuilder.Open(document, new SpecialTokenIds(Bos, Eos, Pad), UnknownText);
    }

    /// <summary>The <c>tokenizer.json</c> of a vocabulary, whose tokens have their places as ids.</summary>
    internal static JsonObject Document(IReadOnlyList<string> tokens, VocabularyKind kind, IEnumerable<(int, string)> special, string unknown,
        JsonObject? postProcessor)
    {
        var vocabulary = new JsonObject();
        for (var id = 0; id < tokens.Count; id++)
            vocabulary[tokens[id]] = id;
        var model = new JsonObject { ["type"] = "WordLevel", ["vocab"] = vocabulary, ["unk_token"] = unknown };
        var split = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = kind == VocabularyKind.Characters ? CharacterScanner.Pattern : WordScanner.Pattern },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        };
        return TokenizerJsonBuilder.Document(model, special, split, postProcessor, new JsonObject { ["type"] = "Fuse" });
    }
}
