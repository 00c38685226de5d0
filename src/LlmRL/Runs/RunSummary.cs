using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using LlmRL.Alarms;

namespace LlmRL.Runs;

/// <summary>The outcome of one finished stage.</summary>
/// <param name="Name">Its name in the recipe.</param>
/// <param name="Kind">What it does: sft, reward_model, grpo, evaluate, …</param>
/// <param name="Steps">Optimizer or rollout steps; 0 for a stage that has none.</param>
/// <param name="Seconds">Wall-clock time, over all sessions that worked on it.</param>
/// <param name="Metrics">
/// Its headline numbers. An evaluate stage has <c>&lt;metric&gt;/&lt;policy&gt;</c>, e.g. <c>pass@1/sft</c>, with standard errors under
/// <c>&lt;metric&gt;_se/&lt;policy&gt;</c>.
/// </param>
public sealed record StageSummary(string Name, string Kind, int Steps, double Seconds, OrderedDictionary<string, double> Metrics)
{
    /// <summary>The alarms that were raised; empty where none was, null where none was watched for.</summary>
    public IReadOnlyList<AlarmEvent>? Alarms { get; init; }

    /// <summary>What a training stage measured of its result: the metrics with a standard error, <c>NAME</c> and <c>NAME_se</c>. None of an evaluate stage, whose metrics are by policy.</summary>
    public IEnumerable<(string Metric, Measurement Result)> Measured =>
        from pair in Metrics where Metrics.ContainsKey(pair.Key + "_se") select (pair.Key, new Measurement(pair.Value, Metrics[pair.Key + "_se"]));
}

/// <summary>
/// The contents of <c>summary.json</c>: <c>{"name","seed","seconds","stages":[{"name","kind","steps","seconds","metrics":{…}}]}</c>. It is written
/// after each stage, and a later session takes finished stages from it.
/// </summary>
public sealed record RunSummary
{
    private static readonly JsonWriterOptions WriterOptions = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The recipe's name.</summary>
    public required string Name { get; init; }

    /// <summary>The seed of every random choice.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }

    /// <summary>The command that started the run, as typed.</summary>
    public string? Command { get; init; }

    /// <summary>What it ran on, e.g. "cpu, 2 threads".</summary>
    public string? Device { get; init; }

    /// <summary>The finished stages in the recipe's order.</summary>
    public IReadOnlyList<StageSummary> Stages { get; init; } = [];

    /// <summary>Wall-clock time of all stages together, over all sessions.</summary>
    public double Seconds => Stages.Sum(stage => stage.Seconds);

    /// <summary>The finished stage of that name, or null.</summary>
    public StageSummary? Stage(string name) => Stages.FirstOrDefault(stage => stage.Name == name);

    /// <summary>With a stage's result added, or put in the place of an earlier one of the same name.</summary>
    public RunSummary With(StageSummary result) => this with
    {
        Stages = Stage(result.Name) is null
            ? [.. Stages, result]
            : [.. Stages.Select(stage => stage.Name == result.Name ? result : stage)],
    };

    /// <summary>With the finished stages of an earlier session that this one does not have, which come first.</summary>
    public RunSummary MergedWith(RunSummary earlier) =>
        this with { Stages = [.. earlier.Stages.Where(stage => Stage(stage.Name) is null), .. Stages] };

    /// <summary>Writes the file, whole or not at all.</summary>
    public void Write(string path)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, WriterOptions))
        {
            json.WriteStartObject();
            json.WriteString("name", Name);
            json.WriteNumber("seed", Seed);
            json.WriteNumber("seconds", Math.Round(Seconds, 3));
            if (Version is not null) json.WriteString("version", Version);
            if (Command is not null) json.WriteString("command", Command);
            if (Device is not null) json.WriteString("device", Device);
            json.WriteStartArray("stages");
            foreach (var stage in Stages) Write(json, stage);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        AtomicFile.WriteAllText(path, Encoding.UTF8.GetString(buffer.ToArray()) + "\n");
    }

    /// <summary>Reads the file; null where it is absent.</summary>
    /// <exception cref="BadInputException">It is not a summary.</exception>
    public static RunSummary? Read(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            return new RunSummary
            {
                Name = root.GetProperty("name").GetString() ?? "",
                Seed = root.GetProperty("seed").GetUInt64(),
                Version = Text(root, "version"),
                Command = Text(root, "command"),
                Device = Text(root, "device"),
                Stages = [.. root.GetProperty("stages").EnumerateArray().Select(ReadStage)],
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new BadInputException($"{path} is not a summary of a run: {e.Message} Delete it to run the stages again.", e);
        }
    }

    private static string? Text(JsonElement root, string name) => root.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static StageSummary ReadStage(JsonElement stage)
    {
        var metrics = new OrderedDictionary<string, double>();
        foreach (var metric in stage.GetProperty("metrics").EnumerateObject())
        {
            if (JsonLinesReader.TryGetNumber(metric.Value, out var number)) metrics[metric.Name] = number;
        }

        return new StageSummary(stage.GetProperty("name").GetString() ?? "", stage.GetProperty("kind").GetString() ?? "",
            stage.GetProperty("steps").GetInt32(), stage.GetProperty("seconds").GetDouble(), metrics)
        {
            Alarms = stage.TryGetProperty("alarms", out var alarms) ? [.. alarms.EnumerateArray().Select(ReadAlarm)] : null,
        };
    }

    private static AlarmEvent ReadAlarm(JsonElement alarm)
    {
        double Number(string name) => JsonLinesReader.TryGetNumber(alarm.GetProperty(name), out var number) ? number : double.NaN;
        string Text(string name) => alarm.GetProperty(name).GetString() ?? "";
        int? end = alarm.GetProperty("to") is { ValueKind: JsonValueKind.Number } to ? to.GetInt32() : null;
        return new AlarmEvent(Text("alarm"), Text("metric"), alarm.GetProperty("from").GetInt32(), end, Number("value"), Number("limit"), Text("message"));
    }

    private static void Write(Utf8JsonWriter json, StageSummary stage)
    {
        json.WriteStartObject();
        json.WriteString("name", stage.Name);
        json.WriteString("kind", stage.Kind);
        json.WriteNumber("steps", stage.Steps);
        json.WriteNumber("seconds", Math.Round(stage.Seconds, 3));
        json.WriteStartObject("metrics");
        foreach (var (name, value) in stage.Metrics) JsonLinesReader.WriteNumber(json, name, value);
        json.WriteEndObject();
        if (stage.Alarms is not null)
        {
            json.WriteStartArray("alarms");
            foreach (var alarm in stage.Alarms) Write(json, alarm);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, AlarmEvent alarm)
    {
        json.WriteStartObject();
        json.WriteString("alarm", alarm.Alarm);
        json.WriteString("metric", alarm.Metric);
        json.WriteNumber("from", alarm.From);
        if (alarm.To is { } end) json.WriteNumber("to", end);
        else json.WriteNull("to");
        JsonLinesReader.WriteNumber(json, "value", alarm.Value);
        JsonLinesReader.WriteNumber(json, "limit", alarm.Limit);
        json.WriteString("message", alarm.Message);
        json.WriteEndObject();
    }
}
