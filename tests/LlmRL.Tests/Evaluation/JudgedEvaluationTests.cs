using LlmRL.Tests.Rewards;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Evaluation;

/// <summary>Judges of every kind in whole evaluate stages.</summary>
[Collection(TensorCollection.Name)]
public class JudgedEvaluationTests
{
    private const string Rows = """
        {"prompt":"a b c ","completion":"a","chosen":"a","rejected":"?"}
        {"prompt":"d e f ","completion":"d","chosen":"d","rejected":"?"}
        {"prompt":"g h i ","completion":"g","chosen":"g","rejected":"?"}
        {"prompt":"j k l ","completion":"j","chosen":"j","rejected":"?"}
        """;

    private static TinyRun Run(string judge, string before = "") => new($$"""
        {{before}}
          - evaluate: { name: eval, policies: [base], data: { path: DATA }, judge: {{judge}}, max_completion_length: 5 }
        """, Rows);

    private static OrderedDictionary<string, double> Metrics(TinyRun run) => run.Summary.Stage("eval")!.Metrics;

    [Fact]
    public void A_server_gives_the_win_rate_with_its_ties_and_inconsistencies()
    {
        // The longer text wins; of the post with an e, whichever is first.
        using var server = new FaultyServer((_, request) => JudgeServer.Answer("Preferred: " + (JudgeServer.Question(request).Contains("d e f", StringComparison.Ordinal)
            ? "A" : JudgeServer.Judge(request, (a, b) => a.Length > b.Length ? "A" : "B"))));
        using var run = Run($"{{ http: {{ url: \"{server.Url}\", model: m }} }}");
        var metrics = Metrics(run);
        // Random bytes, all longer than one letter.
        Assert.Equal((1 + 0.5 + 1 + 1) / 4, metrics["win_rate/base"], 1e-12);
        Assert.Equal(0.125, metrics["win_rate_se/base"], 1e-12);
        Assert.Equal((0.25, 0.25), (metrics["judge_ties/base"], metrics["judge_inconsistent/base"]));
        Assert.False(metrics.ContainsKey("judge_failures/base"));
        Assert.False(metrics.ContainsKey("gold/base"));
        Assert.Equal(8, File.ReadAllLines(Path.Combine(run.Directory.Root, "judgements.jsonl")).Length);
        Assert.Contains("Share of pairs", File.ReadAllText(run.Directory.ReportPath));
    }

    [Fact]
    public void A_reward_model_judges_by_its_scores()
    {
        using var run = Run("{ reward_model: { model: rm } }, reward: { reward_model: { model: rm } }", """
              - reward_model: { name: rm, policy: base, data: { path: DATA }, steps: 1, batch_size: 2 }
            """);
        var metrics = Metrics(run);
        // The completions, which are longer than the references, and no others have these scores.
        Assert.Equal(metrics["reward/base"], metrics["judge_score/base"], 1e-5);
        Assert.InRange(metrics["win_rate/base"], 0, 1);
        Assert.False(metrics.ContainsKey("judge_inconsistent/base"));
    }

    [Fact]
    public void A_reward_of_the_text_judges_as_before()
    {
        using var run = Run("{ length: { target: 1, unit: characters } }");
        var metrics = Metrics(run);
        // The references have just this length.
        Assert.Equal(0, metrics["win_rate/base"], 1e-12);
        Assert.True(metrics["gold/base"] < 0);
    }

    [Theory]
    [InlineData("{ reward_model: { model: nowhere } }", "judge: 'nowhere' is neither")]
    [InlineData("{ http: { url: here, model: m } }", "judge: url: 'here' is no web address")]
    [InlineData("{ http: { url: \"http://x\", model: m, cache: ../x.jsonl } }", "judge.http.cache: '../x.jsonl' is no name")]
    [InlineData("{ http: { url: \"http://x\", model: m, prompt: nowhere.txt } }", "judge: prompt: nowhere.txt: no such file")]
    [InlineData("{ htpt: { url: \"http://x\" } }", "Did you mean http?")]
    public void A_judge_that_cannot_work_is_found_before_anything_runs(string judge, string message) =>
        Assert.Contains(message, Assert.Throws<BadInputException>(() => Run(judge)).Message);
}
