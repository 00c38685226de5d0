using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>What becomes of a run whose reward server keeps failing.</summary>
public enum RewardFailure
{
    /// <summary>The run stops with a checkpoint of the completed steps.</summary>
    Stop,

    /// <summary>The completions get <see cref="HttpReward.FailureScore"/>.</summary>
    Score,

    /// <summary>The completions leave the step's batch, with the others of their prompts: an algorithm that compares a group sees whole groups only.</summary>
    Drop,
}

/// <summary>
/// Scores by a server of your own, over HTTP. Completions are sent in batches as they finish sampling, so that scoring and sampling overlap.
/// <para>Request: <c>POST</c> of one JSON object with lists of one length, one entry per completion:
/// <c>{"query": [prompt + completion], "prompts": […], "completions": […], "labels": [the row's answer, else its reference completion, else null],
/// "columns": {NAME: [the row's other columns as text, or null]}}</c>.</para>
/// <para>Reply: status 200 with a JSON list of as many numbers, <c>[0.5, 1]</c>, or an object that has it under <c>rewards</c>, <c>{"rewards": [0.5, 1]}</c>;
/// anything else in the object is ignored. <c>null</c>: the reward does not apply to that completion. So a server for OpenRLHF's <c>remote_rm_url</c> (which reads <c>query</c>)
/// works as it is, and a TRL reward function needs only <c>f(prompts=…, completions=…, **columns)</c> around it.</para>
/// <para>Time-outs, broken connections, statuses 408, 429 and 5xx are tried again, after waits that double (a reply's <c>Retry-After</c> counts);
/// when all tries fail, <see cref="OnFailure"/> decides. Another status, or a reply of another form, is a mistake in the set-up that waiting cannot mend: the run stops at once.</para>
/// <para>TLS certificates are verified. A redirect (307, 308) is followed on the same host only. <c>http_proxy</c>, <c>https_proxy</c> and <c>no_proxy</c> count.</para>
/// </summary>
[Variant("http")]
public sealed partial record HttpReward : IBatchReward, IValidated
{
    /// <summary>Where to post to, <c>http://</c> or <c>https://</c>. <c>$NAME</c> in it stands for the environment variable NAME.</summary>
    public required string Url { get; init; }

    /// <summary>Headers of each request. <c>$NAME</c> in a value stands for the environment variable NAME, so that secrets need not be in recipes: <c>{ Authorization: Bearer $REWARD_TOKEN }</c>; <c>$$</c> is a dollar sign.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Most completions of one request.</summary>
    [Range(1, 1 << 16)]
    public int BatchSize { get; init; } = 32;

    /// <summary>Most requests at once.</summary>
    [Range(1, 256)]
    public int MaxParallel { get; init; } = 4;

    /// <summary>How long one try may take, in seconds, the reply's body included.</summary>
    [Range(0.01, 86400.0)]
    public double Timeout { get; init; } = 60;

    /// <summary>How often a request is tried again.</summary>
    [Range(0, 1000)]
    public int Retries { get; init; } = 5;

    /// <summary>Wait before the first repetition, in seconds; it doubles each time. A random part of up to a half is taken off, so that requests do not come back all at once.</summary>
    [Range(0.0, 3600.0)]
    public double Backoff { get; init; } = 1;

    /// <summary>Longest wait, in seconds.</summary>
    [Range(0.0, 86400.0)]
    public double MaxBackoff { get; init; } = 60;

    /// <summary>Largest reply, in bytes.</summary>
    [Range(64, 1 << 30)]
    public int MaxReplyBytes { get; init; } = 1 << 20;

    /// <summary>What a server that keeps failing does to the run.</summary>
    public RewardFailure OnFailure { get; init; } = RewardFailure.Stop;

    /// <summary>The score of completions that could not be scored, with <c>on_failure: score</c>.</summary>
    [Range(-1e6, 1e6)]
    public double? FailureScore { get; init; }

    /// <inheritdoc/>
    string IBatchReward.Name => "http";

    /// <inheritdoc/>
    public IBatchScorer Open(TimeProvider time, ulong key) => new HttpRewardClient(this, time, key);

    /// <inheritdoc/>
    public void Check()
    {
        _ = Address();
        using var request = new HttpRequestMessage();
        AddHeaders(request);
    }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (OnFailure == RewardFailure.Score && FailureScore is null)
            yield return (nameof(FailureScore), "on_failure: score needs the score to give; add failure_score: 0");
        if (OnFailure != RewardFailure.Score && FailureScore is not null)
            yield return (nameof(FailureScore), "it counts with on_failure: score only; set that, or take failure_score out");
    }

    /// <summary>Where to post to, with environment variables filled in.</summary>
    internal Uri Address()
    {
        // The text as the recipe has it: what the variables hold may be secret.
        if (!Uri.TryCreate(Fill(Url, "url"), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new BadInputException($"url: '{Url}' is no web address. Write it like http://localhost:5000/get_reward");
        if (address.UserInfo.Length > 0)
            throw new BadInputException("url: it holds a name or password, which would be logged. Give them as headers: { Authorization: Basic $REWARD_LOGIN }");
        return address;
    }

    /// <summary>Adds the headers to a request, with environment variables filled in.</summary>
    internal void AddHeaders(HttpRequestMessage request)
    {
        foreach (var (name, value) in Headers)
        {
            bool added;
            try
            {
                added = request.Headers.TryAddWithoutValidation(name, Fill(value, $"headers.{name}")) && !Fill(value, "").AsSpan().ContainsAny('\r', '\n');
            }
            catch (FormatException)
            {
                added = false;
            }

            if (!added)
                throw new BadInputException($"headers: '{name}' cannot be set, or its value has a line break. The request's own headers, Content-Type among them, are fixed");
        }
    }

    private static string Fill(string text, string key) => Variable().Replace(text, match => match.Value == "$$" ? "$"
        : Environment.GetEnvironmentVariable(match.Groups[1].Value)
            ?? throw new BadInputException($"{key}: the environment variable {match.Groups[1].Value} is not set. Set it before the run, or write $$ for a dollar sign"));

    [GeneratedRegex(@"\$(?:\$|([A-Za-z_][A-Za-z0-9_]*))")]
    private static partial Regex Variable();
}
