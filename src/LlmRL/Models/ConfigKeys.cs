using System.Text.Json.Nodes;

namespace LlmRL.Models;

/// <summary>Typed access to a config's keys, with errors that name file and key.</summary>
internal sealed class ConfigKeys(string path, JsonObject json)
{
    /// <summary>The file.</summary>
    public string Path => path;

    /// <summary>The keys of a nested object, or null where it is absent or empty.</summary>
    public ConfigKeys? Nested(string key) => json[key] switch
    {
        null or JsonObject { Count: 0 } => null,
        JsonObject nested => new ConfigKeys(path, nested),
        var other => throw Wrong(key, other, "an object"),
    };

    /// <summary>A list of texts, or null.</summary>
    public IReadOnlyList<string>? Texts(string key) => json[key] switch
    {
        null => null,
        JsonArray list when list.All(item => item is JsonValue value && value.TryGetValue(out string? _)) => [.. list.Select(item => (string)item!)],
        var other => throw Wrong(key, other, "a list of texts"),
    };

    /// <summary>A whole number; without a fallback it must be there.</summary>
    public int Int(string key, int? fallback = null) =>
        OptionalInt(key) ?? fallback ?? throw new BadInputException($"{path}: key {key} is missing; a whole number was expected.");

    /// <summary>A whole number, or null; of a list the first one.</summary>
    public int? OptionalInt(string key) => json[key] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out int number) => number,
        JsonValue value when value.TryGetValue(out double real) && real == Math.Floor(real) && Math.Abs(real) < int.MaxValue => (int)real,
        JsonArray { Count: > 0 } list when list[0] is JsonValue first && first.TryGetValue(out int number) => number,
        var other => throw Wrong(key, other, "a whole number"),
    };

    /// <summary>Whole numbers: one, a list of them, or none.</summary>
    public ValueList<int> Ints(string key) => json[key] is JsonArray list
        ? [.. list.Select(item => item is JsonValue value && value.TryGetValue(out int number) ? number : throw Wrong(key, list, "a list of whole numbers"))]
        : OptionalInt(key) is { } single ? [single] : [];

    /// <summary>A number.</summary>
    public double Number(string key, double fallback) => OptionalNumber(key) ?? fallback;

    /// <summary>A number, or null.</summary>
    public double? OptionalNumber(string key) => json[key] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out double number) => number,
        var other => throw Wrong(key, other, "a number"),
    };

    /// <summary>A flag.</summary>
    public bool Bool(string key, bool fallback) => json[key] switch
    {
        null => fallback,
        JsonValue value when value.TryGetValue(out bool flag) => flag,
        var other => throw Wrong(key, other, "true or false"),
    };

    /// <summary>A text.</summary>
    public string Text(string key, string fallback) => json[key] switch
    {
        null => fallback,
        JsonValue value when value.TryGetValue(out string? text) => text,
        var other => throw Wrong(key, other, "a text"),
    };

    /// <summary>A text that must be among some.</summary>
    public string OneOf(string key, string fallback, string[] known)
    {
        var value = Text(key, fallback);
        return known.Contains(value) ? value : throw new BadInputException($"{path}: {key} '{value}' is not supported; known are {string.Join(", ", known)}.");
    }

    private BadInputException Wrong(string key, JsonNode node, string expected) => new($"{path}: key {key} is {node.ToJsonString()} but {expected} was expected.");
}
