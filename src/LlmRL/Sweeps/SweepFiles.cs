using System.Globalization;
using System.Text;
using System.Text.Json;
using LlmRL.Runs;

namespace LlmRL.Sweeps;

/// <summary>Writes a sweep's <c>table.md</c>, <c>table.csv</c>, <c>summary.json</c> and <c>report.html</c>.</summary>
public static class SweepFiles
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Names of the files for people, as messages list them.</summary>
    public const string TableName = "table.md", ReportName = "report.html";

    /// <summary>Writes all of them into the sweep's folder.</summary>
    /// <param name="results">What the runs have reached.</param>
    /// <param name="command">The command as typed.</param>
    public static void Write(SweepResults results, string? command)
    {
        var (table, root) = (SweepTable.Of(results), results.Plan.Root);
        AtomicFile.WriteAllText(Path.Combine(root, TableName), Markdown(results, table, command));
        AtomicFile.WriteAllText(Path.Combine(root, "table.csv"), Csv(results, table));
        AtomicFile.WriteAllText(Path.Combine(root, "summary.json"), Json(results, table, command));
        AtomicFile.WriteAllText(Path.Combine(root, ReportName), SweepReport.Render(results, table, command));
        OverOptimisationReport.WriteFiles(root, OptimisationGroup.Of(results));
    }

    /// <summary>The means, and below them each seed's numbers.</summary>
    public static string Markdown(SweepResults results, SweepTable table, string? command)
    {
        var text = new StringBuilder();
        text.Append("# ").Append(results.Plan.Sweep.Name).Append("\n\n");
        if (command is not null)
            text.Append('`').Append(command).Append("`\n\n");
        text.Append(ErrorNote(results)).Append("\n\n");
        AppendTable(text, ["variant", .. table.Metrics], table.Rows.Select((row, r) => row.Cells.Select((cell, column) =>
            cell is null ? "–" : table.IsBest(r, column) ? $"**{Shown.Measured(cell.Mean, cell.Error)}**" : Shown.Measured(cell.Mean, cell.Error)).Prepend(row.Variant)));
        if (results.Plan.Seeds.Count > 1)
        {
            text.Append("\n## By seed\n\n± is the standard error of each evaluation over its prompts.\n\n");
            AppendTable(text, ["variant", "seed", .. table.Metrics], from row in table.Rows
                                                                     from seed in results.Of(row.Variant).Select(result => result.Run.Seed)
                                                                     select row.Cells.Select(cell => cell is not null && cell.BySeed.TryGetValue(seed, out var measured)
                                                                         ? Shown.Measured(measured.Value, measured.Error) : "–").Prepend(seed.ToString(Culture)).Prepend(row.Variant));
        }

        OverOptimisationReport.AppendMarkdown(text, OptimisationGroup.Of(results));
        return text.ToString();
    }

    /// <summary>What ± means, and how many runs there are.</summary>
    internal static string ErrorNote(SweepResults results)
    {
        var (seeds, done) = (results.Plan.Seeds.Count, results.Runs.Count(run => run.IsFinished));
        var note = seeds > 1
            ? string.Create(Culture, $"Mean ± standard error over {seeds} seeds ({string.Join(", ", results.Plan.Seeds)}).")
            : string.Create(Culture, $"One seed ({results.Plan.Seeds[0]}), so no error over seeds.");
        return done == results.Runs.Count ? note : note + string.Create(Culture, $" {results.Runs.Count - done} of {results.Runs.Count} runs are not finished and are left out.");
    }

    /// <summary>One row for each variant and metric: mean, standard error, number of seeds, then each seed's value.</summary>
    public static string Csv(SweepResults results, SweepTable table)
    {
        var text = new StringBuilder("variant,metric,mean,standard_error,n");
        foreach (var seed in results.Plan.Seeds)
            text.Append(Culture, $",seed {seed}");
        text.Append('\n');
        foreach (var (variant, cells) in table.Rows)
        {
            foreach (var (metric, cell) in table.Metrics.Zip(cells))
            {
                text.Append(Field(variant)).Append(',').Append(Field(metric)).Append(',').Append(Number(cell?.Mean)).Append(',').Append(Number(cell?.Error));
                text.Append(Culture, $",{cell?.BySeed.Count ?? 0}");
                foreach (var seed in results.Plan.Seeds)
                    text.Append(',').Append(cell is not null && cell.BySeed.TryGetValue(seed, out var measured) ? Number(measured.Value) : "");
                text.Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Json(SweepResults results, SweepTable table, string? command) => JsonSerializer.Serialize(new
    {
        name = results.Plan.Sweep.Name,
        command,
        version = results.Runs.Select(run => run.Summary?.Version).FirstOrDefault(version => version is not null),
        device = results.Runs.Select(run => run.Summary?.Device).FirstOrDefault(device => device is not null),
        seconds = Math.Round(results.Seconds, 3),
        seeds = results.Plan.Seeds,
        variants = table.Rows.Select(row => new
        {
            name = row.Variant,
            metrics = table.Metrics.Zip(row.Cells).Where(pair => pair.Second is not null).ToDictionary(pair => pair.First, pair => new
            {
                mean = Finite(pair.Second!.Mean),
                standard_error = Finite(pair.Second.Error),
                seeds = pair.Second.BySeed.ToDictionary(seed => seed.Key.ToString(Culture), seed => Finite(seed.Value.Value)),
            }),
            runs = results.Of(row.Variant).Select(result => new
            {
                seed = result.Run.Seed,
                folder = Path.GetRelativePath(results.Plan.Root, result.Run.Folder),
                finished = result.IsFinished,
                seconds = Math.Round(result.Summary?.Seconds ?? 0, 3),
            }),
        }),
    }, JsonLayout.Indented) + "\n";

    // JSON has neither NaN nor infinities.
    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    internal static void AppendTable(StringBuilder text, IReadOnlyList<string> header, IEnumerable<IEnumerable<string>> rows)
    {
        text.Append("| ").AppendJoin(" | ", header).Append(" |\n|").Insert(text.Length, "---|", header.Count).Append('\n');
        foreach (var row in rows)
            text.Append("| ").AppendJoin(" | ", row).Append(" |\n");
    }

    internal static string Field(string text) => text.AsSpan().ContainsAny(",\"\n") ? $"\"{text.Replace("\"", "\"\"")}\"" : text;

    internal static string Number(double? value) => value?.ToString("R", Culture) ?? "";
}
