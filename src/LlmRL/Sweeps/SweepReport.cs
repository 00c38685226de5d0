using System.Globalization;
using System.Text;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Runs.Plotting;

namespace LlmRL.Sweeps;

/// <summary>Writes a sweep's report: the table, its numbers as dots, learning curves over seeds, and links to the runs' own reports.</summary>
internal static class SweepReport
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The report as HTML.</summary>
    public static string Render(SweepResults results, SweepTable table, string? command)
    {
        var html = new StringBuilder(1 << 16);
        var plan = results.Plan;
        var curves = Curves(results);
        var groups = OptimisationGroup.Of(results);
        ReportPage.AppendHead(html, plan.Sweep.Name);
        ReportPage.AppendHeader(html, plan.Sweep.Name,
            [
                Count(plan.Variants.Count, "variant"), Count(plan.Seeds.Count, "seed"), $"{Shown.Duration(results.Seconds)} of training and evaluation",
                .. results.Runs.Select(run => run.Summary?.Device).OfType<string>().Take(1),
            ],
            [("results", "results"), .. groups.Count > 0 ? [("over-optimisation", "over-optimisation")] : Array.Empty<(string, string)>(), .. curves.Count > 0 ? [("curves", "curves")] : Array.Empty<(string, string)>(), ("runs", "runs"), ("origin", "sweep")]);
        html.Append("<main>");
        AppendResults(html, results, table);
        OverOptimisationReport.AppendHtml(html, groups);
        if (curves.Count > 0)
        {
            html.Append("<section id=\"curves\"><h2>Learning curves</h2><p class=\"lead\">").Append(plan.Seeds.Count > 1
                ? "Mean over seeds; the band is one standard error either way. Each seed is smoothed first."
                : "One seed, smoothed.").Append("</p>");
            ReportPage.AppendGrid(html, curves, "plots");
            html.Append("</section>");
        }

        AppendRuns(html, results);
        AppendOrigin(html, results, command);
        ReportPage.AppendEnd(html);
        return html.ToString();
    }

    private static string Count(int count, string what) => string.Create(Culture, $"{count} {what}{(count == 1 ? "" : "s")}");

    private static void AppendResults(StringBuilder html, SweepResults results, SweepTable table)
    {
        html.Append("<section id=\"results\"><h2>Results</h2><p class=\"lead\">").Append(Html.Escape(SweepFiles.ErrorNote(results))).Append("</p>");
        html.Append("<div class=\"scroll\"><table><thead><tr><th>variant</th>");
        foreach (var metric in table.Metrics) html.Append("<th class=\"n\">").Append(Html.Escape(metric)).Append("</th>");
        html.Append("</tr></thead><tbody>");
        for (var row = 0; row < table.Rows.Count; row++)
        {
            html.Append("<tr><th>").Append(Html.Escape(table.Rows[row].Variant)).Append("</th>");
            for (var column = 0; column < table.Metrics.Count; column++)
            {
                html.Append("<td class=\"n").Append(table.IsBest(row, column) ? " best" : "").Append("\">")
                    .Append(table.Rows[row].Cells[column] is { } cell ? Shown.Measured(cell.Mean, cell.Error) : "–").Append("</td>");
            }

            html.Append("</tr>");
        }

        html.Append("</tbody></table></div>");
        if (table.Rows.Count > 1) html.Append("<p class=\"note\">The best mean of a column is bold; the difference to the next may still be chance.</p>");
        ReportPage.AppendGrid(html, Enumerable.Range(0, table.Metrics.Count).Where(column => table.Rows.Any(row => row.Cells[column] is not null)).Select(column => Dots(table, column)));
        html.Append("</section>");
    }

    private static DotChart Dots(SweepTable table, int column)
    {
        var (metric, info) = (table.Metrics[column], SweepTable.Info(table.Metrics[column]));
        return new DotChart
        {
            Title = info.Name == metric ? info.Title : $"{info.Title} ({metric})",
            Caption = info.Explanation,
            XLabel = info.Unit,
            Bounds = info.Bounds,
            Height = DotChart.HeightFor(table.Rows.Count),
            Rows =
            [
                .. table.Rows.Select((row, i) => (row.Variant, Cell: row.Cells[column], Colour: i)).Where(row => row.Cell is not null).Select(row => new DotRow(
                    row.Variant, row.Cell!.Mean, row.Cell.Error,
                    [.. row.Cell.BySeed.Count > 1 ? row.Cell.BySeed.Select(seed => (string.Create(Culture, $"seed {seed.Key}"), seed.Value.Value)) : []], row.Colour)),
            ],
        };
    }

    private static List<LineChart> Curves(SweepResults results)
    {
        var charts = new List<LineChart>();
        foreach (var wanted in SweepCurves.Wanted(results))
        {
            var curves = results.Plan.Variants.Where(wanted.Shows).Select((variant, i) => SweepCurves.Of(results.Of(variant), wanted, variant) with { Colour = i })
                .Where(curve => curve.Y.Any(double.IsFinite)).ToList();
            if (curves.Count == 0) continue;
            var info = MetricCatalog.Describe(wanted.Metric);
            // A colour stands for a variant through all plots of all variants; a plot of some has the colours that are told apart best.
            charts.Add(new LineChart
            {
                Title = wanted.Title ?? (wanted.Stage is null ? info.Title : $"{info.Title} ({wanted.Stage})"),
                Caption = info.Explanation,
                XLabel = wanted.X == "step" ? "step" : MetricCatalog.Describe(wanted.X).Title,
                YLabel = info.Unit,
                Bounds = info.Bounds,
                Width = 620,
                Height = 300,
                Curves = curves,
                Smoothing = 0,
            });
        }

        return charts;
    }

    private static void AppendRuns(StringBuilder html, SweepResults results)
    {
        html.Append("<section id=\"runs\"><h2>Runs</h2><p class=\"lead\">Each leads to its own report.</p><div class=\"scroll\"><table><thead><tr><th>variant</th>");
        foreach (var seed in results.Plan.Seeds) html.Append(Culture, $"<th class=\"n\">seed {seed}</th>");
        html.Append("</tr></thead><tbody>");
        foreach (var variant in results.Plan.Variants)
        {
            html.Append("<tr><th>").Append(Html.Escape(variant)).Append("</th>");
            foreach (var seed in results.Plan.Seeds)
            {
                if (results.Of(variant).FirstOrDefault(run => run.Run.Seed == seed) is not { } result)
                    html.Append("<td></td>");
                else if (!result.IsFinished)
                    html.Append("<td class=\"n failed\">not finished</td>");
                else
                    html.Append("<td class=\"n\"><a href=\"").Append(Html.Escape(Link(results.Plan.Root, result.Run.Folder))).Append("\">").Append(Shown.Duration(result.Summary!.Seconds)).Append("</a></td>");
            }

            html.Append("</tr>");
        }

        html.Append("</tbody></table></div><p class=\"note\">Times include stages that a run took from another one.</p></section>");
    }

    /// <summary>A relative address.</summary>
    private static string Link(string root, string folder) =>
        string.Join('/', Path.GetRelativePath(root, Path.Combine(folder, "report.html")).Split(Path.DirectorySeparatorChar).Select(Uri.EscapeDataString));

    private static void AppendOrigin(StringBuilder html, SweepResults results, string? command)
    {
        html.Append("<section id=\"origin\"><h2>How it was made</h2><dl>");
        ReportPage.AppendFact(html, "command", command);
        ReportPage.AppendFact(html, "program", results.Runs.Select(run => run.Summary?.Version).OfType<string>().FirstOrDefault() is { } version ? $"LlmRL {version}" : null);
        ReportPage.AppendFact(html, "recipes", string.Join(", ", results.Runs.Select(run => run.Run.RecipeFile).Distinct()));
        html.Append("</dl><details><summary>Sweep</summary><pre class=\"recipe\">").Append(Html.Escape(RecipeWriter.Write(results.Plan.Sweep)))
            .Append("</pre></details><p class=\"note\">All numbers are in table.csv and summary.json beside this page.</p></section>");
    }
}
