using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Tokenization;

namespace LlmRL.Training;

/// <summary>The scoring of one rollout.</summary>
public sealed class PendingRewards : IDisposable
{
    private readonly RewardScorer scorer;
    private readonly Tokenizer tokenizer;
    private readonly CancellationTokenSource stop;
    private readonly List<Task> tasks = [];
    private readonly Dictionary<Trajectory, Slot> slots = [];
    private readonly Dictionary<int, List<Slot>> waiting = [];
    private readonly bool hasLocal;

    internal PendingRewards(RewardScorer scorer, Tokenizer tokenizer, CancellationToken cancellation)
    {
        (this.scorer, this.tokenizer) = (scorer, tokenizer);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        for (var f = 0; f < scorer.Terms.Count; f++)
        {
            if (scorer.Terms[f].Reward is IBatchReward)
                waiting[f] = [];
            hasLocal |= scorer.Terms[f].Reward is IReward or ITokenReward;
        }
    }

    /// <summary>A trajectory is done: its text rewards start now, and full batches are sent.</summary>
    public void Add(Trajectory trajectory)
    {
        var slot = new Slot(trajectory, scorer.Terms.Count);
        slots.Add(trajectory, slot);
        if (hasLocal)
            tasks.Add(Task.Run(() => ScoreHere(slot)));
        foreach (var (f, batch) in waiting)
        {
            if (!scorer.Terms[f].AppliesTo(trajectory.Example))
                continue;
            batch.Add(slot);
            if (batch.Count == scorer.Servers[scorer.Terms[f]].BatchSize)
                Send(f, batch);
        }
    }

    /// <summary>Waits for the rewards on their way, adds those of reward models, and sums them up. A fault on a worker thread comes out here.</summary>
    public void Complete(Rollout rollout)
    {
        foreach (var (f, batch) in waiting)
        {
            if (batch.Count > 0)
                Send(f, batch);
        }

        Task.WhenAll(tasks).GetAwaiter().GetResult();
        for (var f = 0; f < scorer.Terms.Count; f++)
        {
            var (term, place) = (scorer.Terms[f], f);
            scorer.ScoreByModel(term, [.. rollout.Trajectories.Where(trajectory => term.AppliesTo(trajectory.Example))],
                (trajectory, score) => slots[trajectory].Scores[place] = score);
        }

        foreach (var trajectory in rollout.Trajectories)
            Sum(slots[trajectory]);
        if (slots.Values.FirstOrDefault(slot => slot.Failures.Count > 0) is { } failed)
            scorer.Warn(failed.Failures.Values.First());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // After a fault in sampling, workers may still write to trajectories that nobody will read, or wait for a server.
        stop.Cancel();
        Task.WhenAll(tasks).ContinueWith(_ => { }, TaskScheduler.Default).Wait();
        stop.Dispose();
    }

    private void Send(int f, List<Slot> batch)
    {
        var sent = batch.ToArray();
        batch.Clear();
        tasks.Add(Task.Run(() => ScoreThere(f, sent)));
    }

    private void ScoreHere(Slot slot)
    {
        var trajectory = slot.Trajectory;
        for (var f = 0; f < scorer.Terms.Count; f++)
        {
            var term = scorer.Terms[f];
            if (!term.AppliesTo(trajectory.Example))
                continue;
            if (term.Reward is IReward reward)
                slot.Scores[f] = reward.Score(trajectory);
            else if (term.Reward is ITokenReward tokenReward)
                slot.Scores[f] = ScoreTokens(tokenReward, term.Weight, slot);
        }
    }

    private double ScoreTokens(ITokenReward reward, double weight, Slot slot)
    {
        var perToken = new double[slot.Trajectory.Length];
        reward.Score(slot.Trajectory.Example, slot.Trajectory.Completion, tokenizer, perToken);
        slot.TokenRewards ??= new double[perToken.Length];
        for (var t = 0; t < perToken.Length; t++)
            slot.TokenRewards[t] += weight * perToken[t];
        return perToken.Sum();
    }

    private async Task ScoreThere(int f, Slot[] batch)
    {
        var term = scorer.Terms[f];
        try
        {
            var result = await scorer.Servers[term].ScoreAsync([.. batch.Select(slot => new RewardInput(slot.Trajectory.Example, slot.Trajectory.Text))], stop.Token).ConfigureAwait(false);
            for (var i = 0; i < batch.Length; i++)
                batch[i].Store(f, term.Name, result.Scores[i], result);
        }
        catch (RewardFailedException)
        {
            // The run ends with this fault; nothing is gained by waiting for the other batches.
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>score = Σ w_f·r_f over the rewards that apply; NaN where none does, or where the recipe has it dropped.</summary>
    private void Sum(Slot slot)
    {
        var trajectory = slot.Trajectory;
        var (sum, applied) = (0.0, false);
        for (var f = 0; f < scorer.Terms.Count; f++)
        {
            var (term, score) = (scorer.Terms[f], slot.Scores[f]);
            trajectory.Rewards[term.Name] = score;
            applied |= !double.IsNaN(score);
            if (!double.IsNaN(score) && term.Reward is not ITokenReward)
                sum += term.Weight * score;
        }

        trajectory.TokenRewards = slot.TokenRewards ?? [];
        trajectory.FailedRewards = [.. slot.Failures.Keys];
        trajectory.Score = applied && !slot.Dropped ? sum + trajectory.TokenRewards.Sum() : double.NaN;
    }

    /// <summary>What is known of one trajectory while its rewards come in from several threads.</summary>
    private sealed class Slot
    {
        public Slot(Trajectory trajectory, int rewards)
        {
            Trajectory = trajectory;
            Scores = new double[rewards];
            Array.Fill(Scores, double.NaN);
        }

        public Trajectory Trajectory { get; }

        /// <summary>One entry per reward, each written by one thread; NaN: does not apply.</summary>
        public double[] Scores { get; }

        public double[]? TokenRewards { get; set; }

        public Dictionary<string, string> Failures { get; } = [];

        public bool Dropped { get; private set; }

        public void Store(int f, string name, double score, BatchScores result)
        {
            Scores[f] = score;
            if (result.Failure is not { } failure)
                return;
            lock (Failures)
            {
                Failures[name] = failure;
                Dropped |= result.Dropped;
            }
        }
    }
}
