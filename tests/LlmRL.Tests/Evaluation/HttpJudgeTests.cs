using LlmRL.Data;
using LlmRL.Evaluation;
using LlmRL.Evaluation.Judges;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Tests.Rewards;
using LlmRL.Tests.Runs;

namespace LlmRL.Tests.Evaluation;

public sealed class HttpJudgeTests : IDisposable
{
    private const string KeyName = "LLMRL_TEST_JUDGE_KEY", Key = "sk-test-0123456789";

    private readonly TemporaryFolder folder = new();

    public HttpJudgeTests() => Environment.SetEnvironmentVariable(KeyName, Key);

    public void Dispose() => folder.Dispose();

    private static JudgedPair Pair(string candidate, string opponent, string prompt = "a post") =>
        new(new Example { Prompt = prompt }, new JudgedText(candidate), new JudgedText(opponent));

    private static HttpJudge Judge(FaultyServer server) =>
        new() { Url = server.Url.Replace("/score", "/v1", StringComparison.Ordinal), Model = "judge-1", ApiKeyEnv = KeyName, Backoff = 0, MaxRetries = 2 };

    private IReadOnlyList<JudgedVerdict> Compare(HttpJudge judge, params JudgedPair[] pairs)
    {
        using var client = new HttpJudgeClient(judge, RunDirectory.Create(folder["run"]), TimeProvider.System, 1);
        return client.Compare(pairs, CancellationToken.None);
    }

    [Fact]
    public void A_judge_that_agrees_with_itself_decides()
    {
        using var server = JudgeServer.Of((a, b) => a.Length > b.Length ? "A" : a.Length < b.Length ? "B" : "tie");
        var verdicts = Compare(Judge(server), Pair("long text", "short"), Pair("x", "longer"), Pair("abc", "xyz"), Pair(" same ", "same"));
        Assert.Equal([Verdict.Win, Verdict.Loss, Verdict.Tie, Verdict.Tie], verdicts.Select(verdict => verdict.Verdict));
        Assert.All(verdicts, verdict => Assert.False(verdict.IsInconsistent || verdict.IsFailed));
        // Both orders of three pairs; equal texts are no question.
        Assert.Equal(6, server.Requests.Count);
        var request = server.Requests[0];
        Assert.StartsWith("POST /v1/chat/completions ", request.Head, StringComparison.Ordinal);
        Assert.Contains($"Authorization: Bearer {Key}\r\n", request.Head, StringComparison.Ordinal);
        Assert.Equal(("judge-1", 0.0), (request.Body.GetProperty("model").GetString(), request.Body.GetProperty("temperature").GetDouble()));
        Assert.False(request.Body.TryGetProperty("max_tokens", out _));
        Assert.Contains("<post>\na post\n</post>", JudgeServer.Question(request), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("A")]
    [InlineData("B")]
    public void A_judge_that_prefers_a_place_gives_everybody_one_half(string place)
    {
        using var server = JudgeServer.Of((_, _) => place);
        Assert.All(Compare(Judge(server), Pair("one", "two"), Pair("three", "four")), verdict => Assert.Equal(new JudgedVerdict(Verdict.Tie, IsInconsistent: true), verdict));
        // Asked once, it looks like an opinion.
        var once = Compare(Judge(server) with { SwapPositions = false }, Pair("one", "two"))[0];
        Assert.Equal(new JudgedVerdict(place == "A" ? Verdict.Win : Verdict.Loss), once);
    }

    [Fact]
    public void No_question_is_asked_twice_not_even_by_the_next_run()
    {
        using var server = JudgeServer.Of((a, b) => string.CompareOrdinal(a, b) < 0 ? "A" : "B");
        var first = Compare(Judge(server), Pair("one", "two"), Pair("one", "two"), Pair("two", "one"));
        Assert.Equal(2, server.Requests.Count);
        Assert.Equal(first, Compare(Judge(server), Pair("one", "two"), Pair("one", "two"), Pair("two", "one")));
        Assert.Equal(2, server.Requests.Count);
        // Another model, temperature, prompt or text is another question.
        Compare(Judge(server) with { Model = "judge-2" }, Pair("one", "two"));
        Compare(Judge(server) with { Temperature = 0.5 }, Pair("one", "two"));
        Compare(Judge(server), Pair("one", "two", "another post"));
        Assert.Equal(8, server.Requests.Count);
        // Another run reads the verdicts of the first, and writes its own.
        var known = Path.Combine(folder["run"], "judgements.jsonl");
        using var other = new HttpJudgeClient(Judge(server) with { KnownVerdicts = known }, RunDirectory.Create(folder["other"]), TimeProvider.System, 1);
        Assert.Equal(Verdict.Win, other.Compare([Pair("one", "two")], CancellationToken.None)[0].Verdict);
        Assert.Equal(8, server.Requests.Count);
        Assert.Equal("", File.ReadAllText(Path.Combine(folder["other"], "judgements.jsonl")));
    }

    [Fact]
    public void A_line_that_a_kill_tore_is_asked_for_again()
    {
        using var server = JudgeServer.Of((_, _) => "tie");
        Compare(Judge(server), Pair("one", "two"));
        var path = Path.Combine(folder["run"], "judgements.jsonl");
        var text = File.ReadAllText(path);
        File.WriteAllText(path, text[..^20]);
        Compare(Judge(server), Pair("one", "two"));
        Assert.Equal(3, server.Requests.Count);
        Assert.Equal(2, File.ReadAllLines(path).Length);
        Assert.DoesNotContain(Key, File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_without_a_verdict_are_asked_for_again_and_then_count_as_failed_ties()
    {
        using var server = new FaultyServer((number, request) => JudgeServer.Texts(request).A == "never" || JudgeServer.Texts(request).B == "never"
            ? number % 2 == 0 ? JudgeServer.Answer("I cannot say.") : new Reply("<html>")
            : number < 2 ? JudgeServer.Answer("") : JudgeServer.Answer("Preferred: A"));
        var verdicts = Compare(Judge(server) with { Concurrency = 1, SwapPositions = false }, Pair("later", "x"), Pair("never", "x"));
        Assert.Equal([new JudgedVerdict(Verdict.Win), new JudgedVerdict(Verdict.Tie, IsFailed: true)], verdicts);
        Assert.Equal(3 + 3, server.Requests.Count);
        // A failure is not kept.
        Compare(Judge(server) with { Concurrency = 1, SwapPositions = false }, Pair("later", "x"), Pair("never", "x"));
        Assert.Equal(3 + 3 + 3, server.Requests.Count);
    }

    [Fact]
    public void A_dead_server_stops_the_run_and_what_it_said_before_is_kept()
    {
        using var server = new FaultyServer((number, _) => number == 0 ? JudgeServer.Answer("**Preferred: B**") : new Reply("overloaded", "503 Busy"));
        var judge = Judge(server) with { Concurrency = 1, SwapPositions = false };
        var fault = Assert.Throws<RewardFailedException>(() => Compare(judge, Pair("one", "two"), Pair("three", "four")));
        Assert.Contains("the judge failed 3 times in a row, last: status 503 Busy: overloaded", fault.Message, StringComparison.Ordinal);
        Assert.Contains("judgements.jsonl", fault.Message, StringComparison.Ordinal);
        Assert.Equal(4, server.Requests.Count);
        Assert.Equal(Verdict.Loss, Compare(judge, Pair("one", "two"))[0].Verdict);
        Assert.Equal(4, server.Requests.Count);
    }

    [Theory]
    [InlineData("401 Unauthorized")]
    [InlineData("503 Busy")]
    public void The_key_is_in_no_message_though_the_server_says_it_back(string status)
    {
        using var server = new FaultyServer((_, request) => new Reply($"wrong key {Key} in {request.Head.Replace('\r', ' ').Replace('\n', ' ')}", status));
        var fault = Assert.Throws<RewardFailedException>(() => Compare(Judge(server), Pair("one", "two")));
        Assert.DoesNotContain(Key, fault.ToString(), StringComparison.Ordinal);
        Assert.Contains("wrong key ***", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, string.Concat(Directory.GetFiles(folder["run"], "*", SearchOption.AllDirectories).Select(File.ReadAllText)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Both are fine.\nPreferred: A", Verdict.Win)]
    [InlineData("preferred: b.", Verdict.Loss)]
    [InlineData("**Preferred:** Tie", Verdict.Tie)]
    [InlineData("> Preferred: \"B\"\n", Verdict.Loss)]
    [InlineData("Preferred: A\nOn second thought\nPreferred: B", Verdict.Loss)]
    [InlineData(" B ", Verdict.Loss)]
    [InlineData("tie", Verdict.Tie)]
    [InlineData("A is short.", null)]
    [InlineData("Preferred: both", null)]
    [InlineData("Preferred: A or B", null)]
    [InlineData("", null)]
    public void An_answer_is_read_by_its_last_line_of_the_form(string answer, Verdict? expected) => Assert.Equal(expected, JudgePrompt.Read(answer));

    [Fact]
    public void Texts_are_filled_in_once_and_a_prompt_file_needs_a_place_for_each()
    {
        Assert.Equal("{{b}}|x|{{a}}", JudgePrompt.Fill("{{prompt}}|{{a}}|{{b}}", "{{b}}", "x", "{{a}}"));
        Assert.Equal("\ufffd", JudgePrompt.Fill("{{a}}", "", "\ud83d", ""));
        File.WriteAllText(folder["good.txt"], "{{prompt}}: {{a}} or {{b}}?");
        File.WriteAllText(folder["bad.txt"], "{{prompt}}: {{a}}?");
        Assert.Equal("{{prompt}}: {{a}} or {{b}}?", JudgePrompt.Load(folder["good.txt"]));
        Assert.Contains("has no {{b}}", Assert.Throws<BadInputException>(() => JudgePrompt.Load(folder["bad.txt"])).Message, StringComparison.Ordinal);
        Assert.Contains("no such file. Write tldr, or name", Assert.Throws<BadInputException>(() => JudgePrompt.Load("nowhere.txt")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_are_found_before_anything_is_asked()
    {
        var judge = new HttpJudge { Url = "https://api.example.org/v1/", Model = "m" };
        Assert.Equal("https://api.example.org/v1/chat/completions", judge.Address().AbsoluteUri);
        Assert.Equal("https://api.example.org/v1/chat/completions", (judge with { Url = "https://api.example.org/v1/chat/completions" }).Address().AbsoluteUri);
        judge.Check();
        Assert.Contains("no web address", Fault(judge with { Url = "api.example.org" }), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", Fault(judge with { Url = "https://me:hunter2@api.example.org" }), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", Fault(judge with { Url = "https://api.example.org/v1?key=hunter2" }), StringComparison.Ordinal);
        Assert.Contains("LLMRL_TEST_NO_KEY is not set", Fault(judge with { ApiKeyEnv = "LLMRL_TEST_NO_KEY" }), StringComparison.Ordinal);
        Assert.Contains("known_verdicts", Fault(judge with { KnownVerdicts = "nowhere.jsonl" }), StringComparison.Ordinal);
        Assert.All(new[] { "../x.jsonl", "/x.jsonl", "a/b.jsonl", ".x.jsonl", "x.txt", "", "metrics.jsonl" }, cache => Assert.NotEmpty((judge with { Cache = cache }).Validate()));
        Assert.Empty(judge.Validate());

        static string Fault(HttpJudge judge) => Assert.Throws<BadInputException>(judge.Check).Message;
    }
}
