using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization;

/// <summary>
/// The character tokenizer of verl's digit-completion task, whose <c>tokenizer_config.json</c> is all there is: <c>char_ords</c> lists the
/// characters, which follow the fixed tokens S (separator), E (end), P (padding) and U (unknown).
/// </summary>
internal static class CharacterTokenizer
{
    private static readonly string[] Fixed = ["S", "E", "P", "U"];

    /// <summary>Whether a <c>tokenizer_config.json</c> describes such a tokenizer.</summary>
    public static bool Matches(LocatedJson config) => !config["char_ords"].IsAbsent;

    /// <summary>The fixed tokens under the names that its chat template knows.</summary>
    public static IEnumerable<(string Name, string Text)> SpecialTokens => [("sep_token", "S"), ("eos_token", "E"), ("pad_token", "P"), ("unk_token", "U")];

    public static Tokenizer Read(LocatedJson config, TokenizerFiles files)
    {
        var tokens = new List<string>(Fixed);
        var known = new HashSet<string>(Fixed, StringComparer.Ordinal);
        foreach (var item in config["char_ords"].Items)
        {
            if (!System.Text.Rune.TryCreate(item.Integer, out var rune) || !known.Add(rune.ToString()))
                throw item.Expected("the code point of a character that is not listed yet (S, E, P and U are special tokens)");
            tokens.Add(rune.ToString());
        }

        var document = VocabularyTokenizer.Document(tokens, VocabularyKind.Characters, Fixed.Select((text, id) => (id, text)), "U", null);
        return new HuggingFaceTokenizer(TokenizerJsonBuilder.Read(document), new SpecialTokenIds(null, Eos: 1, Pad: 2), files);
    }
}
