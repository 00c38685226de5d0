using System.Globalization;
using System.Text;
using LlmRL.Evaluation;
using LlmRL.Runs;
using LlmRL.Runs.Plotting;

namespace LlmRL.Sweeps;

/// <summary>Over-optimisation as plots, a table, and <c>over-optimisation.csv</c> (the fits) and <c>over-optimisation-points.csv</c> (what they are fitted to).</summary>
internal static class OverOptimisationReport
{
    private const int LinePoints = 120;

    /// <summary>The second plot reaches so many times as far as the farthest best point.</summary>
    private const double Near = 2.5;

    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    private static readonly string[] Columns =
        ["policy", "α", "β", "R²", "best √KL", "gold there", "stop at", "last √KL", "gold at the end", "proxy at the end"];

    /// <summary>Writes the two CSV files into the sweep's folder; nothing where the sweep does not ask for them.</summary>
    public static void WriteFiles(string root, IReadOnlyList<OptimisationGroup> groups)
    {
        if (groups.Count == 0)
            return;
        AtomicFile.WriteAllText(Path.Combine(root, "over-optimisation.csv"), Fits(groups));
        AtomicFile.WriteAllText(Path.Combine(root, "over-optimisation-points.csv"), Points(groups));
    }

    /// <summary>A section of <c>table.md</c>.</summary>
    public static void AppendMarkdown(StringBuilder text, IReadOnlyList<OptimisationGroup> groups)
    {
        if (groups.Count == 0)
            return;
        text.Append("\n## Over-optimisation\n\n").Append(Note(groups)).Append('\n');
        foreach (var group in groups)
        {
            text.Append('\n').Append(group.Name.Length > 0 ? $"### {group.Name}\n\n" : "");
            SweepFiles.AppendTable(text, Columns, group.Curves.Select(Row));
        }
    }

    /// <summary>A section of the report.</summary>
    public static void AppendHtml(StringBuilder html, IReadOnlyList<OptimisationGroup> groups)
    {
        if (groups.Count == 0)
            return;
        html.Append("<section id=\"over-optimisation\"><h2>Over-optimisation</h2><p class=\"lead\">").Append(Html.Escape(Note(groups))).Append("</p>");
        ReportPage.AppendGrid(html, groups.SelectMany(Charts), "plots");
        foreach (var group in groups)
        {
            html.Append(group.Name.Length > 0 ? $"<h3>{Html.Escape(group.Name)}</h3>" : "<p></p>").Append("<div class=\"scroll\"><table><thead><tr>");
            for (var i = 0; i < Columns.Length; i++)
                html.Append(i == 0 ? "<th>" : "<th class=\"n\">").Append(Columns[i]).Append("</th>");
            html.Append("</tr></thead><tbody>");
            foreach (var curve in group.Curves)
                html.Append("<tr>").AppendJoin("", Row(curve).Select((cell, i) => i == 0 ? $"<th>{Html.Escape(cell)}</th>" : $"<td class=\"n\">{Html.Escape(cell)}</td>")).Append("</tr>");
            html.Append("</tbody></table></div>");
        }

        html.Append("</section>");
    }

    private static string Note(IReadOnlyList<OptimisationGroup> groups)
    {
        var seeds = groups.SelectMany(group => group.Curves).SelectMany(curve => curve.Points).Select(point => point.Seed).Distinct().Count();
        return "Rewards less those of the SFT policy, against d = √KL from it in nats. Fits of the gold reward (arXiv 2210.10760): best-of-n d(α − βd), RL d(α − β ln d). "
            + (seeds > 1 ? "± is the standard error over the seeds' own fits. " : "")
            + "Where the fit has its maximum within the data, training should have stopped there: at that step, or that n.";
    }

    /// <summary>All of the data, and where some policies went much farther than their best point, the stretch around the best points too.</summary>
    private static IEnumerable<FitChart> Charts(OptimisationGroup group)
    {
        yield return Chart(group, group.Name.Length > 0 ? $"Proxy and gold: {group.Name}" : "Proxy and gold", double.PositiveInfinity);
        var peaks = group.Curves.Select(curve => curve.Fit(point => point.Gold)).OfType<OverOptimisationFit>().Where(fit => fit.TurnsWithin).Select(fit => fit.Peak!.Value).ToArray();
        var reach = Near * peaks.DefaultIfEmpty(0).Max();
        if (peaks.Length > 0 && reach < group.Curves.SelectMany(curve => curve.Points).Max(point => point.Distance))
            yield return Chart(group, group.Name.Length > 0 ? $"Near the best points: {group.Name}" : "Near the best points", reach);
    }

    private static FitChart Chart(OptimisationGroup group, string title, double reach) => new()
    {
        Title = title,
        Caption = "Dots: gold, each a span of steps or an n. Line: its fit; ring: where it is highest. Dashed: proxy.",
        XLabel = "√KL to the SFT policy",
        YLabel = "reward above the SFT policy",
        Width = 620,
        Height = 380,
        Series = [.. group.Curves.Select(curve => Series(curve, group.Name, reach))],
    };

    private static FitSeries Series(OptimisationCurve curve, string group, double reach)
    {
        var (mean, fit) = (curve.Mean.Where(point => point.Distance <= reach).ToArray(), curve.Fit(point => point.Gold));
        var points = curve.Points.Where(point => point.Distance <= reach).ToArray();
        var name = group.Length > 0 && curve.Name.StartsWith(group + ",", StringComparison.Ordinal) ? curve.Name[(group.Length + 1)..] : curve.Name;
        double[] line = fit is null ? [] : [.. Enumerable.Range(0, LinePoints + 1).Select(i => Math.Min(fit.Farthest, reach) * i / LinePoints)];
        return new FitSeries(name,
            new Curve(name, [.. points.Select(point => point.Distance)], [.. points.Select(point => point.Gold)]),
            fit is null ? null : new Curve(name, line, [.. line.Select(fit.At)]),
            new Curve(name, [0, .. mean.Select(point => point.Distance)], [0, .. mean.Select(point => point.Proxy)]),
            fit is { TurnsWithin: true, Peak: { } peak } && peak <= reach ? (peak, fit.At(peak)) : null);
    }

    private static IEnumerable<string> Row(OptimisationCurve curve)
    {
        var (fit, end) = (curve.Fit(point => point.Gold), curve.End!);
        var (alpha, beta) = curve.Errors(point => point.Gold);
        return
        [
            curve.Name,
            fit is null ? "–" : Shown.Measured(fit.Alpha, alpha),
            fit is null ? "–" : Shown.Measured(fit.Beta, beta),
            fit is null ? "–" : fit.RSquared.ToString("0.00", Culture),
            fit?.Peak is null ? "–" : fit.TurnsWithin ? Shown.Number(fit.Peak.Value) : "beyond",
            fit is { TurnsWithin: true, Peak: { } peak } ? Shown.Number(fit.At(peak)) : "–",
            curve.StopAt is { } stop ? (curve.Method == OptimisationMethod.BestOfN ? "n = " : "step ") + Shown.Number(Math.Round(stop)) : "–",
            Shown.Number(end.Distance),
            Shown.Number(end.Gold),
            Shown.Number(end.Proxy),
        ];
    }

    private static string Fits(IReadOnlyList<OptimisationGroup> groups)
    {
        var text = new StringBuilder("proxy,policy,law,reward,alpha,alpha_standard_error,beta,beta_standard_error,r_squared,points,best_sqrt_kl,best_reward,turns_within_data,stop_at\n");
        foreach (var (group, curve) in groups.SelectMany(group => group.Curves.Select(curve => (group, curve))))
        {
            foreach (var (name, reward) in new (string, Func<OptimisationPoint, double>)[] { ("gold", point => point.Gold), ("proxy", point => point.Proxy) })
            {
                if (curve.Fit(reward) is not { } fit)
                    continue;
                var (alpha, beta) = curve.Errors(reward);
                double? best = fit.Peak is { } peak ? fit.At(peak) : null;
                text.AppendJoin(',', SweepFiles.Field(group.Name), SweepFiles.Field(curve.Name), curve.Method == OptimisationMethod.BestOfN ? "d(a-b*d)" : "d(a-b*ln(d))", name,
                    SweepFiles.Number(fit.Alpha), SweepFiles.Number(alpha), SweepFiles.Number(fit.Beta), SweepFiles.Number(beta), SweepFiles.Number(fit.RSquared),
                    fit.Count.ToString(Culture), SweepFiles.Number(fit.Peak), SweepFiles.Number(best), fit.TurnsWithin ? "true" : "false",
                    name == "gold" ? SweepFiles.Number(curve.StopAt) : "").Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Points(IReadOnlyList<OptimisationGroup> groups)
    {
        var text = new StringBuilder("proxy,policy,seed,step_or_n,sqrt_kl,proxy_reward,gold_reward\n");
        foreach (var group in groups)
        {
            foreach (var (curve, point) in group.Curves.SelectMany(curve => curve.Points.Select(point => (curve, point))))
            {
                text.AppendJoin(',', SweepFiles.Field(group.Name), SweepFiles.Field(curve.Name), point.Seed.ToString(Culture), SweepFiles.Number(point.At),
                    SweepFiles.Number(point.Distance), SweepFiles.Number(point.Proxy), SweepFiles.Number(point.Gold)).Append('\n');
            }
        }

        return text.ToString();
    }
}
