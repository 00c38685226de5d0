namespace LlmRL.Rewards;

/// <summary>Talks to a reward server, and decides what becomes of one that keeps failing.</summary>
internal sealed class HttpRewardClient : IBatchScorer
{
    private readonly HttpReward settings;
    private readonly HttpPost server;

    public HttpRewardClient(HttpReward settings, TimeProvider time, ulong key)
    {
        this.settings = settings;
        settings.Check();
        server = new HttpPost(new HttpPostSettings
        {
            Address = settings.Address(),
            AddHeaders = settings.AddHeaders,
            MaxParallel = settings.MaxParallel,
            Timeout = settings.Timeout,
            Retries = settings.Retries,
            Backoff = settings.Backoff,
            MaxBackoff = settings.MaxBackoff,
            MaxReplyBytes = settings.MaxReplyBytes,
        }, time, key);
    }

    /// <inheritdoc/>
    public int BatchSize => settings.BatchSize;

    /// <inheritdoc/>
    public async Task<BatchScores> ScoreAsync(IReadOnlyList<RewardInput> completions, CancellationToken cancellation)
    {
        try
        {
            return await server.PostAsync(RewardProtocol.Request(completions), reply => new BatchScores(RewardProtocol.Scores(reply, completions.Count, server.Server)), cancellation)
                .ConfigureAwait(false);
        }
        catch (TriesFailedException fault)
        {
            return GiveUp(fault.Message, completions.Count);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => server.Dispose();

    private BatchScores GiveUp(string problem, int count)
    {
        var failure = $"{server.Server}: the reward server failed {(settings.Retries == 0 ? "once" : $"{settings.Retries + 1} times in a row")}, last: {problem}";
        if (settings.OnFailure == RewardFailure.Stop)
            throw new RewardFailedException($"{failure}. See that it runs and is not overloaded; timeout, retries and backoff give it more time, and on_failure: score or drop would go on without it.");
        var scores = new double[count];
        Array.Fill(scores, settings.FailureScore ?? double.NaN);
        return new BatchScores(scores, failure, Dropped: settings.OnFailure == RewardFailure.Drop);
    }
}
