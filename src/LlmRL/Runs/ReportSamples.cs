using System.Globalization;
using System.Text;
using LlmRL.Runs.Plotting;

namespace LlmRL.Runs;

/// <summary>The samples of a report: what policies answered to the same prompts, and how answers changed while a stage trained.</summary>
internal static class ReportSamples
{
    private const int MaxPrompts = 24, OpenPrompts = 6, MaxTrainingRows = 8;

    /// <summary>An evaluate stage: one block a prompt, the policies' answers beside each other in the order of training.</summary>
    public static void AppendComparison(StringBuilder html, ReportStage stage)
    {
        var rows = stage.Samples.Where(row => row.Policy is not null && row.PromptIndex is not null).ToList();
        var policies = rows.Select(row => row.Policy!).Distinct().ToList();
        if (rows.Count == 0) return;
        var order = stage.Summary is null ? policies : [.. EvaluationTable.Of(stage.Summary).Policies.Where(policies.Contains).Union(policies)];
        var prompts = rows.GroupBy(row => row.PromptIndex!.Value).OrderBy(group => group.Key).ToList();
        var verdicts = prompts.ToDictionary(group => group.Key, group => Verdict(group, order));

        html.Append("<h3>The same prompts, answered by each model</h3>");
        AppendCounts(html, order, verdicts.Values);
        html.Append("<div class=\"samples\">");
        for (var i = 0; i < Math.Min(prompts.Count, MaxPrompts); i++)
        {
            if (i == OpenPrompts) html.Append("<details><summary>More prompts</summary>");
            AppendPrompt(html, prompts[i], order, verdicts[prompts[i].Key]);
        }

        if (Math.Min(prompts.Count, MaxPrompts) > OpenPrompts) html.Append("</details>");
        html.Append("</div>");
        if (prompts.Count > MaxPrompts)
            html.Append($"<p class=\"note\">The first {MaxPrompts} of {prompts.Count} prompts; all are in samples.jsonl.</p>");
    }

    /// <summary>A training stage: rows from its first step to its last, those of held-out prompts by themselves.</summary>
    public static void AppendTraining(StringBuilder html, ReportStage stage)
    {
        AppendSteps(html, "Samples while training", [.. stage.Samples.Where(row => row.Split != SampleRow.HeldOut)]);
        AppendSteps(html, "Samples of held-out prompts while training", [.. stage.Samples.Where(row => row.Split == SampleRow.HeldOut)]);
    }

    private static void AppendSteps(StringBuilder html, string title, IReadOnlyList<SampleRow> samples)
    {
        if (samples.Count == 0) return;
        var steps = samples.Select(row => row.Step).Distinct().Order().ToList();
        var count = Math.Min(MaxTrainingRows, steps.Count);
        var shown = Enumerable.Range(0, count).Select(i => steps[count == 1 ? 0 : (int)((long)i * (steps.Count - 1) / (count - 1))]);
        html.Append("<details><summary>").Append(title).Append("</summary><div class=\"scroll\"><table class=\"training\">")
            .Append("<thead><tr><th>step</th><th>prompt</th><th>completion</th><th>reward</th></tr></thead><tbody>");
        foreach (var step in shown)
        {
            var row = samples.First(sample => sample.Step == step);
            html.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"n\">{row.Step}</td><td><pre>{Html.Escape(row.Prompt)}</pre></td>");
            html.Append(CultureInfo.InvariantCulture, $"<td><pre>{Html.Escape(row.Completion)}</pre></td>");
            var reward = row.Reward ?? row.Score;
            html.Append("<td class=\"n\">").Append(reward is { } number ? Shown.Number(number) : "").Append("</td></tr>");
        }

        html.Append("</tbody></table></div></details>");
    }

    private static void AppendCounts(StringBuilder html, IReadOnlyList<string> policies, IReadOnlyCollection<string> verdicts)
    {
        if (policies.Count < 2) return;
        int better = verdicts.Count(verdict => verdict == "better"), worse = verdicts.Count(verdict => verdict == "worse");
        html.Append("<p class=\"note\">").Append(Html.Escape($"From {policies[0]} to {policies[^1]}, of {verdicts.Count} prompts kept: "));
        html.Append(CultureInfo.InvariantCulture, $"<b class=\"better\">{better} better</b>, <b class=\"worse\">{worse} worse</b>, ");
        html.Append(verdicts.Count - better - worse).Append(" equal. They are shown in the order of the data, not picked.</p>");
    }

    private static void AppendPrompt(StringBuilder html, IGrouping<int, SampleRow> group, IReadOnlyList<string> policies, string verdict)
    {
        var first = group.First();
        html.Append("<article><div class=\"prompt\"><span class=\"tag\">prompt ").Append(group.Key).Append("</span>");
        if (verdict is "better" or "worse") html.Append("<span class=\"tag ").Append(verdict).Append("\">").Append(verdict).Append("</span>");
        html.Append("<pre>").Append(Html.Escape(first.Prompt)).Append("</pre>");
        if (first.Reference is { } reference) html.Append("<p class=\"note\">Reference: <code>").Append(Html.Escape(reference)).Append("</code></p>");
        html.Append("</div><div class=\"answers\">");
        foreach (var policy in policies)
        {
            var row = group.FirstOrDefault(sample => sample.Policy == policy);
            html.Append("<div class=\"answer\"><span class=\"tag\">").Append(Html.Escape(policy)).Append("</span>");
            if ((row?.Score ?? row?.Reward) is { } score) html.Append("<span class=\"score\">score ").Append(Shown.Number(score)).Append("</span>");
            html.Append("<pre>").Append(row is null ? "" : Html.Escape(row.Completion)).Append("</pre></div>");
        }

        html.Append("</div></article>");
    }

    private static string Verdict(IEnumerable<SampleRow> group, IReadOnlyList<string> policies)
    {
        var rows = group.ToList();
        double? Score(string policy) => rows.FirstOrDefault(row => row.Policy == policy) is { } row ? row.Score ?? row.Reward : null;
        return (Score(policies[0]), Score(policies[^1])) switch
        {
            ({ } before, { } after) when after > before => "better",
            ({ } before, { } after) when after < before => "worse",
            _ => "equal",
        };
    }
}
