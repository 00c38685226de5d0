using System.Net.Http.Headers;
using System.Text.Json;
using LlmRL.Recipes;
using LlmRL.Rewards;
using LlmRL.Runs;

namespace LlmRL.Evaluation.Judges;

/// <summary>Asks a judging server about pairs, in both orders, each question once.</summary>
internal sealed class HttpJudgeClient : IPairwiseJudge
{
    private const double LongestWait = 60;

    private readonly HttpJudge settings;
    private readonly string template, secret;
    private readonly HttpPost server;
    private readonly JudgeCache cache;

    public HttpJudgeClient(HttpJudge settings, RunDirectory run, TimeProvider time, ulong key)
    {
        this.settings = settings;
        settings.Check();
        template = JudgePrompt.Load(settings.Prompt);
        secret = settings.Key();
        server = new HttpPost(new HttpPostSettings
        {
            Address = settings.Address(),
            AddHeaders = request => request.Headers.Authorization = secret.Length > 0 ? new AuthenticationHeaderValue("Bearer", secret) : null,
            Secret = secret,
            MaxParallel = settings.Concurrency,
            Timeout = settings.Timeout,
            Retries = settings.MaxRetries,
            Backoff = settings.Backoff,
            MaxBackoff = LongestWait,
            MaxReplyBytes = settings.MaxReplyBytes,
        }, time, key);
        cache = new JudgeCache(Path.Combine(run.Root, settings.Cache), settings.KnownVerdicts is { } known ? ProgramPaths.Resolve(known) : null, settings.Model);
    }

    public bool HasOrders => settings.SwapPositions;

    public IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation)
    {
        var asked = pairs.Select(Questions).ToArray();
        var open = asked.SelectMany(questions => questions).Where(question => cache.Find(question.Key) is null).DistinctBy(question => question.Key);
        AskAsync(open, cancellation).GetAwaiter().GetResult();
        return [.. asked.Select(Decide)];
    }

    public void Dispose()
    {
        server.Dispose();
        cache.Dispose();
    }

    /// <summary>A pair's questions: the candidate first, and where orders are swapped the candidate second. None about equal texts.</summary>
    private Question[] Questions(JudgedPair pair)
    {
        var (candidate, opponent) = (pair.Candidate.Text, pair.Opponent.Text);
        if (candidate.Trim() == opponent.Trim())
            return [];
        var first = Ask(candidate, opponent);
        return settings.SwapPositions ? [first, Ask(opponent, candidate)] : [first];

        Question Ask(string a, string b)
        {
            var text = JudgePrompt.Fill(template, pair.Example.Prompt, a, b);
            return new Question(JudgeCache.Key(settings.Model, settings.Temperature, settings.MaxTokens, text), text);
        }
    }

    private JudgedVerdict Decide(Question[] questions)
    {
        var found = Array.ConvertAll(questions, question => cache.Find(question.Key));
        if (found.Length == 0)
            return new JudgedVerdict(Verdict.Tie);
        if (Array.Exists(found, verdict => verdict is null))
            return new JudgedVerdict(Verdict.Tie, IsFailed: true);
        var first = found[0]!.Value;
        if (found.Length == 1)
            return new JudgedVerdict(first);
        // The second answer is about the opponent.
        var second = Opposite(found[1]!.Value);
        return new JudgedVerdict(WinRate.Swapped(first, second), IsInconsistent: first != second);
    }

    private static Verdict Opposite(Verdict verdict) =>
        verdict switch { Verdict.Win => Verdict.Loss, Verdict.Loss => Verdict.Win, _ => verdict };

    private Task AskAsync(IEnumerable<Question> questions, CancellationToken cancellation) => Parallel.ForEachAsync(
        questions, new ParallelOptions { MaxDegreeOfParallelism = settings.Concurrency, CancellationToken = cancellation }, async (question, token) =>
        {
            try
            {
                var (verdict, reply) = await server.PostAsync(Body(question.Text), Read, token).ConfigureAwait(false);
                cache.Add(question.Key, verdict, secret.Length > 0 ? reply.Replace(secret, "***", StringComparison.Ordinal) : reply);
            }
            catch (TriesFailedException fault) when (!fault.IsBadReply)
            {
                throw new RewardFailedException($"{server.Server}: the judge failed {settings.MaxRetries + 1} times in a row, last: {fault.Message}. See that it runs and is not overloaded; "
                    + $"timeout and max_retries (--judge-timeout, --judge-retries) give it more time. What it has said is in {settings.Cache} of the run's folder, from where the same command goes on.");
            }
            catch (TriesFailedException)
            {
                // The server answers, only not this question: the pair counts as a tie, and as failed.
            }
        });

    private byte[] Body(string question) => JsonSerializer.SerializeToUtf8Bytes(new Request(settings.Model, [new Message("user", question)], settings.Temperature, settings.MaxTokens), Layout);

    private static (Verdict Verdict, string Reply) Read(byte[] reply)
    {
        string? text;
        try
        {
            using var document = JsonDocument.Parse(reply);
            text = document.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new BadReplyException($"the reply is no chat completion. It begins: {RewardProtocol.Excerpt(reply)}");
        }

        return JudgePrompt.Read(text ?? "") is { } verdict ? (verdict, text!) : throw new BadReplyException("the answer has no line 'Preferred: A', 'B' or 'tie'");
    }

    private static JsonSerializerOptions Layout { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private sealed record Question(string Key, string Text);

    private sealed record Message(string Role, string Content);

    private sealed record Request(string Model, Message[] Messages, double? Temperature, int? MaxTokens);
}
