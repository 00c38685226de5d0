using System.Text.Json.Nodes;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization;

/// <summary>Builds the <c>tokenizer.json</c> of tokenizers made here, in the layout of Hugging Face's <c>tokenizers</c> library.</summary>
internal static class TokenizerJsonBuilder
{
    /// <summary>The whole document; null parts are absent steps of the pipeline.</summary>
    public static JsonObject Document(JsonObject model, IEnumerable<(int Id, string Text)> addedTokens, JsonObject? preTokenizer,
        JsonObject? postProcessor, JsonObject? decoder)
    {
        var added = new JsonArray();
        foreach (var (id, text) in addedTokens)
            added.Add((JsonNode)AddedToken(id, text));
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = null,
            ["pre_tokenizer"] = preTokenizer,
            ["post_processor"] = postProcessor,
            ["decoder"] = decoder,
            ["model"] = model,
        };
    }

    /// <summary>A byte-level BPE model: ids by token, and merges as two tokens with a space between them.</summary>
    public static JsonObject ByteLevelBpe(JsonObject vocabulary, JsonArray merges) => new()
    {
        ["type"] = "BPE",
        ["dropout"] = null,
        ["unk_token"] = null,
        ["continuing_subword_prefix"] = null,
        ["end_of_word_suffix"] = null,
        ["fuse_unk"] = false,
        ["byte_fallback"] = false,
        ["vocab"] = vocabulary,
        ["merges"] = merges,
    };

    /// <summary>The tokenizer that a document made here describes, which saves that document and a configuration.</summary>
    public static HuggingFaceTokenizer Open(JsonObject document, SpecialTokenIds special, string? unknown = null)
    {
        var files = new TokenizerFiles();
        files.Add(TokenizerLoader.JsonName, document);
        var tokenizer = new HuggingFaceTokenizer(Read(document), special, files);
        files.AddConfigIfMissing(tokenizer, "PreTrainedTokenizerFast", unknown);
        return tokenizer;
    }

    /// <summary>The pipeline that a document made here describes.</summary>
    public static Pipeline Read(JsonObject document) =>
        TokenizerJsonReader.Read(LocatedJson.Parse(TokenizerLoader.JsonName, System.Text.Encoding.UTF8.GetBytes(document.ToJsonString())));

    public static JsonObject ByteLevel(bool useRegex) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = false,
        ["trim_offsets"] = true,
        ["use_regex"] = useRegex,
    };

    /// <summary>A template that puts BOS before the text and nothing after it: a completion's EOS is the trainer's business.</summary>
    public static JsonObject BosTemplate(int id, string text) => new()
    {
        ["type"] = "TemplateProcessing",
        ["single"] = new JsonArray(SpecialToken(text, 0), Sequence("A", 0)),
        ["pair"] = new JsonArray(SpecialToken(text, 0), Sequence("A", 0), SpecialToken(text, 1), Sequence("B", 1)),
        ["special_tokens"] = new JsonObject
        {
            [text] = new JsonObject { ["id"] = text, ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray(text) },
        },
    };

    private static JsonObject AddedToken(int id, string text) => new()
    {
        ["id"] = id,
        ["content"] = text,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = true,
    };

    private static JsonObject SpecialToken(string text, int typeId) =>
        new() { ["SpecialToken"] = new JsonObject { ["id"] = text, ["type_id"] = typeId } };

    private static JsonObject Sequence(string id, int typeId) =>
        new() { ["Sequence"] = new JsonObject { ["id"] = id, ["type_id"] = typeId } };
}
