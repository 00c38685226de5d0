using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using LlmRL.Data;
using LlmRL.Rewards;

namespace LlmRL.Tests.Rewards;

public sealed class HttpRewardTests
{
    private static readonly RewardInput[] Two =
    [
        new(new Example { Prompt = "Q: 1+1\nA:", Answer = "2", Fields = new Dictionary<string, string> { ["level"] = "easy" } }, " 2"),
        new(new Example { Prompt = "Say ö: ", Completion = "ö" }, "ö\ud83d"),
    ];

    [Fact]
    public async Task A_request_holds_prompts_completions_answers_and_columns()
    {
        using var server = new FaultyServer((_, _) => new Reply("{\"rewards\": [0.5, null], \"extra_logs\": {}}"));
        var scores = await Score(new HttpReward { Url = server.Url });
        Assert.Equal([0.5, double.NaN], scores.Scores);
        Assert.Null(scores.Failure);
        var body = Assert.Single(server.Requests).Body;
        Assert.Equal("""{"query":["Q: 1+1\nA: 2","Say ö: ö�"],"prompts":["Q: 1+1\nA:","Say ö: "],"completions":[" 2","ö�"],"labels":["2","ö"],"columns":{"level":["easy",null]}}""", body.GetRawText());
    }

    [Fact]
    public async Task Headers_and_the_address_take_environment_variables()
    {
        using var server = new FaultyServer((_, _) => new Reply("[1, 2]"));
        Environment.SetEnvironmentVariable("LLMRL_TEST_TOKEN", "s3cret");
        Environment.SetEnvironmentVariable("LLMRL_TEST_URL", server.Url);
        await Score(new HttpReward { Url = "$LLMRL_TEST_URL", Headers = new Dictionary<string, string> { ["Authorization"] = "Bearer $LLMRL_TEST_TOKEN", ["X-Price"] = "$$5" } });
        Assert.Contains("Authorization: Bearer s3cret\r\n", server.Requests[0].Head, StringComparison.Ordinal);
        Assert.Contains("X-Price: $5\r\n", server.Requests[0].Head, StringComparison.Ordinal);
        var missing = new HttpReward { Url = server.Url, Headers = new Dictionary<string, string> { ["A"] = "$LLMRL_TEST_MISSING" } };
        Assert.Contains("LLMRL_TEST_MISSING is not set", Assert.Throws<BadInputException>(missing.Check).Message, StringComparison.Ordinal);
        Assert.Throws<BadInputException>(new HttpReward { Url = "localhost:5000" }.Check);
        Assert.DoesNotContain("hunter2", Assert.Throws<BadInputException>(new HttpReward { Url = "http://me:hunter2@localhost" }.Check).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Passing_faults_are_tried_again()
    {
        using var server = new FaultyServer((number, request) => number switch
        {
            0 => new Reply("down", "500 Internal Server Error"),
            1 => Reply.Closed,
            2 => new Reply("", "429 Too Many Requests"),
            3 => new Reply("[9, 9]") { Delay = TimeSpan.FromSeconds(5) },
            _ => FaultyServer.Scores(request, text => text.Length),
        });
        var scores = await Score(new HttpReward { Url = server.Url, Backoff = 0.01, Timeout = 0.5 });
        Assert.Equal([2.0, 2.0], scores.Scores);
        Assert.Equal(5, server.Requests.Count);
    }

    [Fact]
    public async Task The_server_says_how_long_to_wait()
    {
        using var server = new FaultyServer((number, _) => number == 0 ? new Reply("", "503 Busy") { Headers = "Retry-After: 1\r\n" } : new Reply("[1, 1]"));
        var clock = Stopwatch.StartNew();
        await Score(new HttpReward { Url = server.Url, Backoff = 0 });
        Assert.True(clock.Elapsed > TimeSpan.FromSeconds(0.9), $"{clock.Elapsed}");
    }

    [Theory]
    [InlineData("<html>garbage</html>", "200 OK", "no JSON")]
    [InlineData("[NaN, 1]", "200 OK", "no JSON")]
    [InlineData("[\"1\", 1]", "200 OK", "has \"1\" as reward 1")]
    [InlineData("[1, 1e999]", "200 OK", "has 1e999 as reward 2")]
    [InlineData("[1]", "200 OK", "has 1 rewards for 2 completions")]
    [InlineData("{\"scores\": [1, 1]}", "200 OK", "object without rewards")]
    [InlineData("3", "200 OK", "holds no list")]
    [InlineData("", "200 OK", "(nothing)")]
    [InlineData("LONG", "200 OK", "more than 1000 bytes")]
    [InlineData("no key", "401 Unauthorized", "status 401 Unauthorized: no key")]
    [InlineData("", "302 Found", "status 302")]
    public async Task A_wrong_reply_is_one_clear_message_at_once(string body, string status, string expected)
    {
        using var server = new FaultyServer((_, _) => new Reply(body.Replace("LONG", new string('1', 2000), StringComparison.Ordinal), status));
        // Even where failures are to be survived: waiting does not mend it.
        var reward = new HttpReward { Url = server.Url, MaxReplyBytes = 1000, OnFailure = RewardFailure.Drop };
        var fault = await Assert.ThrowsAsync<RewardFailedException>(() => Score(reward));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.StartsWith(server.Url, fault.Message, StringComparison.Ordinal);
        Assert.Single(server.Requests);
    }

    [Theory]
    [InlineData("http://127.0.0.1:9/elsewhere", true)]
    [InlineData("/score/", false)]
    public async Task A_redirect_stays_on_the_host(string target, bool refused)
    {
        using var server = new FaultyServer((number, _) => number == 0 ? new Reply("", "307 Temporary Redirect") { Headers = $"Location: {target}\r\n" } : new Reply("[1, 2]"));
        var reward = new HttpReward { Url = server.Url };
        if (refused)
            Assert.Contains("another host", (await Assert.ThrowsAsync<RewardFailedException>(() => Score(reward))).Message, StringComparison.Ordinal);
        else
            Assert.Equal(2, (await Score(reward)).Scores[1]);
        Assert.Equal(refused ? 1 : 2, server.Requests.Count);
    }

    [Fact]
    public async Task A_certificate_that_nobody_trusts_ends_it_before_anything_is_sent()
    {
        using var key = System.Security.Cryptography.ECDsa.Create();
        var made = new CertificateRequest("CN=127.0.0.1", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        using var certificate = made.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(1000));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var received = Serve();
        var reward = new HttpReward { Url = $"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/score", OnFailure = RewardFailure.Drop };
        var fault = await Assert.ThrowsAsync<RewardFailedException>(() => Score(reward));
        Assert.Contains("no secure connection", fault.Message, StringComparison.Ordinal);
        Assert.Contains("trusted on this machine", fault.Message, StringComparison.Ordinal);
        Assert.Equal(0, await received);

        async Task<int> Serve()
        {
            using var client = await listener.AcceptTcpClientAsync();
            using var secure = new SslStream(client.GetStream());
            try
            {
                await secure.AuthenticateAsServerAsync(certificate);
                return await secure.ReadAsync(new byte[100]);
            }
            catch (Exception end) when (end is IOException or System.Security.Authentication.AuthenticationException)
            {
                return 0;
            }
        }
    }

    [Fact]
    public async Task A_reply_without_an_end_is_cut_at_the_limit()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var sent = Serve();
        var reward = new HttpReward { Url = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/score", MaxReplyBytes = 10_000 };
        var fault = await Assert.ThrowsAsync<RewardFailedException>(() => Score(reward));
        Assert.Contains("more than 10000 bytes", fault.Message, StringComparison.Ordinal);
        await sent;

        async Task Serve()
        {
            using var client = await listener.AcceptTcpClientAsync();
            using var stream = client.GetStream();
            try
            {
                await stream.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"u8.ToArray());
                while (true)
                    await stream.WriteAsync(new byte[1000]);
            }
            catch (IOException)
            {
                // The client hung up, as it must.
            }
        }
    }

    [Fact]
    public async Task The_recipe_says_what_a_dead_server_does()
    {
        using var server = new FaultyServer((_, _) => new Reply("", "500 No"));
        var reward = new HttpReward { Url = server.Url + "?key=s3cret", Retries = 1, Backoff = 0 };
        var fault = await Assert.ThrowsAsync<RewardFailedException>(() => Score(reward));
        Assert.Contains("failed 2 times in a row, last: status 500 No", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", fault.Message, StringComparison.Ordinal);
        var scored = await Score(reward with { OnFailure = RewardFailure.Score, FailureScore = -0.25 });
        Assert.Equal([-0.25, -0.25], scored.Scores);
        Assert.NotNull(scored.Failure);
        Assert.False(scored.Dropped);
        var dropped = await Score(reward with { OnFailure = RewardFailure.Drop });
        Assert.True(dropped.Dropped);
        Assert.All(dropped.Scores, score => Assert.Equal(double.NaN, score));
    }

    [Fact]
    public async Task Cancelling_ends_the_waiting()
    {
        using var server = new FaultyServer((number, _) => number == 0 ? new Reply("", "500 No") : new Reply("[1, 1]"));
        using var cancel = new CancellationTokenSource(200);
        using var scorer = new HttpReward { Url = server.Url, Backoff = 60 }.Open(TimeProvider.System, 1);
        var clock = Stopwatch.StartNew();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scorer.ScoreAsync(Two, cancel.Token));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"{clock.Elapsed}");
    }

    private static async Task<BatchScores> Score(HttpReward reward)
    {
        using var scorer = reward.Open(TimeProvider.System, 1);
        return await scorer.ScoreAsync(Two, CancellationToken.None);
    }
}
