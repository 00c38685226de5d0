using System.Text;
using LlmRL.Runs.Plotting;
using LlmRL.Training;

namespace LlmRL.Runs;

/// <summary>The plots of a report.</summary>
internal static class ReportCharts
{
    /// <summary>Metrics that only count up, or that say the same as another: they are folded away.</summary>
    private static readonly HashSet<string> Minor =
    [
        "num_tokens", "environment_steps", "epoch", "episode", "samples_per_second", "seconds", "val/num_eos_tokens", "advantages", "length/terminated", "time", "memory",
        "rewards/std", "kl_coef",
    ];

    /// <summary>A stage's curves: the telling ones in a grid, the others folded away below it.</summary>
    public static void AppendStage(StringBuilder html, ReportStage stage)
    {
        var groups = stage.Curves
            .Where(pair => pair.Value.Y.Any(double.IsFinite))
            .Select(pair => (Info: MetricCatalog.Describe(pair.Key), Curve: pair.Value))
            .OrderBy(pair => MetricCatalog.Order(pair.Info.Name)).ThenBy(pair => HeldOutSchedule.IsHeldOut(pair.Info.Name))
            .GroupBy(pair => pair.Info.ChartKey)
            .ToList();
        ReportPage.AppendGrid(html, groups.Where(group => !IsMinor(group)).Select(group => LineChart(stage, group)));
        var minor = groups.Where(group => IsMinor(group)).Select(group => LineChart(stage, group)).ToList();
        if (minor.Count == 0) return;
        html.Append("<details><summary>").Append(minor.Count).Append(minor.Count == 1 ? " more plot" : " more plots").Append("</summary>");
        ReportPage.AppendGrid(html, minor);
        html.Append("</details>");
    }

    /// <summary>Bars of an evaluate stage: metrics of one family side by side, a colour for each policy.</summary>
    public static void AppendEvaluation(StringBuilder html, EvaluationTable table) => ReportPage.AppendGrid(html, table.Rows
        .Where(row => row.Cells.Values.Count(cell => double.IsFinite(cell.Value)) > 1)
        .GroupBy(row => MetricCatalog.Describe(row.Metric).ChartKey)
        .Select(group => BarChart(table, [.. group])));

    /// <summary>True for the counters above, and for metrics that the catalog does not know.</summary>
    private static bool IsMinor(IGrouping<string, (MetricInfo Info, Curve Curve)> group) =>
        Minor.Contains(group.Key) || group.All(pair => MetricCatalog.Find(pair.Info.Name) is null);

    private static LineChart LineChart(ReportStage stage, IGrouping<string, (MetricInfo Info, Curve Curve)> group)
    {
        var alarms = (stage.Summary?.Alarms ?? []).Where(alarm => group.Any(pair => pair.Info.Name == alarm.Metric)).ToList();
        var info = group.First().Info;
        var captions = group.Select(pair => pair.Info.Explanation).Distinct();
        if (info.Name == "loss" && StageKinds.IsOnline(stage.Kind)) captions = captions.Append("In reinforcement learning its level alone says little.");
        if (alarms.Count > 0) captions = captions.Append($"Shaded: alarm {string.Join(", ", alarms.Select(alarm => alarm.Alarm).Distinct())}.");
        return new LineChart
        {
            Title = info.Title,
            Caption = string.Join(" ", captions),
            XLabel = "step",
            YLabel = info.Unit,
            Bounds = info.Bounds,
            Curves = [.. group.Select(pair => pair.Curve)],
            Shaded = [.. alarms.Select(alarm => ((double)alarm.From, (double)(alarm.To ?? int.MaxValue)))],
            // What a schedule or a counter gives has no noise to smooth.
            Smoothing = info.Name is "learning_rate" or "lr" or "num_tokens" or "environment_steps" or "epoch" or "episode" ? 0 : 0.02,
        };
    }

    private static BarChart BarChart(EvaluationTable table, IReadOnlyList<EvaluationRow> rows)
    {
        var info = MetricCatalog.Describe(rows[0].Metric);
        var explanation = string.Join(" ", rows.Select(row => MetricCatalog.Describe(row.Metric).Explanation).Distinct().Take(2));
        var withError = rows.Any(row => row.Cells.Values.Any(cell => cell.Error is not null));
        return new BarChart
        {
            Title = rows.Count == 1 ? info.Title : info.ChartKey,
            Caption = explanation + (withError ? " Whiskers: 95 % interval." : ""),
            YLabel = info.Unit,
            Bounds = info.Bounds,
            Groups = [.. rows.Select(row => row.Metric)],
            Series =
            [
                // A policy keeps its colour through all charts of the stage, so its place among all policies decides it.
                .. table.Policies.Select((policy, colour) => new BarSeries(policy, [.. rows.Select(row => ToBar(row, policy))], colour))
                    .Where(series => series.Bars.Any(bar => bar is not null)),
            ],
        };
    }

    /// <summary>A normal 95 % interval is 1.96 standard errors either way.</summary>
    private static Bar? ToBar(EvaluationRow row, string policy) =>
        row.Cells.TryGetValue(policy, out var cell) ? new Bar(cell.Value, cell.Error is { } error ? 1.96 * error : null) : null;
}
