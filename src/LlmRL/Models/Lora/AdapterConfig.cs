using System.Text.Json.Nodes;
using LlmRL.Runs;

namespace LlmRL.Models.Lora;

/// <summary><c>adapter_config.json</c> as PEFT writes it.</summary>
/// <param name="Path">The file.</param>
/// <param name="Options">Rank, scale, dropout and targets; targets that are a pattern in the file are none here.</param>
/// <param name="BaseName">The model that the adapters belong to; null where the file names none.</param>
/// <param name="ScalarHead">Whether a scalar head is saved with them.</param>
internal sealed record AdapterConfig(string Path, LoraOptions Options, string? BaseName, bool ScalarHead)
{
    private const string RankKey = "r", AlphaKey = "lora_alpha", DropoutKey = "lora_dropout", TargetsKey = "target_modules", BaseKey = "base_model_name_or_path",
        TypeKey = "peft_type", RsloraKey = "use_rslora", BiasKey = "bias", SavedKey = "modules_to_save", InitKey = "init_lora_weights", Kind = "LORA", None = "none";

    /// <summary>Settings that change what the adapters compute, and that must be off.</summary>
    private static readonly string[] Unsupported =
    [
        "use_dora", "rank_pattern", "alpha_pattern", "layer_replication", "trainable_token_indices", "target_parameters", "lora_bias", "use_qalora", "use_bdlora",
        "alora_invocation_tokens", "arrow_config", "monteclora_config",
    ];

    /// <summary>Ways to start that change the base's weights too.</summary>
    private static readonly string[] ChangingInits = ["pissa", "olora", "corda", "loftq", "lora_ga"];

    /// <summary>Reads a config.</summary>
    /// <exception cref="BadInputException">It is missing or damaged, or asks for what is not supported.</exception>
    public static AdapterConfig Read(string path)
    {
        var keys = Open(path, out var json);
        if (keys.Text(TypeKey, Kind) is var type && type != Kind)
            throw new BadInputException($"{path}: {TypeKey} is {type}; adapters of type {Kind} can be read.");
        foreach (var key in Unsupported.Where(key => IsOn(json[key])))
            throw new BadInputException($"{path}: {key} is {json[key]!.ToJsonString()}, which is not supported. Merge the adapters with PEFT's merge_and_unload, and name the merged model.");
        if (keys.Text(BiasKey, None) is var bias && bias != None)
            throw new BadInputException($"{path}: {BiasKey} is '{bias}': biases that were trained with the adapters are not supported. Merge the adapters with PEFT's merge_and_unload, and name the merged model.");
        if (json[InitKey] is JsonValue start && start.TryGetValue(out string? how) && Array.Exists(ChangingInits, how.StartsWith))
            throw new BadInputException($"{path}: {InitKey} is '{how}', which changes the base model's weights too. Save the adapters with PEFT's path_initial_model_for_weight_conversion.");
        var saved = Texts(path, json, SavedKey);
        if (saved.FirstOrDefault(name => name != ParameterLayout.ScoreName) is { } other)
            throw new BadInputException($"{path}: {SavedKey} has '{other}'; of modules that are trained whole only {ParameterLayout.ScoreName}, a reward model's head, is supported.");
        var options = new LoraOptions
        {
            R = keys.Int(RankKey),
            Alpha = keys.Number(AlphaKey, 0),
            Dropout = keys.Number(DropoutKey, 0),
            UseRslora = IsOn(json[RsloraKey]),
            TargetModules = json[TargetsKey] is JsonArray ? Texts(path, json, TargetsKey) : [],
        };
        if (options.R < 1 || options.Alpha <= 0 || options.Dropout is < 0 or >= 1)
            throw new BadInputException($"{path}: {RankKey} {options.R}, {AlphaKey} {options.Alpha}, {DropoutKey} {options.Dropout}: the rank and {AlphaKey} must be positive, and {DropoutKey} between 0 and 1.");
        return new AdapterConfig(path, options, keys.Text(BaseKey, "") is { Length: > 0 } name ? name : null, saved.Count > 0);
    }

    /// <summary>The file's text.</summary>
    public static string Write(LoraAdapters adapters, string? baseName)
    {
        var options = adapters.Options;
        JsonArray List(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);
        var targets = options.TargetModules.Contains(LoraOptions.AllLinear)
            ? adapters.Linears.SelectMany(linear => linear.Blocks).Select(block => LoraLayout.Short(block.Module)).Distinct()
            : options.TargetModules;
        var json = new JsonObject
        {
            ["auto_mapping"] = null,
            [BaseKey] = baseName,
            [BiasKey] = None,
            ["fan_in_fan_out"] = adapters.Linears.Any(linear => linear.Blocks.Any(block => block.Base.Order == PartOrder.Transposed)),
            ["inference_mode"] = true,
            [InitKey] = true,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = null,
            [AlphaKey] = options.Alpha == Math.Truncate(options.Alpha) ? JsonValue.Create((long)options.Alpha) : JsonValue.Create(options.Alpha),
            [DropoutKey] = options.Dropout,
            [SavedKey] = adapters.HasScalarHead ? List([ParameterLayout.ScoreName]) : null,
            [TypeKey] = Kind,
            [RankKey] = options.R,
            ["revision"] = null,
            [TargetsKey] = List(targets),
            ["task_type"] = adapters.HasScalarHead ? "SEQ_CLS" : "CAUSAL_LM",
            [RsloraKey] = options.UseRslora,
        };
        return json.ToJsonString(JsonLayout.Indented) + "\n";
    }

    private static ConfigKeys Open(string path, out JsonObject json)
    {
        json = ModelConfigFile.ReadJson(path);
        return new ConfigKeys(path, json);
    }

    private static List<string> Texts(string path, JsonObject json, string key) => json[key] switch
    {
        null => [],
        JsonArray items when items.All(item => item is JsonValue value && value.TryGetValue(out string? _)) => [.. items.Select(item => (string)item!)],
        var odd => throw new BadInputException($"{path}: key {key} is {odd.ToJsonString()} but a list of names was expected."),
    };

    private static bool IsOn(JsonNode? node) => node switch
    {
        null => false,
        JsonValue value when value.TryGetValue(out bool truth) => truth,
        JsonObject map => map.Count > 0,
        JsonArray list => list.Count > 0,
        _ => true,
    };
}
