using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmRL.Models;

/// <summary>Reads and writes Hugging Face <c>config.json</c> files.</summary>
public static class ModelConfigFile
{
    /// <summary>The architectures that can be read, by <c>model_type</c>.</summary>
    public static readonly IReadOnlyList<string> KnownTypes = ["llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Reads a config.</summary>
    /// <param name="path">A <c>config.json</c> or another file of its form.</param>
    /// <exception cref="BadInputException">The file is missing, no JSON, of an unknown architecture, or lacks a key.</exception>
    public static ModelConfig Read(string path)
    {
        var json = ReadJson(path);
        var keys = new ConfigKeys(path, json);
        var type = json["model_type"] is null
            ? throw new BadInputException($"{path}: key model_type is missing; it names the architecture, one of {string.Join(", ", KnownTypes)}.")
            : keys.Text("model_type", "");
        var config = type switch
        {
            "llama" or "mistral" or "qwen2" or "qwen3" => LlamaFamily.Read(type, keys),
            "gpt2" => Gpt2Family.Read(keys),
            "gpt_neox" => GptNeoxFamily.Read(keys),
            _ => throw new BadInputException($"{path}: model_type '{type}' is not supported; known are {string.Join(", ", KnownTypes)}."),
        };
        return Check(path, config with
        {
            InitializerRange = keys.Number("initializer_range", 0.02),
            BosTokenId = keys.OptionalInt("bos_token_id"),
            EosTokenId = keys.OptionalInt("eos_token_id"),
            MoreEosTokenIds = [.. keys.Ints("eos_token_id").Skip(1)],
            PadTokenId = keys.OptionalInt("pad_token_id"),
        });
    }

    /// <summary>The config as Hugging Face's <c>transformers</c> reads it.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="scalarHead">Whether the model ends in a scalar head (sequence classification with one label).</param>
    /// <param name="extra">Keys of our own, kept under <c>llmrl</c>.</param>
    public static string Write(ModelConfig config, bool scalarHead = false, IReadOnlyDictionary<string, double>? extra = null)
    {
        var (json, family) = config.ModelType switch
        {
            "gpt2" => (Gpt2Family.Write(config), "GPT2"),
            "gpt_neox" => (GptNeoxFamily.Write(config), "GPTNeoX"),
            _ => (LlamaFamily.Write(config), $"{char.ToUpperInvariant(config.ModelType[0])}{config.ModelType[1..]}"),
        };
        var suffix = scalarHead ? "ForSequenceClassification" : config.ModelType == "gpt2" ? "LMHeadModel" : "ForCausalLM";
        json["architectures"] = new JsonArray(family + suffix);
        json["model_type"] = config.ModelType;
        json["vocab_size"] = config.VocabSize;
        json["torch_dtype"] = "float32";
        json["initializer_range"] = config.InitializerRange;
        json["tie_word_embeddings"] = config.TieWordEmbeddings;
        json["bos_token_id"] = config.BosTokenId;
        json["eos_token_id"] = EndIds(config);
        json["pad_token_id"] = config.PadTokenId;
        json["use_cache"] = true;
        if (scalarHead)
        {
            json["num_labels"] = 1;
            json["id2label"] = new JsonObject { ["0"] = "LABEL_0" };
            json["label2id"] = new JsonObject { ["LABEL_0"] = 0 };
        }

        if (extra is { Count: > 0 })
            json["llmrl"] = new JsonObject(extra.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        return json.ToJsonString(Indented) + "\n";
    }

    /// <summary><c>generation_config.json</c> of a model.</summary>
    public static string WriteGeneration(ModelConfig config) =>
        new JsonObject { ["bos_token_id"] = config.BosTokenId, ["eos_token_id"] = EndIds(config), ["pad_token_id"] = config.PadTokenId, ["do_sample"] = true }.ToJsonString(Indented) + "\n";

    /// <summary>Adds the ids that end a sequence by a folder's <c>generation_config.json</c>: chat models name their end of turn there.</summary>
    public static ModelConfig WithGeneration(ModelConfig config, string path)
    {
        if (!File.Exists(path))
            return config;
        var ids = new ConfigKeys(path, ReadJson(path)).Ints("eos_token_id").Where(id => id != config.EosTokenId && !config.MoreEosTokenIds.Contains(id)).ToList();
        return config.EosTokenId is null
            ? config with { EosTokenId = ids.Count > 0 ? ids[0] : null, MoreEosTokenIds = [.. ids.Skip(1)] }
            : config with { MoreEosTokenIds = [.. config.MoreEosTokenIds, .. ids] };
    }

    /// <summary>A number of our own kept under <c>llmrl</c>, or null.</summary>
    public static double? Extra(string path, string key) => (ReadJson(path)["llmrl"] as JsonObject)?[key] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out double number) => number,
        var odd => throw new BadInputException($"{path}: key llmrl.{key} is {odd.ToJsonString()} but a number was expected."),
    };

    /// <summary>
    /// Spellings of tensor names that a folder's weight file uses, kept under <c>llmrl.weight_names</c>: texts in Hugging Face's names and what stands for
    /// them in the file, to be replaced in this order.
    /// </summary>
    public static IReadOnlyList<KeyValuePair<string, string>> WeightNames(string path)
    {
        if ((ReadJson(path)["llmrl"] as JsonObject)?["weight_names"] is not { } node)
            return [];
        return node is JsonObject map && map.All(pair => pair.Key.Length > 0 && pair.Value is JsonValue value && value.TryGetValue(out string? _))
            ? [.. map.Select(pair => KeyValuePair.Create(pair.Key, (string)pair.Value!))]
            : throw new BadInputException($"{path}: key llmrl.weight_names is {node.ToJsonString()} but an object of texts was expected, such as {{\"transformer.h.\": \"layers.\"}}.");
    }

    /// <summary>Whether the config describes a model with a scalar head.</summary>
    public static bool HasScalarHead(string path) =>
        ReadJson(path)["architectures"] is JsonArray { Count: > 0 } names && names[0] is JsonValue first && first.TryGetValue(out string? name)
        && name.EndsWith("ForSequenceClassification", StringComparison.Ordinal);

    private static JsonNode? EndIds(ModelConfig config) => config.MoreEosTokenIds.Count == 0
        ? (JsonNode?)config.EosTokenId
        : new JsonArray([.. new[] { config.EosTokenId }.OfType<int>().Concat(config.MoreEosTokenIds).Select(id => (JsonNode)id)]);

    internal static JsonObject ReadJson(string path)
    {
        if (!File.Exists(path))
            throw new BadInputException($"{path}: no such file. A model is a folder in Hugging Face layout with config.json, or a config file.");
        try
        {
            return JsonNode.Parse(File.ReadAllText(path), null, new JsonDocumentOptions { AllowTrailingCommas = true, AllowDuplicateProperties = false, CommentHandling = JsonCommentHandling.Skip }) as JsonObject
                ?? throw new BadInputException($"{path}: a JSON object was expected.");
        }
        catch (JsonException fault)
        {
            throw new BadInputException($"{path}:{fault.LineNumber + 1}: no valid JSON: {fault.Message}", fault);
        }
    }

    private static ModelConfig Check(string path, ModelConfig config)
    {
        void Require(bool holds, string problem)
        {
            if (!holds)
                throw new BadInputException($"{path}: {problem}.");
        }

        foreach (var (name, value) in new[]
        {
            ("vocab_size", config.VocabSize), ("hidden_size", config.HiddenSize), ("number of layers", config.NumLayers), ("number of heads", config.NumHeads),
            ("number of key/value heads", config.NumKeyValueHeads), ("head_dim", config.HeadDim), ("intermediate size", config.IntermediateSize), ("number of positions", config.MaxPositions),
        })
            Require(value > 0, $"{name} is {value} but must be positive");
        Require(config.NumHeads % config.NumKeyValueHeads == 0, $"num_attention_heads {config.NumHeads} is no multiple of num_key_value_heads {config.NumKeyValueHeads}");
        Require(config.Positions != PositionKind.Rotary || (config.RotaryDim % 2 == 0 && config.RotaryDim >= 2 && config.RotaryDim <= config.HeadDim),
            $"{config.RotaryDim} of head_dim {config.HeadDim} features rotate; rotary positions need an even number of them, 2 to head_dim");
        Require(config.RopeTheta > 0, $"rope_theta is {config.RopeTheta} but must be positive");
        Require(config.RopeScaling?.Kind != RopeScalingKind.Dynamic || config.RotaryDim > 2, "dynamic rope scaling needs more than two rotating features");
        Require(config.Window is not { Size: < 1 }, $"sliding_window is {config.Window?.Size} but must be positive or null");
        Require(config.Window?.Layers is not { } layers || layers.Count == config.NumLayers, $"layer_types has {config.Window?.Layers?.Count} entries for {config.NumLayers} layers");
        return config;
    }
}
