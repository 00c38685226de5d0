using System.Diagnostics;
using System.Text.Json;

namespace LlmRL.Cli.Tests;

/// <summary><c>llmrl eval --judge-url</c> as a process against a server on this machine: verdicts, and what goes wrong between the two.</summary>
public sealed class EvalJudgeTests(TrainedModel trained) : IClassFixture<TrainedModel>, IDisposable
{
    private const string KeyName = "LLMRL_TEST_CLI_JUDGE_KEY", Key = "sk-cli-0123456789";

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void Verdicts_are_read_in_both_orders_and_become_rates()
    {
        using var server = new JudgeServer((_, question) => JudgeReply.Prefers(question.Prompt switch
        {
            "candidate" => IsReference(question.A) ? "B" : "A",
            "reference" => IsReference(question.A) ? "A" : "B",
            "neither" => "tie",
            _ => "A",
        }));
        Environment.SetEnvironmentVariable(KeyName, Key);
        var metrics = Metrics(Eval(server.Url, ["candidate", "candidate", "reference", "neither", "first"], "--judge-key-env", KeyName));
        // Two wins, a loss, a tie, and one that the place decides: 2 + 0 + ½ + ½ of five.
        Assert.Equal(0.6, metrics.GetProperty("win_rate").GetDouble(), 12);
        Assert.Equal(0.4, metrics.GetProperty("judge_ties").GetDouble(), 12);
        Assert.Equal(0.2, metrics.GetProperty("judge_inconsistent").GetDouble(), 12);
        Assert.False(metrics.TryGetProperty("judge_failures", out _));
        Assert.True(metrics.TryGetProperty("win_rate_se", out _));

        Assert.Equal(10, server.Questions.Count);
        Assert.All(server.Questions, question => Assert.Equal(("/v1/chat/completions", $"Bearer {Key}", "judge-1"), (question.Path, question.Authorization, question.Body.GetProperty("model").GetString())));
        // Every pair is asked about in both orders.
        var asked = server.Questions.Select(question => (question.Prompt, question.A, question.B)).ToHashSet();
        Assert.All(asked, question => Assert.Contains((question.Prompt, question.B, question.A), asked));
        Assert.All(server.Questions, question => Assert.True(IsReference(question.A) != IsReference(question.B)));
    }

    [Fact]
    public void A_question_of_ones_own_is_asked_and_no_key_is_sent_where_none_is_named()
    {
        place.Write("question.txt", "Post {{prompt}}. First <summary_a>\n{{a}}\n</summary_a> Second <summary_b>\n{{b}}\n</summary_b> End with Preferred: A, B or tie.");
        using var server = new JudgeServer((_, question) => JudgeReply.Says(IsReference(question.A) ? " b " : "**Preferred:** A."));
        Assert.Equal(1, Metrics(Eval(server.Url, ["x", "y"], "--judge-prompt", "question.txt")).GetProperty("win_rate").GetDouble());
        Assert.All(server.Questions, question => Assert.StartsWith("Post ", question.Text));
        Assert.All(server.Questions, question => Assert.Null(question.Authorization));
    }

    [Fact]
    public void A_server_that_stumbles_is_asked_again()
    {
        // Each kind once: overloaded, broken, garbage that is no JSON, JSON that is no chat completion, an answer without a verdict.
        JudgeReply[] stumbles = [new("busy", 503), new("", 500), new("<html>gateway</html>"), new("{\"choices\": []}"), JudgeReply.Says("Both are fine.")];
        using var server = new JudgeServer((number, question) => number < stumbles.Length ? stumbles[number] : JudgeReply.Prefers(IsReference(question.A) ? "B" : "A"));
        var metrics = Metrics(Eval(server.Url, ["x", "y", "z"], "--judge-retries", "5"));
        Assert.Equal(1, metrics.GetProperty("win_rate").GetDouble());
        Assert.False(metrics.TryGetProperty("judge_failures", out _));
        Assert.Equal(6 + stumbles.Length, server.Questions.Count);
    }

    [Fact]
    public void Pairs_that_never_get_a_verdict_are_ties_and_counted()
    {
        using var server = new JudgeServer((_, question) => question.Prompt == "never" ? JudgeReply.Says("I would rather not say.") : JudgeReply.Prefers(IsReference(question.A) ? "B" : "A"));
        var metrics = Metrics(Eval(server.Url, ["x", "never"], "--judge-retries", "1"));
        Assert.Equal(0.75, metrics.GetProperty("win_rate").GetDouble());
        Assert.Equal(1, metrics.GetProperty("judge_failures").GetDouble());
        Assert.Equal(0.5, metrics.GetProperty("judge_ties").GetDouble());
        Assert.Equal(2 + 2 * 2, server.Questions.Count);
    }

    [Fact]
    public void A_server_that_does_not_answer_in_time_fails_the_run()
    {
        using var server = new JudgeServer((_, _) => JudgeReply.Prefers("A") with { Delay = TimeSpan.FromMinutes(5) });
        var clock = Stopwatch.StartNew();
        Failed(Eval(server.Url, ["x"], "--judge-timeout", "0.5", "--judge-retries", "1"), server.Url, "the judge failed 2 times in a row, last: no reply within 0.5 s", "--judge-timeout", "name one with --out");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(45), $"{clock.Elapsed}");
        Assert.Equal(4, server.Questions.Count);
    }

    [Theory]
    [InlineData(401, "status 401")]
    [InlineData(404, "status 404")]
    [InlineData(400, "status 400")]
    public void A_server_that_refuses_is_not_asked_again(int status, string text)
    {
        using var server = new JudgeServer((_, question) => new JudgeReply($"{{\"error\": \"no luck with {question.Authorization}\"}}", status));
        Environment.SetEnvironmentVariable(KeyName, Key);
        var outcome = Failed(Eval(server.Url, ["x"], "--judge-key-env", KeyName), text, "no luck with Bearer ***", "The server is there but refuses the request");
        Assert.DoesNotContain(Key, outcome.Output + outcome.Error);
        Assert.InRange(server.Questions.Count, 1, 2);
    }

    [Fact]
    public void A_server_that_stays_overloaded_fails_the_run_after_so_many_tries()
    {
        using var server = new JudgeServer((_, _) => new JudgeReply("slow down", 429));
        Failed(Eval(server.Url, ["x"], "--judge-retries", "0"), "the judge failed 1 times in a row, last: status 429", "slow down");
    }

    [Fact]
    public void A_host_that_is_not_there_is_named()
    {
        Failed(Eval($"http://127.0.0.1:{JudgeServer.FreePort()}/v1", ["x"], "--judge-retries", "0"), "http://127.0.0.1:", "/v1/chat/completions: the judge failed 1 times in a row, last: ", "refused");
        Failed(Eval("http://judge.invalid/v1", ["x"], "--judge-retries", "0"), "http://judge.invalid/v1/chat/completions: the judge failed 1 times in a row, last: ");
    }

    [Fact]
    public void What_a_server_said_before_it_failed_is_asked_for_no_more()
    {
        var dead = true;
        using var server = new JudgeServer((number, question) => dead && number >= 4 ? new JudgeReply("gone", 503) : JudgeReply.Prefers(IsReference(question.A) ? "B" : "A"));
        string[] rows = ["v", "w", "x", "y", "z"];
        var outcome = Failed(Eval(server.Url, rows, "--judge-retries", "0", "--out", "kept"), "the judge failed 1 times in a row, last: status 503", "judgements.jsonl of the run's folder");
        Assert.DoesNotContain("name one with --out", outcome.Error);
        var known = File.ReadAllLines(place["kept/judgements.jsonl"]).Length;
        Assert.InRange(known, 1, 4);
        dead = false;
        var before = server.Questions.Count;
        Assert.Equal(1, Metrics(Eval(server.Url, rows, "--judge-retries", "0", "--out", "kept")).GetProperty("win_rate").GetDouble());
        Assert.Equal(10 - known, server.Questions.Count - before);
    }

    [Theory]
    [InlineData("--judge-model: give the server too, with --judge-url", "--judge-model", "m")]
    [InlineData("--judge-url: name the model that judges, with --judge-model", "--judge-url", "http://localhost:1/v1")]
    [InlineData("--judge and --judge-url: one judge at a time", "--judge", "--judge-url", "http://localhost:1/v1", "--judge-model", "m")]
    [InlineData("--judge-url: 'api.example.org' is no web address", "--judge-url", "api.example.org", "--judge-model", "m")]
    [InlineData("Name the environment variable with the key under --judge-key-env", "--judge-url", "https://me:hunter2@api.example.org/v1", "--judge-model", "m")]
    [InlineData("--judge-key-env: the environment variable LLMRL_TEST_NO_KEY is not set", "--judge-url", "http://localhost:1/v1", "--judge-model", "m", "--judge-key-env", "LLMRL_TEST_NO_KEY")]
    [InlineData("--judge-prompt: nowhere.txt: no such file", "--judge-url", "http://localhost:1/v1", "--judge-model", "m", "--judge-prompt", "nowhere.txt")]
    [InlineData("--judge-timeout 0: give seconds", "--judge-url", "http://localhost:1/v1", "--judge-model", "m", "--judge-timeout", "0")]
    [InlineData("--judge-retries -1: give a number", "--judge-url", "http://localhost:1/v1", "--judge-model", "m", "--judge-retries", "-1")]
    [InlineData("--judge-timeout: it is about a judge behind a server", "--judge-timeout", "5")]
    [InlineData("--judge-key-env: it is about a judge behind a server", "--judge", "--judge-key-env", "HOME")]
    public void Options_that_do_not_go_together_are_refused(string text, params string[] options)
    {
        var outcome = Eval(null, ["x"], options).RefusedInOneLine(text);
        Assert.DoesNotContain("hunter2", outcome.Error);
    }

    private static bool IsReference(string text) => text.StartsWith("the reference", StringComparison.Ordinal);

    private Outcome Eval(string? url, string[] prompts, params string[] options)
    {
        place.Write("rows.jsonl", string.Concat(prompts.Select((prompt, i) => JsonSerializer.Serialize(new { prompt, completion = $"the reference {i}" }) + "\n")));
        string[] judge = url is null ? [] : ["--judge-url", url, "--judge-model", "judge-1"];
        return place.Run(["eval", "--model", trained.Policy, "--data", "rows.jsonl", "--max-new-tokens", "6", "--json", .. judge, .. options]);
    }

    private static JsonElement Metrics(Outcome outcome) => JsonDocument.Parse(outcome.Succeeded().Output).RootElement.GetProperty("metrics");

    /// <summary>A failed run: exit code 1 and a message without a trace.</summary>
    private static Outcome Failed(Outcome outcome, params string[] texts)
    {
        Assert.True(outcome.ExitCode == 1, $"exit code {outcome.ExitCode}\n{outcome.Output}\n{outcome.Error}");
        Assert.StartsWith("failed: ", outcome.Message.Split('\n')[^1]);
        Assert.DoesNotContain("   at ", outcome.Error);
        Assert.All(texts, text => Assert.Contains(text, outcome.Error));
        return outcome;
    }
}
