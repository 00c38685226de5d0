using System.Net;
using System.Net.Http.Headers;

namespace LlmRL.Rewards;

/// <summary>Talks to a reward server: tries, waits, and what becomes of a server that keeps failing.</summary>
internal sealed class HttpRewardClient : IBatchScorer
{
    private const int MostRedirects = 3;
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(10);

    private readonly HttpReward settings;
    private readonly TimeProvider time;
    private readonly ulong key;
    private readonly Uri address;
    private readonly HttpClient client;
    private readonly SemaphoreSlim places;
    private long requests;

    public HttpRewardClient(HttpReward settings, TimeProvider time, ulong key)
    {
        (this.settings, this.time, this.key) = (settings, time, key);
        settings.Check();
        address = settings.Address();
        places = new SemaphoreSlim(settings.MaxParallel);
        // Redirects are followed here, so that prompts and secrets go to no other host. A cookie would make requests depend on each other.
        client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            // Each try has its own limit.
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    /// <inheritdoc/>
    public int BatchSize => settings.BatchSize;

    /// <summary>The address as messages show it: a query may hold a secret.</summary>
    private string Server => address.GetLeftPart(UriPartial.Path);

    /// <inheritdoc/>
    public async Task<BatchScores> ScoreAsync(IReadOnlyList<RewardInput> completions, CancellationToken cancellation)
    {
        var body = RewardProtocol.Request(completions);
        await places.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await TryAsync(body, completions.Count, (ulong)Interlocked.Increment(ref requests), cancellation).ConfigureAwait(false);
        }
        finally
        {
            places.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        client.Dispose();
        places.Dispose();
    }

    private async Task<BatchScores> TryAsync(byte[] body, int count, ulong request, CancellationToken cancellation)
    {
        for (var attempt = 0; ; attempt++)
        {
            string problem;
            TimeSpan? asked = null;
            using (var limit = new CancellationTokenSource(TimeSpan.FromSeconds(settings.Timeout), time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token))
            {
                try
                {
                    return new BatchScores(RewardProtocol.Scores(await PostAsync(body, either.Token).ConfigureAwait(false), count, Server));
                }
                catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
                {
                    problem = $"no reply within {settings.Timeout} s";
                }
                catch (RetryableException fault)
                {
                    (problem, asked) = (fault.Message, fault.RetryAfter);
                }
                catch (HttpRequestException fault) when (fault.HttpRequestError == HttpRequestError.SecureConnectionError)
                {
                    throw new RewardFailedException($"{Server}: no secure connection ({Reason(fault)}). The server's certificate must be valid for its name and trusted on this machine.", fault);
                }
                catch (Exception fault) when (fault is HttpRequestException or IOException and not RewardFailedException)
                {
                    problem = Reason(fault);
                }
            }

            if (attempt == settings.Retries)
                return GiveUp(problem, count);
            await Task.Delay(Wait(request, attempt, asked), time, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>min(longest, backoff · 2^attempt) · (1 − u/2), u uniform; at least what the server asked for.</summary>
    private TimeSpan Wait(ulong request, int attempt, TimeSpan? asked)
    {
        var seconds = Math.Min(settings.MaxBackoff, settings.Backoff * Math.Pow(2, Math.Min(attempt, 60)));
        var wait = TimeSpan.FromSeconds(seconds * (1 - 0.5 * CounterRandom.Uniform(key, request, (ulong)attempt)));
        return asked is { } least && least > wait ? (least < LongestRetryAfter ? least : LongestRetryAfter) : wait;
    }

    private BatchScores GiveUp(string problem, int count)
    {
        var failure = $"{Server}: the reward server failed {(settings.Retries == 0 ? "once" : $"{settings.Retries + 1} times in a row")}, last: {problem}";
        if (settings.OnFailure == RewardFailure.Stop)
            throw new RewardFailedException($"{failure}. See that it runs and is not overloaded; timeout, retries and backoff give it more time, and on_failure: score or drop would go on without it.");
        var scores = new double[count];
        Array.Fill(scores, settings.FailureScore ?? double.NaN);
        return new BatchScores(scores, failure, Dropped: settings.OnFailure == RewardFailure.Drop);
    }

    /// <summary>One try: the body of a reply with status 200, redirects on the same host followed.</summary>
    private async Task<byte[]> PostAsync(byte[] body, CancellationToken cancellation)
    {
        var target = address;
        for (var redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            settings.AddHeaders(request);
            using var reply = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (reply.StatusCode is HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect && redirects < MostRedirects)
            {
                target = SameHost(target, reply.Headers.Location);
                continue;
            }

            var content = await ReadAsync(reply, cancellation).ConfigureAwait(false);
            if (reply.IsSuccessStatusCode)
                return content;
            var status = $"status {(int)reply.StatusCode} {reply.ReasonPhrase}: {RewardProtocol.Excerpt(content)}";
            if (reply.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)reply.StatusCode >= 500)
                throw new RetryableException(status, RetryAfter(reply));
            throw new RewardFailedException($"{Server}: {status}. The server is there but refuses the request; look at url and headers, and at what the server expects.");
        }
    }

    private Uri SameHost(Uri from, Uri? location)
    {
        var target = location is null ? null : new Uri(from, location);
        return target is not null && target.Scheme == from.Scheme && target.Authority == from.Authority ? target
            : throw new RewardFailedException($"{Server}: the server redirects to {target?.GetLeftPart(UriPartial.Path) ?? "nowhere"}, which is another host. If it is the right one, name it under url.");
    }

    private TimeSpan? RetryAfter(HttpResponseMessage reply) => reply.Headers.RetryAfter is not { } asked ? null : asked.Delta ?? asked.Date - time.GetUtcNow();

    private async Task<byte[]> ReadAsync(HttpResponseMessage reply, CancellationToken cancellation)
    {
        using var content = new MemoryStream();
        using var stream = await reply.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        var part = new byte[1 << 13];
        for (int read; (read = await stream.ReadAsync(part, cancellation).ConfigureAwait(false)) > 0;)
        {
            content.Write(part, 0, read);
            if (content.Length > settings.MaxReplyBytes)
                throw new RewardFailedException($"{Server}: the reply has more than {settings.MaxReplyBytes} bytes, but a list of scores is short. If it is right, raise max_reply_bytes.");
        }

        return content.ToArray();
    }

    /// <summary>The innermost reason: that of the socket, say, where the outer ones only repeat that something failed.</summary>
    private static string Reason(Exception fault)
    {
        var inner = fault.GetBaseException().Message.TrimEnd('.');
        return fault.Message.Contains(inner, StringComparison.Ordinal) ? fault.Message.TrimEnd('.') : $"{fault.Message.TrimEnd('.')} ({inner})";
    }

    private sealed class RetryableException(string message, TimeSpan? retryAfter) : Exception(message)
    {
        public TimeSpan? RetryAfter => retryAfter;
    }
}
