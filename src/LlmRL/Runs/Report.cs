using System.Globalization;
using System.Text;
using LlmRL.Runs.Plotting;

namespace LlmRL.Runs;

/// <summary>
/// Writes <c>report.html</c>: results before and after, plots of every stage, samples side by side, the recipe, and how the run was made. The page
/// needs nothing but itself, and is computed from the run's folder alone, so it can be written again at any time, also while the run goes on.
/// </summary>
public static class Report
{
    /// <summary>Reads the run's files and writes its report.</summary>
    public static void Write(RunDirectory directory) => AtomicFile.WriteAllText(directory.ReportPath, Render(directory));

    /// <summary>The report as HTML.</summary>
    public static string Render(RunDirectory directory)
    {
        var data = ReportData.Read(directory);
        var html = new StringBuilder(1 << 16);
        ReportPage.AppendHead(html, data.Name);
        AppendHeader(html, data);
        html.Append("<main>");
        foreach (var stage in data.Evaluations) AppendEvaluation(html, stage);
        AppendStageTable(html, data);
        ReportAlarms.Append(html, data);
        foreach (var stage in data.Trainings) AppendTraining(html, stage);
        foreach (var stage in data.Stages.Where(stage => stage.HasComparison))
        {
            html.Append("<section id=\"samples-").Append(Html.Escape(stage.Name)).Append("\"><h2>Samples</h2>");
            ReportSamples.AppendComparison(html, stage);
            html.Append("</section>");
        }

        AppendOrigin(html, data);
        ReportPage.AppendEnd(html);
        return html.ToString();
    }

    private static void AppendHeader(StringBuilder html, ReportData data)
    {
        var facts = new List<string> { data.Stages.Count == 1 ? "1 stage" : $"{data.Stages.Count} stages" };
        if (data.Summary is { } summary)
        {
            facts.Add(Shown.Duration(summary.Seconds));
            if (summary.Device is not null) facts.Add(summary.Device);
            facts.Add(string.Create(CultureInfo.InvariantCulture, $"seed {summary.Seed}"));
        }

        ReportPage.AppendHeader(html, data.Name, facts,
        [
            .. data.Evaluations.Concat(data.Trainings).Select(stage => ("stage-" + stage.Name, stage.Name)),
            .. data.Stages.Any(stage => stage.Summary?.Alarms is not null) ? [("alarms", "alarms")] : Array.Empty<(string, string)>(),
            .. data.Stages.Where(stage => stage.HasComparison).Select(stage => ("samples-" + stage.Name, "samples")),
            ("origin", "recipe"),
        ]);
    }

    private static void AppendEvaluation(StringBuilder html, ReportStage stage)
    {
        var table = EvaluationTable.Of(stage.Summary!);
        var name = Html.Escape(stage.Name);
        html.Append("<section id=\"stage-").Append(name).Append("\"><h2>Results</h2><p class=\"lead\">Stage ").Append(name).Append(". ")
            .Append(StageKinds.Explanation("evaluate")).Append("</p>");
        AppendTiles(html, table);
        AppendTable(html, table);
        ReportCharts.AppendEvaluation(html, table);
        html.Append("</section>");
    }

    private static void AppendTiles(StringBuilder html, EvaluationTable table)
    {
        var rows = table.Rows.Where(row => row.Change is not null).Take(4).ToList();
        if (rows.Count == 0) return;
        html.Append("<div class=\"tiles\">");
        foreach (var row in rows)
        {
            html.Append("<div class=\"tile\"><span>").Append(Html.Escape(MetricCatalog.Describe(row.Metric).Title)).Append("</span><strong>")
                .Append(Shown.Number(row.Cells[table.Before].Value)).Append(" <i>→</i> ").Append(Shown.Number(row.Cells[table.After].Value))
                .Append("</strong><span>").Append(Html.Escape($"{table.Before} to {table.After}")).Append(", ")
                .Append("<b class=\"").Append(Judgement(row)).Append("\">").Append(Shown.Signed(row.Change!.Value.Value)).Append("</b></span></div>");
        }

        html.Append("</div>");
    }

    private static void AppendTable(StringBuilder html, EvaluationTable table)
    {
        var withChange = table.After.Length > 0;
        html.Append("<div class=\"scroll\"><table><thead><tr><th>metric</th>");
        foreach (var policy in table.Policies) html.Append("<th class=\"n\">").Append(Html.Escape(policy)).Append("</th>");
        if (withChange) html.Append("<th class=\"n\">").Append(Html.Escape($"{table.After} − {table.Before}")).Append("</th>");
        html.Append("<th class=\"wide\">what it means</th></tr></thead><tbody>");
        foreach (var row in table.Rows)
        {
            html.Append("<tr><th>").Append(Html.Escape(row.Metric)).Append("</th>");
            foreach (var policy in table.Policies)
            {
                var shown = row.Cells.TryGetValue(policy, out var cell) ? Shown.Measured(cell.Value, cell.Error) : "–";
                html.Append("<td class=\"n\">").Append(shown).Append("</td>");
            }

            if (withChange) html.Append("<td class=\"n ").Append(Judgement(row)).Append("\">").Append(Change(row)).Append("</td>");
            html.Append("<td class=\"wide\">").Append(Html.Escape(MetricCatalog.Describe(row.Metric).Explanation)).Append("</td></tr>");
        }

        html.Append("</tbody></table></div>");
        if (table.HasErrors)
        {
            html.Append("<p class=\"note\">± is one standard error. A change is coloured where it exceeds two standard errors of the difference, ")
                .Append("reckoned as if the models had answered independently.</p>");
        }
    }

    private static string Change(EvaluationRow row) => row.Change is not { } change ? "" : change.Error is null
        ? Shown.Signed(change.Value)
        : (change.Value > 0 ? "+" : "") + Shown.Measured(change.Value, change.Error).Replace('-', '−');

    /// <summary>Whether a change is for the better, where it is beyond chance and the metric has a better side.</summary>
    private static string Judgement(EvaluationRow row)
    {
        if (row.Change is not { } change || change.Value == 0 || !double.IsFinite(change.Value)) return "equal";
        if (change.Error is { } error && Math.Abs(change.Value) <= 2 * error) return "equal";
        return MetricCatalog.Describe(row.Metric).Better switch
        {
            MetricDirection.Up => change.Value > 0 ? "better" : "worse",
            MetricDirection.Down => change.Value < 0 ? "better" : "worse",
            _ => "equal",
        };
    }

    private static void AppendStageTable(StringBuilder html, ReportData data)
    {
        var longest = data.Stages.Max(stage => stage.Summary?.Seconds) ?? 0;
        html.Append("<section id=\"stages\"><h2>Stages</h2><div class=\"scroll\"><table><thead><tr><th>stage</th><th>what it does</th>")
            .Append("<th class=\"n\">steps</th><th class=\"n\">time</th><th class=\"wide\"></th></tr></thead><tbody>");
        foreach (var stage in data.Stages)
        {
            html.Append("<tr><th>").Append(Html.Escape(stage.Name)).Append("</th>");
            html.Append("<td>").Append(Html.Escape(StageKinds.Title(stage.Kind))).Append("</td>");
            if (stage.Summary is not { } summary)
            {
                html.Append("<td class=\"n\"></td><td class=\"n\">not finished</td><td class=\"wide\"></td></tr>");
                continue;
            }

            var share = longest > 0 ? 100 * summary.Seconds / longest : 0;
            html.Append("<td class=\"n\">").Append(summary.Steps > 0 ? Shown.Number(summary.Steps) : "").Append("</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td class=\"n\">{Shown.Duration(summary.Seconds)}</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td class=\"wide\"><div class=\"span\" style=\"width:{share:0.#}%\"></div></td></tr>");
        }

        html.Append("</tbody></table></div></section>");
    }

    private static void AppendTraining(StringBuilder html, ReportStage stage)
    {
        var title = StageKinds.Title(stage.Kind);
        html.Append("<section id=\"stage-").Append(Html.Escape(stage.Name)).Append("\"><h2>").Append(Html.Escape(stage.Name));
        if (!title.Equals(stage.Name, StringComparison.OrdinalIgnoreCase)) html.Append(" <small>").Append(Html.Escape(title)).Append("</small>");
        html.Append("</h2><p class=\"lead\">").Append(Html.Escape(StageKinds.Explanation(stage.Kind)));
        if (stage.Summary is null) html.Append(" This stage is not finished.");
        foreach (var (metric, result) in stage.Summary?.Measured ?? [])
            html.Append(" Measured at the end: ").Append(Html.Escape(metric)).Append(" <strong>").Append(Shown.Measured(result.Value, result.Error)).Append("</strong>.");
        html.Append("</p>");
        ReportCharts.AppendStage(html, stage);
        ReportSamples.AppendTraining(html, stage);
        html.Append("</section>");
    }

    private static void AppendOrigin(StringBuilder html, ReportData data)
    {
        html.Append("<section id=\"origin\"><h2>How it was made</h2>");
        if (data.Summary is { } summary)
        {
            html.Append("<dl>");
            ReportPage.AppendFact(html, "command", summary.Command);
            ReportPage.AppendFact(html, "program", summary.Version is null ? null : $"LlmRL {summary.Version}");
            ReportPage.AppendFact(html, "device", summary.Device);
            ReportPage.AppendFact(html, "seed", summary.Seed.ToString(CultureInfo.InvariantCulture));
            html.Append("</dl>");
        }

        if (data.Recipe is { } recipe)
            html.Append("<details><summary>Recipe</summary><pre class=\"recipe\">").Append(Html.Escape(recipe)).Append("</pre></details>");
        html.Append("<p class=\"note\">Faint lines are the values of each step, strong lines their trend ")
            .Append("(local linear regression over about a tenth of the steps). ")
            .Append("All numbers are in metrics.jsonl, timings.jsonl and summary.json beside this page.</p></section>");
    }
}
