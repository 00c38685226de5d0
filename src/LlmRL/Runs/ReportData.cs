using LlmRL.Runs.Plotting;

namespace LlmRL.Runs;

/// <summary>Everything that a report shows, read from a run's folder.</summary>
/// <param name="Name">The recipe's name; the folder's where there is no summary.</param>
/// <param name="Summary">Null while no stage is finished.</param>
/// <param name="Recipe">The text of recipe.yaml; null where it is absent.</param>
/// <param name="Stages">The stages in order.</param>
internal sealed record ReportData(string Name, RunSummary? Summary, string? Recipe, IReadOnlyList<ReportStage> Stages)
{
    private const string ErrorSuffix = "_se";

    public IEnumerable<ReportStage> Evaluations => Stages.Where(stage => stage.Kind == "evaluate");

    public IEnumerable<ReportStage> Trainings => Stages.Where(stage => stage.Kind != "evaluate" && stage.Curves.Count > 0);

    public static ReportData Read(RunDirectory directory)
    {
        var summary = RunSummary.Read(directory.SummaryPath);
        var samples = SamplesWriter.Read(directory.SamplesPath);
        var metrics = MetricsReader.Read(directory.MetricsPath);
        var timings = MetricsReader.Read(directory.TimingsPath);
        var finished = summary?.Stages ?? [];
        var names = finished.Select(stage => stage.Name).Concat(metrics.Select(row => row.Stage)).Distinct();
        var stages = names.Select(name => new ReportStage(
            name,
            summary?.Stage(name),
            Curves(metrics.Concat(timings).Where(row => row.Stage == name)),
            [.. samples.Where(row => row.Stage == name)]));
        return new ReportData(
            summary?.Name ?? Path.GetFileName(Path.GetFullPath(directory.Root)),
            summary,
            File.Exists(directory.RecipePath) ? File.ReadAllText(directory.RecipePath) : null,
            [.. stages]);
    }

    private static string? ErrorOf(string name) => name.EndsWith(ErrorSuffix, StringComparison.Ordinal) ? name[..^ErrorSuffix.Length] : null;

    private static OrderedDictionary<string, Curve> Curves(IEnumerable<MetricsRow> rows)
    {
        var points = new OrderedDictionary<string, SortedDictionary<int, double>>();
        foreach (var row in rows)
        {
            foreach (var (name, value) in row.Values)
            {
                if (!points.TryGetValue(name, out var series)) points[name] = series = [];
                series[row.Step] = value;
            }
        }

        var curves = new OrderedDictionary<string, Curve>();
        foreach (var (name, series) in points)
        {
            if (ErrorOf(name) is { } measured && points.ContainsKey(measured)) continue;
            var info = MetricCatalog.Describe(name);
            curves[name] = new Curve(info.Legend ?? info.Label, [.. series.Keys.Select(step => (double)step)], [.. series.Values])
            {
                // A band of one standard error where it was measured.
                Band = points.TryGetValue(name + ErrorSuffix, out var errors) ? [.. series.Keys.Select(step => errors.GetValueOrDefault(step))] : null,
            };
        }

        return curves;
    }
}

/// <summary>One stage of a report.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Summary">Null while it is not finished.</param>
/// <param name="Curves">Metric → its values against the step.</param>
/// <param name="Samples">Its samples.</param>
internal sealed record ReportStage(string Name, StageSummary? Summary, OrderedDictionary<string, Curve> Curves, IReadOnlyList<SampleRow> Samples)
{
    public string Kind => Summary?.Kind ?? "";

    /// <summary>True where policies' answers to the same prompts can be compared.</summary>
    public bool HasComparison => Samples.Any(row => row.Policy is not null && row.PromptIndex is not null);
}
