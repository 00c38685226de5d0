using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmRL.Models;

/// <summary>Reads and writes Hugging Face <c>config.json</c> files.</summary>
public static class ModelConfigFile
{
    /// <summary>The architectures that can be read, by <c>model_type</c>.</summary>
    public static readonly IReadOnlyList<string> KnownTypes = ["llama", "qwen2", "gpt2"];

    /// <summary>Reads a config.</summary>
    /// <param name="path">A <c>config.json</c> or another file of its form.</param>
    /// <exception cref="BadInputException">The file is missing, no JSON, of an unknown architecture, or lacks a key.</exception>
    public static ModelConfig Read(string path)
    {
        var json = ReadJson(path);
        var keys = new Keys(path, json);
        var type = json["model_type"] is null
            ? throw new BadInputException($"{path}: key model_type is missing; it names the architecture, one of {string.Join(", ", KnownTypes)}.")
            : keys.Text("model_type", "");
        return type switch
        {
            "llama" or "qwen2" => Check(path, Llama(type, keys)),
            "gpt2" => Check(path, Gpt2(keys)),
            _ => throw new BadInputException($"{path}: model_type '{type}' is not supported; known are {string.Join(", ", KnownTypes)}."),
        };
    }

    /// <summary>The config as Hugging Face's <c>transformers</c> reads it.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="scalarHead">Whether the model ends in a scalar head (sequence classification with one label).</param>
    /// <param name="extra">Keys of our own, kept under <c>llmrl</c>.</param>
    public static string Write(ModelConfig config, bool scalarHead = false, IReadOnlyDictionary<string, double>? extra = null)
    {
        var json = config.ModelType == "gpt2" ? WriteGpt2(config) : WriteLlama(config);
        var family = config.ModelType switch { "gpt2" => "GPT2", "qwen2" => "Qwen2", _ => "Llama" };
        var suffix = scalarHead ? "ForSequenceClassification" : config.ModelType == "gpt2" ? "LMHeadModel" : "ForCausalLM";
        json["architectures"] = new JsonArray(family + suffix);
        json["model_type"] = config.ModelType;
        json["vocab_size"] = config.VocabSize;
        json["torch_dtype"] = "float32";
        json["initializer_range"] = config.InitializerRange;
        json["tie_word_embeddings"] = config.TieWordEmbeddings;
        json["bos_token_id"] = config.BosTokenId;
        json["eos_token_id"] = config.EosTokenId;
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
        return json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";
    }

    /// <summary>A number of our own kept under <c>llmrl</c>, or null.</summary>
    public static double? Extra(string path, string key) => (double?)ReadJson(path)["llmrl"]?[key];

    /// <summary>Whether the config describes a model with a scalar head.</summary>
    public static bool HasScalarHead(string path) =>
        ReadJson(path)["architectures"] is JsonArray { Count: > 0 } names && ((string?)names[0])?.EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true;

    private static JsonObject ReadJson(string path)
    {
        if (!File.Exists(path))
            throw new BadInputException($"{path}: no such file. A model is a folder in Hugging Face layout with config.json, or a config file.");
        try
        {
            return JsonNode.Parse(File.ReadAllText(path), null, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip }) as JsonObject
                ?? throw new BadInputException($"{path}: a JSON object was expected.");
        }
        catch (JsonException fault)
        {
            throw new BadInputException($"{path}:{fault.LineNumber + 1}: no valid JSON: {fault.Message}", fault);
        }
    }

    private static ModelConfig Llama(string type, Keys keys)
    {
        var heads = keys.Int("num_attention_heads");
        var hidden = keys.Int("hidden_size");
        keys.OneOf("hidden_act", "silu", ["silu", "swish"]);
        // Older configs spell the key "type".
        if (keys.Text("rope_type", keys.Text("type", "default")) is not ("default" or "") and var rope)
            throw new BadInputException($"{keys.Path}: rope scaling '{rope}' is not supported yet; only plain rotary positions are.");
        return new ModelConfig
        {
            ModelType = type,
            VocabSize = keys.Int("vocab_size"),
            HiddenSize = hidden,
            NumLayers = keys.Int("num_hidden_layers"),
            NumHeads = heads,
            NumKeyValueHeads = keys.Int("num_key_value_heads", heads),
            HeadDim = keys.Int("head_dim", hidden / Math.Max(1, heads)),
            IntermediateSize = keys.Int("intermediate_size"),
            MaxPositions = keys.Int("max_position_embeddings", 2048),
            NormEpsilon = keys.Number("rms_norm_eps", 1e-6),
            RopeTheta = keys.Number("rope_theta", 10000),
            TieWordEmbeddings = keys.Bool("tie_word_embeddings", false),
            QkvBias = type == "qwen2" || keys.Bool("attention_bias", false),
            OutputBias = type != "qwen2" && keys.Bool("attention_bias", false),
            MlpBias = keys.Bool("mlp_bias", false),
            InitializerRange = keys.Number("initializer_range", 0.02),
            BosTokenId = keys.OptionalInt("bos_token_id"),
            EosTokenId = keys.OptionalInt("eos_token_id"),
            PadTokenId = keys.OptionalInt("pad_token_id"),
        };
    }

    private static ModelConfig Gpt2(Keys keys)
    {
        var heads = keys.Int("n_head");
        var hidden = keys.Int("n_embd");
        var activation = keys.OneOf("activation_function", "gelu_new", ["gelu_new", "gelu", "gelu_pytorch_tanh"]);
        return new ModelConfig
        {
            ModelType = "gpt2",
            VocabSize = keys.Int("vocab_size"),
            HiddenSize = hidden,
            NumLayers = keys.Int("n_layer"),
            NumHeads = heads,
            NumKeyValueHeads = heads,
            HeadDim = hidden / Math.Max(1, heads),
            IntermediateSize = keys.OptionalInt("n_inner") ?? 4 * hidden,
            MaxPositions = keys.Int("n_positions", keys.OptionalInt("n_ctx") ?? 1024),
            Norm = NormKind.LayerNorm,
            NormEpsilon = keys.Number("layer_norm_epsilon", 1e-5),
            Positions = PositionKind.Learned,
            Mlp = activation == "gelu" ? MlpKind.Gelu : MlpKind.GeluTanh,
            TieWordEmbeddings = keys.Bool("tie_word_embeddings", true),
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            InitializerRange = keys.Number("initializer_range", 0.02),
            BosTokenId = keys.OptionalInt("bos_token_id"),
            EosTokenId = keys.OptionalInt("eos_token_id"),
            PadTokenId = keys.OptionalInt("pad_token_id"),
        };
    }

    private static JsonObject WriteLlama(ModelConfig config) => new()
    {
        ["hidden_size"] = config.HiddenSize,
        ["num_hidden_layers"] = config.NumLayers,
        ["num_attention_heads"] = config.NumHeads,
        ["num_key_value_heads"] = config.NumKeyValueHeads,
        ["head_dim"] = config.HeadDim,
        ["intermediate_size"] = config.IntermediateSize,
        ["max_position_embeddings"] = config.MaxPositions,
        ["hidden_act"] = "silu",
        ["rms_norm_eps"] = config.NormEpsilon,
        // Both spellings: transformers before and since version 5.
        ["rope_theta"] = config.RopeTheta,
        ["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = config.RopeTheta },
        ["attention_bias"] = config.QkvBias && config.OutputBias,
        ["attention_dropout"] = 0.0,
        ["mlp_bias"] = config.MlpBias,
    };

    private static JsonObject WriteGpt2(ModelConfig config) => new()
    {
        ["n_embd"] = config.HiddenSize,
        ["n_layer"] = config.NumLayers,
        ["n_head"] = config.NumHeads,
        ["n_inner"] = config.IntermediateSize,
        ["n_positions"] = config.MaxPositions,
        ["n_ctx"] = config.MaxPositions,
        ["activation_function"] = config.Mlp == MlpKind.Gelu ? "gelu" : "gelu_new",
        ["layer_norm_epsilon"] = config.NormEpsilon,
        ["attn_pdrop"] = 0.0,
        ["embd_pdrop"] = 0.0,
        ["resid_pdrop"] = 0.0,
    };

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
        Require(config.Positions != PositionKind.Rotary || config.HeadDim % 2 == 0, $"head_dim {config.HeadDim} is odd; rotary positions need an even one");
        return config;
    }

    /// <summary>Typed access to the config's keys, with errors that name file and key. Rope keys are also looked for where transformers 5 puts them.</summary>
    private sealed class Keys(string path, JsonObject json)
    {
        public string Path => path;

        public int Int(string key, int? fallback = null) =>
            OptionalInt(key) ?? fallback ?? throw new BadInputException($"{path}: key {key} is missing; a whole number was expected.");

        public int? OptionalInt(string key) => Find(key) switch
        {
            null => null,
            JsonValue value when value.TryGetValue(out int number) => number,
            JsonValue value when value.TryGetValue(out double real) && real == Math.Floor(real) && Math.Abs(real) < int.MaxValue => (int)real,
            JsonArray { Count: > 0 } list when list[0] is JsonValue first && first.TryGetValue(out int number) => number,
            var other => throw Wrong(key, other, "a whole number"),
        };

        public double Number(string key, double fallback) => Find(key) switch
        {
            null => fallback,
            JsonValue value when value.TryGetValue(out double number) => number,
            var other => throw Wrong(key, other, "a number"),
        };

        public bool Bool(string key, bool fallback) => Find(key) switch
        {
            null => fallback,
            JsonValue value when value.TryGetValue(out bool flag) => flag,
            var other => throw Wrong(key, other, "true or false"),
        };

        public string Text(string key, string fallback) => Find(key) switch
        {
            null => fallback,
            JsonValue value when value.TryGetValue(out string? text) => text,
            var other => throw Wrong(key, other, "a text"),
        };

        public string OneOf(string key, string fallback, string[] known)
        {
            var value = Text(key, fallback);
            return known.Contains(value) ? value : throw new BadInputException($"{path}: {key} '{value}' is not supported; known are {string.Join(", ", known)}.");
        }

        private JsonNode? Find(string key) => json[key] ?? (json["rope_parameters"] as JsonObject)?[key] ?? (json["rope_scaling"] as JsonObject)?[key];

        private BadInputException Wrong(string key, JsonNode node, string expected) => new($"{path}: key {key} is {node.ToJsonString()} but {expected} was expected.");
    }
}
