using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>One prompt with one sampled completion, as <c>samples.jsonl</c> keeps it.</summary>
public sealed record SampleRow
{
    /// <summary>The <see cref="Split"/> of held-out prompts.</summary>
    public const string HeldOut = "eval";

    /// <summary>The step at which it was sampled; of held-out prompts: the steps done before.</summary>
    public required int Step { get; init; }

    /// <summary>The stage that sampled it.</summary>
    public required string Stage { get; init; }

    /// <summary><see cref="HeldOut"/> where a stage in training answers a prompt that it is not trained on; null: one that it is, or an evaluate stage's.</summary>
    public string? Split { get; init; }

    /// <summary>In an evaluate stage: which policy wrote it (the name of the stage that trained it).</summary>
    public string? Policy { get; init; }

    /// <summary>In an evaluate stage, or of held-out prompts: which prompt it answers, so that policies, or steps, can be compared on one prompt.</summary>
    public int? PromptIndex { get; init; }

    /// <summary>The prompt as text.</summary>
    public required string Prompt { get; init; }

    /// <summary>The completion as text.</summary>
    public required string Completion { get; init; }

    /// <summary>The reference answer, where the data has one.</summary>
    public string? Reference { get; init; }

    /// <summary>While training: the reward; null where it could not be had.</summary>
    public double? Reward { get; init; }

    /// <summary>In an evaluate stage: the score.</summary>
    public double? Score { get; init; }
}

/// <summary>Appends to <c>samples.jsonl</c>, one <see cref="SampleRow"/> a line; absent values are left out.</summary>
/// <param name="path">The file; it is created, or continued after its last whole line.</param>
public sealed class SamplesWriter(string path) : IDisposable
{
    private readonly JsonLinesFile file = new(path);

    /// <summary>Appends one sample.</summary>
    public void Write(SampleRow row) => file.Append(json =>
    {
        json.WriteNumber("step", row.Step);
        json.WriteString("stage", row.Stage);
        if (row.Split is not null) json.WriteString("split", row.Split);
        if (row.Policy is not null) json.WriteString("policy", row.Policy);
        if (row.PromptIndex is { } index) json.WriteNumber("prompt_index", index);
        json.WriteString("prompt", row.Prompt);
        json.WriteString("completion", row.Completion);
        if (row.Reference is not null) json.WriteString("reference", row.Reference);
        if (row.Reward is { } reward) JsonLinesReader.WriteNumber(json, "reward", reward);
        if (row.Score is { } score) JsonLinesReader.WriteNumber(json, "score", score);
    });

    /// <summary>Puts everything written so far on the disk itself.</summary>
    public void Sync() => file.Sync();

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>The samples of a file in order; none where it is absent. A torn last line is left out.</summary>
    /// <exception cref="BadInputException">A line before the last is not a JSON object, or a row lacks its text.</exception>
    public static IReadOnlyList<SampleRow> Read(string path) => [.. JsonLinesReader.Read(path).Select(element => Parse(path, element))];

    private static SampleRow Parse(string path, JsonElement element)
    {
        JsonElement Field(string name) => element.TryGetProperty(name, out var value) ? value : default;
        string? Text(string name) => Field(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        int? Integer(string name) => JsonLinesReader.TryGetInteger(Field(name), out var number) ? number : null;
        double? Number(string name) => JsonLinesReader.TryGetNumber(Field(name), out var number) ? number : null;
        string Required(string name) =>
            Text(name) ?? throw new BadInputException($"{path}: a row has no \"{name}\": {element.GetRawText()}. Remove it, or delete the file.");

        return new SampleRow
        {
            Step = Integer("step") ?? 0,
            Stage = Required("stage"),
            Split = Text("split"),
            Policy = Text("policy"),
            PromptIndex = Integer("prompt_index"),
            Prompt = Required("prompt"),
            Completion = Required("completion"),
            Reference = Text("reference"),
            Reward = Number("reward"),
            Score = Number("score"),
        };
    }
}
