using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmRL.Runs;

namespace LlmRL.Tokenization;

/// <summary>The files that a tokenizer was read from, or that it generated: <c>Save</c> writes them back byte for byte.</summary>
internal sealed class TokenizerFiles
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly SortedDictionary<string, byte[]> _contents = new(StringComparer.Ordinal);

    public bool Contains(string name) => _contents.ContainsKey(name);

    public void Add(string name, byte[] content) => _contents[name] = content;

    public void Add(string name, JsonNode content) => Add(name, Bytes(content));

    public static byte[] Bytes(JsonNode content) => Encoding.UTF8.GetBytes(content.ToJsonString(Indented) + "\n");

    /// <summary>Adds a <c>tokenizer_config.json</c> that names the special tokens, unless the folder already had one.</summary>
    public void AddConfigIfMissing(Tokenizer tokenizer, string tokenizerClass, string? unknown = null)
    {
        if (!Contains(TokenizerLoader.ConfigName))
            Add(TokenizerLoader.ConfigName, Config(tokenizer, tokenizerClass, unknown));
    }

    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var (name, content) in _contents)
            AtomicFile.WriteAllBytes(Path.Combine(folder, name), content);
    }

    private static JsonObject Config(Tokenizer tokenizer, string tokenizerClass, string? unknown)
    {
        var config = new JsonObject { ["tokenizer_class"] = tokenizerClass };
        if (tokenizer.BosId is { } bos)
            config["bos_token"] = tokenizer.TokenText(bos);
        config["eos_token"] = tokenizer.TokenText(tokenizer.EosId);
        config["pad_token"] = tokenizer.TokenText(tokenizer.PadId);
        if (unknown is not null)
            config["unk_token"] = unknown;
        config["clean_up_tokenization_spaces"] = false;
        return config;
    }
}
