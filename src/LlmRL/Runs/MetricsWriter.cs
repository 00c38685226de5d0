using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>The numbers of one step.</summary>
/// <param name="Step">The step of the stage, from 1; 0 of what was measured before the first.</param>
/// <param name="Stage">The stage's name in the recipe.</param>
/// <param name="Values">Metric name → value, in the order in which they were written.</param>
public sealed record MetricsRow(int Step, string Stage, OrderedDictionary<string, double> Values);

/// <summary>
/// Appends to <c>metrics.jsonl</c>, one object a step: <c>{"step":7,"stage":"grpo","reward":0.5,…}</c>, and where held-out rows were looked at after it another: <c>{"step":7,"stage":"grpo","eval/reward":0.4,…}</c>.
/// Numbers are written so that reading gives the same bits; NaN and infinities become the strings "NaN", "Infinity" and "-Infinity".
/// </summary>
/// <remarks>
/// Two runs with one seed on one machine write byte-equal files, so nothing that comes from a clock belongs here: times and throughput go to
/// <c>timings.jsonl</c>, a file of the same form (<see cref="MetricCatalog.IsTiming"/> tells them apart, and <see cref="RunLog"/> sorts them).
/// A line is handed to the operating system as soon as it is written.
/// </remarks>
/// <param name="path">The file; it is created, or continued after its last whole line.</param>
public sealed class MetricsWriter(string path) : IDisposable
{
    private readonly JsonLinesFile file = new(path);

    /// <summary>Appends the numbers of one step.</summary>
    /// <param name="step">The step of the stage.</param>
    /// <param name="stage">The stage's name.</param>
    /// <param name="values">Names and values, written in this order.</param>
    /// <exception cref="ArgumentException">A name occurs twice, or is "step" or "stage".</exception>
    public void Write(int step, string stage, IEnumerable<KeyValuePair<string, double>> values)
    {
        var seen = new HashSet<string> { "step", "stage" };
        file.Append(json =>
        {
            json.WriteNumber("step", step);
            json.WriteString("stage", stage);
            foreach (var (name, value) in values)
            {
                if (!seen.Add(name)) throw new ArgumentException($"Stage {stage}, step {step}: the metric name \"{name}\" is taken.", nameof(values));
                JsonLinesReader.WriteNumber(json, name, value);
            }
        });
    }

    /// <summary>Puts everything written so far on the disk itself.</summary>
    public void Sync() => file.Sync();

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();
}

/// <summary>Reads <c>metrics.jsonl</c> and <c>timings.jsonl</c>.</summary>
public static class MetricsReader
{
    /// <summary>
    /// The rows in order; none where the file is absent. A last line that was torn by a killed process is left out. Fields that are not numbers are
    /// left out too, so that a later version may add some.
    /// </summary>
    /// <exception cref="BadInputException">A line before the last is not a JSON object with step and stage.</exception>
    public static IReadOnlyList<MetricsRow> Read(string path)
    {
        var rows = new List<MetricsRow>();
        foreach (var element in JsonLinesReader.Read(path))
        {
            var values = new OrderedDictionary<string, double>();
            int? step = null;
            string? stage = null;
            foreach (var property in element.EnumerateObject())
            {
                if (property.NameEquals("step") && JsonLinesReader.TryGetInteger(property.Value, out var number)) step = number;
                else if (property.NameEquals("stage") && property.Value.ValueKind == JsonValueKind.String) stage = property.Value.GetString();
                else if (JsonLinesReader.TryGetNumber(property.Value, out var value)) values[property.Name] = value;
            }

            if (step is null || stage is null)
                throw new BadInputException($"{path}: a row has no \"step\" or no \"stage\": {element.GetRawText()}. Remove it, or delete the file.");
            rows.Add(new MetricsRow(step.Value, stage, values));
        }

        return rows;
    }
}
