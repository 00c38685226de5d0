using System.Text.Json.Nodes;

namespace LlmRL.Models;

/// <summary>Configs of <c>llama</c> and its relatives <c>mistral</c>, <c>qwen2</c> and <c>qwen3</c>.</summary>
internal static class LlamaFamily
{
    private const string Sliding = "sliding_attention", Full = "full_attention";

    /// <summary>Reads one.</summary>
    public static ModelConfig Read(string type, ConfigKeys keys)
    {
        var heads = keys.Int("num_attention_heads");
        var hidden = keys.Int("hidden_size");
        keys.OneOf("hidden_act", "silu", ["silu", "swish"]);
        var layers = keys.Int("num_hidden_layers");
        var positions = keys.Int("max_position_embeddings", 2048);
        var bias = keys.Bool("attention_bias", false);
        return new ModelConfig
        {
            ModelType = type,
            VocabSize = keys.Int("vocab_size"),
            HiddenSize = hidden,
            NumLayers = layers,
            NumHeads = heads,
            NumKeyValueHeads = keys.Int("num_key_value_heads", heads),
            // Qwen3's heads are 128 wide unless the config says otherwise.
            HeadDim = keys.Int("head_dim", type == "qwen3" ? 128 : hidden / Math.Max(1, heads)),
            IntermediateSize = keys.Int("intermediate_size"),
            MaxPositions = positions,
            NormEpsilon = keys.Number("rms_norm_eps", 1e-6),
            RopeTheta = RopeConfig.Theta(keys, "rope_theta"),
            RopeScaling = RopeConfig.Read(keys, positions),
            Window = Window(type, keys, layers),
            QkNorm = type == "qwen3",
            TieWordEmbeddings = keys.Bool("tie_word_embeddings", false),
            QkvBias = type == "qwen2" || (type != "mistral" && bias),
            OutputBias = type is "llama" or "qwen3" && bias,
            MlpBias = type == "llama" && keys.Bool("mlp_bias", false),
        };
    }

    /// <summary>Writes one.</summary>
    public static JsonObject Write(ModelConfig config)
    {
        var json = new JsonObject
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
            ["attention_dropout"] = 0.0,
        };
        RopeConfig.Write(json, config, "rope_theta");
        if (config.ModelType is "llama" or "qwen3")
            json["attention_bias"] = config.QkvBias && config.OutputBias;
        if (config.ModelType == "llama")
            json["mlp_bias"] = config.MlpBias;
        else
            json["sliding_window"] = config.Window?.Size;
        if (config.ModelType is "qwen2" or "qwen3")
        {
            var windows = Enumerable.Range(0, config.NumLayers).Select(layer => config.Window?.Covers(layer) == true).ToList();
            json["use_sliding_window"] = config.Window is not null;
            json["max_window_layers"] = windows.IndexOf(true) is >= 0 and var first ? first : config.NumLayers;
            json["layer_types"] = new JsonArray([.. windows.Select(window => (JsonNode)(window ? Sliding : Full))]);
        }

        return json;
    }

    /// <summary>Mistral has the window in every layer; Qwen, where it is switched on, in those that <c>layer_types</c> names, or from <c>max_window_layers</c> on.</summary>
    private static AttentionWindow? Window(string type, ConfigKeys keys, int layers)
    {
        if (type == "llama" || (type != "mistral" && !keys.Bool("use_sliding_window", false)) || keys.OptionalInt("sliding_window") is not { } size)
            return null;
        if (type == "mistral")
            return new AttentionWindow(size);
        if (keys.Texts("layer_types") is not { } types)
        {
            var first = keys.Int("max_window_layers", 28);
            return first >= layers ? null : new AttentionWindow(size, [.. Enumerable.Range(0, layers).Select(layer => layer >= first)]);
        }

        return types.FirstOrDefault(name => name is not (Sliding or Full)) is { } unknown
            ? throw new BadInputException($"{keys.Path}: layer_types has '{unknown}'; known are {Sliding} and {Full}.")
            : types.Contains(Sliding) ? new AttentionWindow(size, [.. types.Select(name => name == Sliding)]) : null;
    }
}

/// <summary>Configs of <c>gpt2</c>.</summary>
internal static class Gpt2Family
{
    /// <summary>Reads one.</summary>
    public static ModelConfig Read(ConfigKeys keys)
    {
        var heads = keys.Int("n_head");
        var hidden = keys.Int("n_embd");
        if (!keys.Bool("scale_attn_weights", true) || keys.Bool("scale_attn_by_inverse_layer_idx", false))
            throw new BadInputException($"{keys.Path}: scale_attn_weights false and scale_attn_by_inverse_layer_idx true are not supported; attention scores are divided by the root of the head's width.");
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
            Mlp = GeluNames.Read(keys, "activation_function", "gelu_new"),
            TieWordEmbeddings = keys.Bool("tie_word_embeddings", true),
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            FinalNorm = keys.Bool("final_norm", true),
            HeadBias = keys.Bool("lm_head_bias", false),
        };
    }

    /// <summary>Writes one.</summary>
    public static JsonObject Write(ModelConfig config)
    {
        var json = new JsonObject
        {
            ["n_embd"] = config.HiddenSize,
            ["n_layer"] = config.NumLayers,
            ["n_head"] = config.NumHeads,
            ["n_inner"] = config.IntermediateSize,
            ["n_positions"] = config.MaxPositions,
            ["n_ctx"] = config.MaxPositions,
            ["activation_function"] = GeluNames.Write(config.Mlp),
            ["layer_norm_epsilon"] = config.NormEpsilon,
            ["attn_pdrop"] = 0.0,
            ["embd_pdrop"] = 0.0,
            ["resid_pdrop"] = 0.0,
        };
        // Keys of our own for kin of GPT-2: transformers' has a final norm and no bias in its head.
        if (!config.FinalNorm)
            json["final_norm"] = false;
        if (config.HeadBias)
            json["lm_head_bias"] = true;
        return json;
    }
}

/// <summary>Configs of <c>gpt_neox</c>, the architecture of Pythia.</summary>
internal static class GptNeoxFamily
{
    /// <summary>Reads one.</summary>
    public static ModelConfig Read(ConfigKeys keys)
    {
        var heads = keys.Int("num_attention_heads");
        var hidden = keys.Int("hidden_size");
        var positions = keys.Int("max_position_embeddings", 2048);
        var bias = keys.Bool("attention_bias", true);
        return new ModelConfig
        {
            ModelType = "gpt_neox",
            VocabSize = keys.Int("vocab_size"),
            HiddenSize = hidden,
            NumLayers = keys.Int("num_hidden_layers"),
            NumHeads = heads,
            NumKeyValueHeads = heads,
            HeadDim = hidden / Math.Max(1, heads),
            IntermediateSize = keys.Int("intermediate_size"),
            MaxPositions = positions,
            Norm = NormKind.LayerNorm,
            NormEpsilon = keys.Number("layer_norm_eps", 1e-5),
            RopeTheta = RopeConfig.Theta(keys, "rotary_emb_base"),
            RopeScaling = RopeConfig.Read(keys, positions),
            PartialRotaryFactor = RopeConfig.PartialFactor(keys, "rotary_pct", 0.25),
            Mlp = GeluNames.Read(keys, "hidden_act", "gelu"),
            ParallelResidual = keys.Bool("use_parallel_residual", true),
            TieWordEmbeddings = keys.Bool("tie_word_embeddings", false),
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = true,
        };
    }

    /// <summary>Writes one.</summary>
    public static JsonObject Write(ModelConfig config)
    {
        var json = new JsonObject
        {
            ["hidden_size"] = config.HiddenSize,
            ["num_hidden_layers"] = config.NumLayers,
            ["num_attention_heads"] = config.NumHeads,
            ["intermediate_size"] = config.IntermediateSize,
            ["max_position_embeddings"] = config.MaxPositions,
            ["hidden_act"] = GeluNames.Write(config.Mlp),
            ["layer_norm_eps"] = config.NormEpsilon,
            ["rotary_pct"] = config.PartialRotaryFactor,
            ["use_parallel_residual"] = config.ParallelResidual,
            ["attention_bias"] = config.QkvBias,
            ["attention_dropout"] = 0.0,
            ["hidden_dropout"] = 0.0,
        };
        RopeConfig.Write(json, config, "rotary_emb_base");
        return json;
    }
}

/// <summary>Hugging Face's names of GELU.</summary>
internal static class GeluNames
{
    /// <summary>Reads one.</summary>
    public static MlpKind Read(ConfigKeys keys, string key, string fallback) =>
        keys.OneOf(key, fallback, ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"]) == "gelu" ? MlpKind.Gelu : MlpKind.GeluTanh;

    /// <summary>The name of one.</summary>
    public static string Write(MlpKind kind) => kind == MlpKind.Gelu ? "gelu" : "gelu_new";
}
