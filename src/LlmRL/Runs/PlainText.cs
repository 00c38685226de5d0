using System.Globalization;
using LlmRL.Alarms;
using LlmRL.Models;
using LlmRL.Tokenization;
using LlmRL.Training;

namespace LlmRL.Runs;

/// <summary>The lines of a run's output, as text without colours.</summary>
internal static class PlainText
{
    /// <summary><c>grpo  40/150  reward 0.62  kl 0.013  len 21.4  12,300 tok/s  eta 0:35</c></summary>
    public static string Progress(StageProgress stage)
    {
        var parts = new List<string> { stage.Name, string.Create(CultureInfo.InvariantCulture, $"{stage.Step}/{stage.TotalSteps}") };
        parts.AddRange(stage.Headlines.Select(name => $"{MetricCatalog.Describe(name).Label} {Shown.Number(stage.Latest(name))}"));
        if (stage.TokensPerSecond is { } rate) parts.Add($"{Shown.Rate(rate)} tok/s");
        if (stage.SecondsLeft is { } left) parts.Add($"eta {Shown.Clock(left)}");
        if (stage.Alarms.Count > 0) parts.Add(Mark(stage.Alarms));
        return string.Join("  ", parts);
    }

    /// <summary><c>! kl, length_drift</c></summary>
    public static string Mark(IReadOnlyList<string> alarms) => "! " + string.Join(", ", alarms);

    /// <summary>What an alarm saw and what can be done; or that it is over.</summary>
    public static string Alarm(AlarmEvent alarm, StageProgress? stage)
    {
        var where = stage is null ? "" : stage.Name + ": ";
        if (alarm.To is { } end) return string.Create(CultureInfo.InvariantCulture, $"alarm over: {where}{alarm.Alarm}, steps {alarm.From} to {end}");
        var remedy = AlarmSettings.Defaults.FirstOrDefault(known => known.Name == alarm.Alarm)?.Remedy;
        return string.Create(CultureInfo.InvariantCulture, $"alarm: {where}{alarm.Alarm} since step {alarm.From}: {alarm.Message}. {remedy}").TrimEnd();
    }

    /// <summary><c>sft  done in 41.2 s  loss 2.31 -> 0.41  -> runs/x/final/sft</c></summary>
    public static string Finished(StageSummary result, StageProgress? stage, string? output)
    {
        var parts = new List<string> { result.Name, $"done in {Shown.Duration(result.Seconds)}" };
        if (stage is { Headlines.Count: > 0 })
        {
            foreach (var name in stage.Headlines.Take(stage.HasHeldOut ? 3 : 2))
            {
                var (first, last) = stage.FirstAndLast(name);
                parts.Add($"{MetricCatalog.Describe(name).Label} {Shown.Number(first)} -> {Shown.Number(last)}");
            }
        }
        else if (EvaluationTable.Of(result) is { Rows.Count: > 0 } table)
        {
            var row = table.Rows[0];
            parts.Add(row.Metric);
            parts.AddRange(table.Policies.Where(row.Cells.ContainsKey).Select(policy => $"{policy} {Shown.Number(row.Cells[policy].Value)}"));
        }

        // Of what was measured on held-out rows the headline is among those above.
        parts.AddRange(result.Measured.Where(pair => !HeldOutSchedule.IsHeldOut(pair.Metric)).Select(pair => $"measured {pair.Metric} {Shown.Measured(pair.Result.Value, pair.Result.Error)}"));
        if (output is not null) parts.Add($"-> {output}");
        return string.Join("  ", parts);
    }

    /// <summary>The results of every evaluate stage as a table, and where to look next.</summary>
    public static IEnumerable<string> Results(RunSummary summary, RunDirectory directory)
    {
        yield return "";
        yield return $"{summary.Name}: {summary.Stages.Count} stages done in {Shown.Duration(summary.Seconds)}.";
        foreach (var stage in summary.Stages)
        {
            if (EvaluationTable.Of(stage) is not { Rows.Count: > 0 } table) continue;
            yield return "";
            yield return $"Results of stage {stage.Name}:";
            foreach (var line in Aligned(table)) yield return "  " + line;
            if (table.HasErrors) yield return "  (± one standard error)";
        }

        yield return "";
        if (File.Exists(directory.ReportPath)) yield return $"Report  {directory.ReportPath}  (open it in a browser)";
        var models = summary.Stages.Select(stage => stage.Name).Where(directory.FinalStages.Contains).ToList();
        if (models.Count == 0) yield break;
        var writers = models.FindAll(name => summary.Stage(name)!.Kind != "control");
        yield return $"Models  {string.Join(", ", models.Select(directory.Final))}{(writers.Count > 0 ? "  (Hugging Face layout)" : "")}";
        if (writers.FindLast(name => IsPolicy(directory.Final(name))) is { } policy)
            yield return $"Try it  llmrl generate --model {directory.Final(policy)}{(HasChat(directory.Final(policy)) ? " --chat" : "")} --prompt \"...\"";
    }

    /// <summary>A reward model writes nothing.</summary>
    private static bool IsPolicy(string folder) => ModelFolder.IsModel(folder) && !ModelConfigFile.HasScalarHead(Path.Combine(folder, ModelFolder.ConfigName));

    private static bool HasChat(string folder) => File.Exists(Path.Combine(folder, TokenizerLoader.ChatTemplateName));

    private static IEnumerable<string> Aligned(EvaluationTable table)
    {
        var withChange = table.After.Length > 0;
        string[] header = withChange ? ["", .. table.Policies, $"{table.After} - {table.Before}"] : ["", .. table.Policies];
        var lines = new List<string[]> { header };
        foreach (var row in table.Rows)
        {
            var cells = table.Policies.Select(policy => row.Cells.TryGetValue(policy, out var cell) ? Shown.Measured(cell.Value, cell.Error) : "");
            lines.Add([row.Metric, .. cells, .. withChange ? [row.Change is { } change ? Shown.Signed(change.Value) : ""] : Array.Empty<string>()]);
        }

        var widths = Enumerable.Range(0, lines[0].Length).Select(column => lines.Max(line => line[column].Length)).ToArray();
        return lines.Select(line => string.Join("   ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }
}
