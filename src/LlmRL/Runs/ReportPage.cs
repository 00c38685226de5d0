using System.Text;
using LlmRL.Runs.Plotting;

namespace LlmRL.Runs;

/// <summary>The frame that all reports share: a page that needs nothing but itself.</summary>
internal static class ReportPage
{
    /// <summary>Everything before the header.</summary>
    public static void AppendHead(StringBuilder html, string title) =>
        html.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            // The page must stay self-contained: with this policy a browser fetches nothing for it.
            .Append("<meta http-equiv=\"Content-Security-Policy\" ")
            .Append("content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">")
            .Append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">")
            .Append("<title>").Append(Html.Escape(title)).Append(" – LlmRL</title>\n<style>").Append(ReportAssets.Style)
            .Append("</style></head><body>\n");

    /// <summary>Everything after the last section.</summary>
    public static void AppendEnd(StringBuilder html) =>
        html.Append("</main><div id=\"tip\" role=\"status\"></div><script>").Append(ReportAssets.Script).Append("</script></body></html>\n");

    /// <summary>The sticky line at the top: name, facts, and links to sections.</summary>
    public static void AppendHeader(StringBuilder html, string name, IEnumerable<string> facts, IEnumerable<(string Id, string Text)> links)
    {
        html.Append("<header><div><h1>").Append(Html.Escape(name)).Append("</h1><p>").Append(Html.Escape(string.Join("  ·  ", facts))).Append("</p></div><nav>");
        foreach (var (id, text) in links)
            html.Append("<a href=\"#").Append(Html.Escape(id)).Append("\">").Append(Html.Escape(text)).Append("</a>");
        html.Append("</nav></header>");
    }

    /// <summary>Charts side by side.</summary>
    public static void AppendGrid(StringBuilder html, IEnumerable<Chart> charts, string style = "grid")
    {
        html.Append("<div class=\"").Append(style).Append("\">");
        foreach (var chart in charts) html.Append(chart.ToHtml());
        html.Append("</div>");
    }

    /// <summary>A line of a definition list; nothing where the value is null.</summary>
    public static void AppendFact(StringBuilder html, string name, string? value)
    {
        if (value is not null) html.Append("<dt>").Append(name).Append("</dt><dd><code>").Append(Html.Escape(value)).Append("</code></dd>");
    }
}
