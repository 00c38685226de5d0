using System.Globalization;
using System.Text;
using LlmRL.Alarms;
using LlmRL.Runs.Plotting;

namespace LlmRL.Runs;

/// <summary>The alarms of a run in its report: when each was on, what it saw, what can be done, and where the rule comes from.</summary>
internal static class ReportAlarms
{
    /// <summary>The section; nothing where no stage was watched.</summary>
    public static void Append(StringBuilder html, ReportData data)
    {
        var watched = data.Stages.Where(stage => stage.Summary?.Alarms is not null).ToList();
        if (watched.Count == 0) return;
        var found = watched.SelectMany(stage => stage.Summary!.Alarms!.Select(alarm => (Stage: stage.Name, Steps: stage.Summary.Steps, Alarm: alarm))).ToList();
        html.Append("<section id=\"alarms\"><h2>Alarms</h2><p class=\"lead\">");
        if (found.Count == 0)
        {
            html.Append("None was raised in ").Append(Html.Escape(string.Join(", ", watched.Select(stage => stage.Name)))).Append(".</p></section>");
            return;
        }

        html.Append("Signs that a policy learned something else than was meant. They are shaded in the plots below.</p>")
            .Append("<div class=\"scroll\"><table><thead><tr><th>alarm</th><th>stage</th><th class=\"n\">steps</th><th>what was seen</th>")
            .Append("<th class=\"wide\">what it can mean, and what to do</th></tr></thead><tbody>");
        foreach (var (stage, steps, alarm) in found) AppendRow(html, stage, steps, alarm);
        html.Append("</tbody></table></div></section>");
    }

    private static void AppendRow(StringBuilder html, string stage, int steps, AlarmEvent alarm)
    {
        var end = alarm.To is { } to ? to.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{steps} (end)");
        html.Append("<tr><th>").Append(Html.Escape(alarm.Alarm)).Append("</th><td>").Append(Html.Escape(stage)).Append("</td><td class=\"n\">")
            .Append(CultureInfo.InvariantCulture, $"{alarm.From} to {end}").Append("</td><td class=\"alarm\">").Append(Html.Escape(alarm.Message)).Append("</td><td class=\"wide\">");
        if (AlarmSettings.Defaults.FirstOrDefault(known => known.Name == alarm.Alarm) is { } rule)
            html.Append(Html.Escape($"{rule.Meaning} {rule.Remedy} ({rule.Source})"));
        html.Append("</td></tr>");
    }
}
