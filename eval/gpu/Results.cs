using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmRL.Benchmarks;
using LlmRL.Runs;

namespace LlmRL.Gpu;

/// <summary>A comparison as it is written to <c>check.json</c>.</summary>
/// <param name="Name">Which.</param>
/// <param name="Measure">What the error is.</param>
/// <param name="Error">Null where it failed with a fault.</param>
/// <param name="Tolerance">Likewise.</param>
/// <param name="Holds">Whether it holds.</param>
/// <param name="Fault">What went wrong.</param>
internal sealed record CheckRow(string Name, string Measure, double? Error, double? Tolerance, bool Holds, string? Fault)
{
    /// <summary>One line for people.</summary>
    public string ToText() => Fault is null
        ? string.Create(CultureInfo.InvariantCulture, $"{(Holds ? "ok  " : "FAIL")} {Name,-22} {Error:g2} (at most {Tolerance:g2}): {Measure}")
        : $"FAIL {Name,-22} {Fault}";
}

/// <summary>
/// Joins what <c>run.sh</c> left in a folder: <c>machine.txt</c> (lines of <c>name: value</c>), <c>doctor.txt</c>, <c>check.json</c>, <c>bench.jsonl</c> (results of
/// <c>llmrl bench --json</c>) and <c>failed.txt</c> (lines of what did not run, and why).
/// </summary>
internal static class Results
{
    /// <summary>How JSON is written: names as in <c>llmrl bench</c>.</summary>
    public static readonly JsonSerializerOptions Layout = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes <c>results.json</c> and <c>summary.md</c>.</summary>
    /// <returns>0 where everything ran and held, else 1.</returns>
    public static int Write(string folder, TextWriter output)
    {
        string[] Lines(string name) => File.Exists(Path.Combine(folder, name)) ? [.. File.ReadAllLines(Path.Combine(folder, name)).Where(line => line.Length > 0)] : [];
        var machine = Lines("machine.txt").Select(line => line.Split(": ", 2)).Where(parts => parts.Length == 2).Select(parts => KeyValuePair.Create(parts[0], parts[1])).ToArray();
        var checks = Lines("check.json") is { Length: > 0 } ? JsonSerializer.Deserialize<CheckRow[]>(File.ReadAllText(Path.Combine(folder, "check.json")), Layout)! : [];
        BenchResult[] bench = [.. Lines("bench.jsonl").Select(BenchResult.FromJson)];
        var failed = Lines("failed.txt");
        AtomicFile.WriteAllText(Path.Combine(folder, "results.json"), new JsonObject
        {
            ["machine"] = new JsonObject(machine.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
            ["checks"] = JsonSerializer.SerializeToNode(checks, Layout),
            ["bench"] = new JsonArray([.. bench.Select(result => JsonNode.Parse(result.ToJson()))]),
            ["failed"] = new JsonArray([.. failed.Select(line => (JsonNode?)line)]),
        }.ToJsonString(Layout));
        var summary = Summary(machine, checks, bench, failed);
        AtomicFile.WriteAllText(Path.Combine(folder, "summary.md"), summary);
        output.Write(summary);
        return failed.Length == 0 && checks.All(check => check.Holds) ? 0 : 1;
    }

    private static string Summary(KeyValuePair<string, string>[] machine, CheckRow[] checks, BenchResult[] bench, string[] failed)
    {
        var text = new StringBuilder("# Device run\n\n");
        foreach (var (name, value) in machine)
            text.Append(Invariant($"- {name}: {value}\n"));
        if (failed.Length > 0)
            text.Append("\n## What did not run\n\n").AppendJoin("\n", failed.Select(line => $"- {line}")).Append('\n');
        if (checks.Length > 0)
            text.Append("\n## Against the CPU's kernels\n\n| check | error | at most | holds | what |\n|---|---|---|---|---|\n");
        foreach (var check in checks)
            text.Append(Invariant($"| {check.Name} | {check.Error:g2} | {check.Tolerance:g2} | {(check.Holds ? "yes" : "**no**")} | {check.Fault ?? check.Measure} |\n"));
        if (bench.Length > 0)
            text.Append("\n## Speed\n\n| model | weights | phase | type | batch | s/step (min-max) | tokens/s | matrix product, GFLOP/s | of limit | host MB | GPU MB |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
        foreach (var row in bench)
        {
            var (shape, time) = (row.Shape, row.SecondsPerStep);
            text.Append(Invariant($"| {Path.GetFileNameWithoutExtension(row.Model)} | {row.Parameters / 1e6:N0} M | {row.Phase} | {row.Dtype}{(row.GradientCheckpointing ? ", checkpointing" : "")} | {shape.Batch} × {shape.Group} × {shape.PromptLength}+{shape.CompletionLength} "))
                .Append(Invariant($"| {time.Median:g3} ({time.Min:g3}-{time.Max:g3}) | {row.TokensPerSecond:N0} | {row.MatmulGflops:N0} | {100 * row.FractionOfLimit:N0} % | {row.PeakRssMb:N0} | {row.PeakDeviceMb:N0} |\n"));
        }

        return text.ToString();
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
