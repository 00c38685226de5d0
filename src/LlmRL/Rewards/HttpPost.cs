using System.Net;
using System.Net.Http.Headers;

namespace LlmRL.Rewards;

/// <summary>How a server is asked.</summary>
internal sealed record HttpPostSettings
{
    /// <summary>Where to post to.</summary>
    public required Uri Address { get; init; }

    /// <summary>Adds headers to each request.</summary>
    public Action<HttpRequestMessage> AddHeaders { get; init; } = _ => { };

    /// <summary>A secret that must not be in messages, even where the server says it back; empty for none.</summary>
    public string Secret { get; init; } = "";

    /// <summary>Most requests at once.</summary>
    public required int MaxParallel { get; init; }

    /// <summary>Seconds that one try may take, the reply's body included.</summary>
    public required double Timeout { get; init; }

    /// <summary>How often a request is tried again.</summary>
    public required int Retries { get; init; }

    /// <summary>Seconds before the first repetition; doubles each time.</summary>
    public required double Backoff { get; init; }

    /// <summary>Longest wait in seconds.</summary>
    public required double MaxBackoff { get; init; }

    /// <summary>Largest reply in bytes.</summary>
    public required int MaxReplyBytes { get; init; }
}

/// <summary>A reply that another try may mend.</summary>
/// <param name="problem">What is wrong with it.</param>
internal sealed class BadReplyException(string problem) : Exception(problem);

/// <summary>All tries have failed.</summary>
/// <param name="problem">What the last one failed by.</param>
/// <param name="isBadReply">Whether it was a reply that could not be read: the server is there.</param>
internal sealed class TriesFailedException(string problem, bool isBadReply) : Exception(problem)
{
    /// <summary>Whether the last try ended in a reply that could not be read.</summary>
    public bool IsBadReply => isBadReply;
}

/// <summary>Posts JSON to a server and reads its replies: tries, waits, limits. TLS certificates are verified, and redirects followed on the same host only.</summary>
internal sealed class HttpPost : IDisposable
{
    private const int MostRedirects = 3;
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(10);

    private readonly HttpPostSettings settings;
    private readonly TimeProvider time;
    private readonly ulong key;
    private readonly HttpClient client;
    private readonly SemaphoreSlim places;
    private long requests;

    public HttpPost(HttpPostSettings settings, TimeProvider time, ulong key)
    {
        (this.settings, this.time, this.key) = (settings, time, key);
        places = new SemaphoreSlim(settings.MaxParallel);
        // Redirects are followed here, so that prompts and secrets go to no other host. A cookie would make requests depend on each other.
        client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            // Each try has its own limit.
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The address as messages show it: a query may hold a secret.</summary>
    public string Server => settings.Address.GetLeftPart(UriPartial.Path);

    /// <summary>Posts a body, and again where that failed.</summary>
    /// <param name="body">JSON.</param>
    /// <param name="read">Reads the reply's body; a <see cref="BadReplyException"/> is tried again.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="TriesFailedException">Every try failed.</exception>
    /// <exception cref="RewardFailedException">The server refuses, or cannot be trusted: waiting mends nothing.</exception>
    public async Task<T> PostAsync<T>(byte[] body, Func<byte[], T> read, CancellationToken cancellation)
    {
        await places.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await TryAsync(body, read, (ulong)Interlocked.Increment(ref requests), cancellation).ConfigureAwait(false);
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

    private async Task<T> TryAsync<T>(byte[] body, Func<byte[], T> read, ulong request, CancellationToken cancellation)
    {
        for (var attempt = 0; ; attempt++)
        {
            string problem;
            TimeSpan? asked = null;
            var isBadReply = false;
            using (var limit = new CancellationTokenSource(TimeSpan.FromSeconds(settings.Timeout), time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token))
            {
                try
                {
                    return read(await SendAsync(body, either.Token).ConfigureAwait(false));
                }
                catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
                {
                    problem = $"no reply within {settings.Timeout} s";
                }
                catch (RetryableException fault)
                {
                    (problem, asked) = (fault.Message, fault.RetryAfter);
                }
                catch (BadReplyException fault)
                {
                    (problem, isBadReply) = (Redact(fault.Message), true);
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
                throw new TriesFailedException(problem, isBadReply);
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

    /// <summary>One try: the body of a reply with status 200, redirects on the same host followed.</summary>
    private async Task<byte[]> SendAsync(byte[] body, CancellationToken cancellation)
    {
        var target = settings.Address;
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
            var status = Redact($"status {(int)reply.StatusCode} {reply.ReasonPhrase}: {RewardProtocol.Excerpt(content)}");
            if (reply.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)reply.StatusCode >= 500)
                throw new RetryableException(status, RetryAfter(reply));
            throw new RewardFailedException($"{Server}: {status}. The server is there but refuses the request; look at url and headers, and at what the server expects.");
        }
    }

    private Uri SameHost(Uri from, Uri? location)
    {
        var target = location is null ? null : new Uri(from, location);
        return target is not null && target.Scheme == from.Scheme && target.Authority == from.Authority ? target
            : throw new RewardFailedException($"{Server}: the server redirects to {Redact(target?.GetLeftPart(UriPartial.Path) ?? "nowhere")}, which is another host. If it is the right one, name it under url.");
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
                throw new RewardFailedException($"{Server}: the reply has more than {settings.MaxReplyBytes} bytes, but what is asked for is short. If it is right, raise max_reply_bytes.");
        }

        return content.ToArray();
    }

    private string Redact(string text) => settings.Secret.Length == 0 ? text : text.Replace(settings.Secret, "***", StringComparison.Ordinal);

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
