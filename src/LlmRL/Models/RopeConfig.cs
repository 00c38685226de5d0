using System.Text.Json.Nodes;

namespace LlmRL.Models;

/// <summary>
/// Rotary positions in a <c>config.json</c>: before version 5 transformers kept the base at the top and the scaling under <c>rope_scaling</c>, since then all is under
/// <c>rope_parameters</c>. Both are read, and both written.
/// </summary>
internal static class RopeConfig
{
    private static readonly string[] KnownTypes = ["default", "linear", "dynamic", "llama3", "yarn"];

    /// <summary>The base θ.</summary>
    /// <param name="keys">The config.</param>
    /// <param name="oldKey">What the architecture called it before version 5.</param>
    public static double Theta(ConfigKeys keys, string oldKey) =>
        InNested(keys, "rope_theta") ?? keys.OptionalNumber("rope_theta") ?? keys.Number(oldKey, 10000);

    /// <summary>The fraction of features that rotate.</summary>
    public static double PartialFactor(ConfigKeys keys, string oldKey, double fallback) =>
        InNested(keys, "partial_rotary_factor") ?? keys.OptionalNumber("partial_rotary_factor") ?? keys.Number(oldKey, fallback);

    /// <summary>The scaling, or null where there is none.</summary>
    public static RopeScaling? Read(ConfigKeys keys, int maxPositions)
    {
        // The order of version 5 where both are there.
        if ((keys.Nested("rope_scaling") ?? keys.Nested("rope_parameters")) is not { } rope)
            return null;
        // Older configs spell the key "type".
        var type = rope.Text("rope_type", rope.Text("type", "default"));
        if (!KnownTypes.Contains(type))
            throw new BadInputException($"{keys.Path}: rope scaling '{type}' is not supported; known are {string.Join(", ", KnownTypes)}.");
        if (type == "default")
            return null;
        var kind = Enum.Parse<RopeScalingKind>(type, ignoreCase: true);
        var original = rope.OptionalInt("original_max_position_embeddings");
        var factor = rope.OptionalNumber("factor") ?? (kind == RopeScalingKind.Yarn && original > 0 ? (double)maxPositions / original : null);
        var scaling = new RopeScaling
        {
            Kind = kind,
            Factor = factor ?? throw new BadInputException($"{keys.Path}: rope scaling '{type}' lacks the key factor; a number from 1 up was expected."),
        };
        scaling = kind switch
        {
            RopeScalingKind.Llama3 => scaling with
            {
                OriginalMaxPositions = rope.Int("original_max_position_embeddings"),
                LowFrequencyFactor = rope.Number("low_freq_factor", 1),
                HighFrequencyFactor = rope.Number("high_freq_factor", 4),
            },
            RopeScalingKind.Yarn => scaling with
            {
                OriginalMaxPositions = original ?? maxPositions,
                BetaFast = rope.Number("beta_fast", 32),
                BetaSlow = rope.Number("beta_slow", 1),
                AttentionFactor = rope.OptionalNumber("attention_factor"),
                Mscale = rope.OptionalNumber("mscale"),
                MscaleAllDim = rope.OptionalNumber("mscale_all_dim"),
                Truncate = rope.Bool("truncate", true),
            },
            _ => scaling,
        };
        Check(keys.Path, scaling);
        return scaling;
    }

    /// <summary>Writes base and scaling.</summary>
    public static void Write(JsonObject json, ModelConfig config, string oldKey)
    {
        json[oldKey] = config.RopeTheta;
        var parameters = Parameters(config.RopeScaling);
        if (config.RopeScaling is not null)
        {
            json["rope_scaling"] = parameters.DeepClone();
            json["rope_scaling"]!["type"] = parameters["rope_type"]!.DeepClone();
            // Version 5 prefers this object where it finds both, so it has to be as complete as the other.
            Complete(json["rope_scaling"]!.AsObject(), config);
        }

        Complete(parameters, config);
        json["rope_parameters"] = parameters;
    }

    private static double? InNested(ConfigKeys keys, string key) =>
        keys.Nested("rope_scaling")?.OptionalNumber(key) ?? keys.Nested("rope_parameters")?.OptionalNumber(key);

    private static void Complete(JsonObject parameters, ModelConfig config)
    {
        parameters["rope_theta"] = config.RopeTheta;
        if (config.PartialRotaryFactor != 1)
            parameters["partial_rotary_factor"] = config.PartialRotaryFactor;
    }

    private static JsonObject Parameters(RopeScaling? scaling)
    {
        if (scaling is null)
            return new JsonObject { ["rope_type"] = "default" };
        var json = new JsonObject { ["rope_type"] = scaling.Kind.ToString().ToLowerInvariant(), ["factor"] = scaling.Factor };
        if (scaling.Kind is RopeScalingKind.Llama3 or RopeScalingKind.Yarn)
            json["original_max_position_embeddings"] = scaling.OriginalMaxPositions;
        if (scaling.Kind == RopeScalingKind.Llama3)
        {
            json["low_freq_factor"] = scaling.LowFrequencyFactor;
            json["high_freq_factor"] = scaling.HighFrequencyFactor;
        }

        if (scaling.Kind != RopeScalingKind.Yarn)
            return json;
        json["beta_fast"] = scaling.BetaFast;
        json["beta_slow"] = scaling.BetaSlow;
        json["truncate"] = scaling.Truncate;
        foreach (var (key, value) in new[] { ("attention_factor", scaling.AttentionFactor), ("mscale", scaling.Mscale), ("mscale_all_dim", scaling.MscaleAllDim) })
        {
            if (value is not null)
                json[key] = value;
        }

        return json;
    }

    private static void Check(string path, RopeScaling scaling)
    {
        void Require(bool holds, string problem)
        {
            if (!holds)
                throw new BadInputException($"{path}: rope scaling: {problem}.");
        }

        var positions = scaling.Kind is RopeScalingKind.Llama3 or RopeScalingKind.Yarn;
        Require(double.IsFinite(scaling.Factor) && scaling.Factor >= 1, $"factor is {scaling.Factor} but must be 1 or more");
        Require(!positions || scaling.OriginalMaxPositions > 0, $"original_max_position_embeddings is {scaling.OriginalMaxPositions} but must be positive");
        Require(scaling.HighFrequencyFactor > scaling.LowFrequencyFactor, $"high_freq_factor {scaling.HighFrequencyFactor} must exceed low_freq_factor {scaling.LowFrequencyFactor}");
        Require(scaling.BetaSlow > 0 && scaling.BetaFast >= scaling.BetaSlow, $"beta_fast {scaling.BetaFast} must be at least beta_slow {scaling.BetaSlow}, which must be positive");
    }
}
