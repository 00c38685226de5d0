using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;

namespace LlmRL.Evaluation.Judges;

/// <summary>
/// A language model behind an OpenAI-compatible server as the judge of two completions (Zheng et al. 2023, arXiv 2306.05685). Each pair is asked in both orders; where the
/// answers disagree the pair is a tie, so that a judge that prefers a place gives everybody one half.
/// <para>Request: <c>POST URL</c> of <c>{"model", "messages": [{"role": "user", "content": …}], "temperature", "max_tokens"}</c>. Reply: <c>choices[0].message.content</c>, whose
/// last line of the form <c>Preferred: A</c>, <c>B</c> or <c>tie</c> is the verdict.</para>
/// <para>A reply without a verdict is asked for again like a server's failure. A pair that never gets one counts as a tie, and in <c>judge_failures</c>; a server that
/// keeps failing stops the run, and what is known is in the cache. TLS certificates are verified.</para>
/// </summary>
[Variant("http")]
public sealed record HttpJudge : IJudge, IValidated
{
    /// <summary>The server's address: that of its <c>chat/completions</c>, or the one before it, <c>https://api.example.org/v1</c>.</summary>
    public required string Url { get; init; }

    /// <summary>The model that judges, as the server calls it.</summary>
    [MinLength(1)]
    public required string Model { get; init; }

    /// <summary>The environment variable that holds the key, which is sent as <c>Authorization: Bearer</c>; null: none is sent.</summary>
    public string? ApiKeyEnv { get; init; }

    /// <summary>What is asked: <c>tldr</c>, or a text file with <c>{{prompt}}</c>, <c>{{a}}</c> and <c>{{b}}</c> in it, which asks for a line <c>Preferred: A</c>, <c>B</c> or <c>tie</c>.</summary>
    public string Prompt { get; init; } = JudgePrompt.Tldr;

    /// <summary>Whether each pair is asked in both orders.</summary>
    public bool SwapPositions { get; init; } = true;

    /// <summary>The judge's sampling temperature; null leaves it to the server.</summary>
    [Range(0.0, 2.0)]
    public double? Temperature { get; init; } = 0;

    /// <summary>Most tokens of the judge's answer; null leaves it to the server.</summary>
    [Range(1, 1 << 20)]
    public int? MaxTokens { get; init; }

    /// <summary>Seconds that one try may take.</summary>
    [Range(0.01, 86400.0)]
    public double Timeout { get; init; } = 60;

    /// <summary>How often a question is asked again.</summary>
    [Range(0, 1000)]
    public int MaxRetries { get; init; } = 5;

    /// <summary>Seconds before the first repetition; doubles each time, up to a minute.</summary>
    [Range(0.0, 3600.0)]
    public double Backoff { get; init; } = 1;

    /// <summary>Most questions at once.</summary>
    [Range(1, 256)]
    public int Concurrency { get; init; } = 4;

    /// <summary>Largest reply, in bytes.</summary>
    [Range(64, 1 << 30)]
    public int MaxReplyBytes { get; init; } = 1 << 20;

    /// <summary>Name of the file in the run's folder that keeps every verdict, so that none is asked for twice.</summary>
    public string Cache { get; init; } = "judgements.jsonl";

    /// <summary>Another run's cache, which is read only; null: none.</summary>
    public string? KnownVerdicts { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        // A recipe's names must not lead out of the run's folder.
        if (Cache.Length == 0 || Cache[0] == '.' || !Cache.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.') || !Cache.EndsWith(".jsonl", StringComparison.Ordinal))
            yield return (nameof(Cache), $"'{Cache}' is no name for a file in the run's folder; use letters, digits, - and _, and end it in .jsonl. Another run's cache goes under known_verdicts");
        else if (Cache is "metrics.jsonl" or "timings.jsonl" or "samples.jsonl")
            yield return (nameof(Cache), $"'{Cache}' is one of the run's own files; take another name");
    }

    /// <summary>Looks, before anything is trained, for what would stop it later.</summary>
    /// <exception cref="BadInputException">A fault that the user can correct.</exception>
    public void Check()
    {
        _ = Address();
        _ = Key();
        _ = JudgePrompt.Load(Prompt);
        if (KnownVerdicts is { } file && !File.Exists(ProgramPaths.Resolve(file)))
            throw new BadInputException($"known_verdicts: {file}: no such file. Name another run's {Cache}, or leave it out.");
    }

    /// <summary>Where to post to.</summary>
    internal Uri Address()
    {
        const string Endpoint = "/chat/completions";
        if (!Uri.TryCreate(Url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new BadInputException($"url: '{Url}' is no web address. Write it like https://api.example.org/v1");
        if (address.UserInfo.Length > 0 || address.Query.Length > 0)
            throw new BadInputException("url: it holds a name, password or query, which may be secret. Name the environment variable with the key under api_key_env");
        return address.AbsolutePath.EndsWith(Endpoint, StringComparison.Ordinal) ? address : new Uri(address.GetLeftPart(UriPartial.Path).TrimEnd('/') + Endpoint);
    }

    /// <summary>The key; empty where none is sent.</summary>
    internal string Key()
    {
        if (ApiKeyEnv is null)
            return "";
        var key = Environment.GetEnvironmentVariable(ApiKeyEnv);
        if (string.IsNullOrWhiteSpace(key))
            throw new BadInputException($"api_key_env: the environment variable {ApiKeyEnv} is not set. Set it to the key before the run, or leave api_key_env out");
        return key.Any(char.IsControl) ? throw new BadInputException($"api_key_env: the key in {ApiKeyEnv} has a line break or another control character. Set it again without") : key;
    }
}
