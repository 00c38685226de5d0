using System.Text.RegularExpressions;
using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class ReportTests
{
    [Fact]
    public void A_report_shows_results_plots_samples_recipe_and_origin_and_needs_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var run = FakeRun.Write(folder["run"]);
        Report.Write(run);
        var html = File.ReadAllText(run.ReportPath);

        Assert.Contains("0.421 ± 0.016", html);
        Assert.Contains("+0.263 ± 0.021", html);
        foreach (var title in new[] { "Reward", "KL to the reference", "Entropy", "Completion length", "Value loss", "Learning rate", "Throughput" })
            Assert.Contains($"<figcaption><b>{title}</b>", html);
        Assert.Contains("18 better", html);
        Assert.Contains("llmrl run recipes/arithmetic-grpo.yaml", html);
        Assert.Contains("steps: 400 } # &lt;first&gt;", html);

        Assert.DoesNotMatch(new Regex("(src|href)\\s*=\\s*\"(?!#)|https?://|url\\(|@import"), html);
        Assert.Equal(html, Report.Render(run));
    }

    [Fact]
    public void Text_of_models_cannot_become_part_of_the_page()
    {
        using var folder = new TemporaryFolder();
        var html = Report.Render(FakeRun.Write(folder["run"]));
        Assert.Contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u2407 &amp; &lt;b&gt;bold&lt;/b&gt;", html);
        Assert.DoesNotContain("<script>alert", html);
        Assert.DoesNotMatch(new Regex("[\u0000-\u0008\u000b-\u001f]"), html);
        Assert.Contains(".\n    So the answer is\n#### ", html);
    }

    [Fact]
    public void Every_element_is_closed()
    {
        using var folder = new TemporaryFolder();
        var html = Report.Render(FakeRun.Write(folder["run"]));
        html = Regex.Replace(html, "<(script|style)[^>]*>.*?</\\1>", "", RegexOptions.Singleline);
        var open = new Stack<string>();
        foreach (Match tag in Regex.Matches(html, "<(/?)([a-z0-9]+)[^>]*?(/?)>"))
        {
            var name = tag.Groups[2].Value;
            if (name is "meta" || tag.Groups[3].Length > 0) continue;
            if (tag.Groups[1].Length == 0) open.Push(name);
            else Assert.Equal(open.Pop(), name);
        }

        Assert.Empty(open);
        var ids = Regex.Matches(html, " id=\"([^\"]+)\"").Select(match => match.Groups[1].Value).ToArray();
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(Regex.Matches(html, "href=\"#([^\"]+)\"").Select(match => match.Groups[1].Value), link => Assert.Contains(link, ids));
    }

    [Fact]
    public void A_run_that_goes_on_has_a_report_too()
    {
        using var folder = new TemporaryFolder();
        var run = FakeRun.Write(folder["run"]);
        File.Delete(run.SummaryPath);
        File.AppendAllText(run.MetricsPath, "{\"step\":121,\"stage\":\"ppo\",\"obj");
        var html = Report.Render(run);
        Assert.Contains("not finished", html);
        Assert.Contains("<figcaption><b>Reward</b>", html);
        Assert.Contains("<h1>run</h1>", html);
    }

    [Fact]
    public void A_run_that_has_written_nothing_yet_has_an_empty_report()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("0 stages", Report.Render(RunDirectory.Create(folder["run"])));
    }

    [Fact]
    public void A_change_is_coloured_only_beyond_two_standard_errors_and_towards_the_better_side()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        new RunSummary
        {
            Name = "x",
            Seed = 1,
            Stages =
            [
                new StageSummary("eval", "evaluate", 0, 1, new()
                {
                    ["pass@1/a"] = 0.5, ["pass@1_se/a"] = 0.1, ["pass@1/b"] = 0.6, ["pass@1_se/b"] = 0.1,
                    ["win_rate/a"] = 0.5, ["win_rate_se/a"] = 0.01, ["win_rate/b"] = 0.4, ["win_rate_se/b"] = 0.01,
                    ["perplexity/a"] = 9, ["perplexity/b"] = 8,
                }),
            ],
        }.Write(run.SummaryPath);
        var cells = Regex.Matches(Report.Render(run), "<td class=\"n (\\w+)\">([^<]*)")
            .Select(match => (match.Groups[1].Value, match.Groups[2].Value));
        Assert.Equal([("equal", "+0.10 ± 0.14"), ("worse", "−0.100 ± 0.014"), ("better", "−1")], cells);
    }
}
