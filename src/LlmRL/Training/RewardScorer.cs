using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Rollouts;

namespace LlmRL.Training;

/// <summary>
/// Scores trajectories by one or several rewards. Rewards of the text run on worker threads while others are still being sampled, and servers are asked in
/// batches meanwhile; reward models run over the whole rollout once it is there.
/// </summary>
public sealed class RewardScorer : IDisposable
{
    private readonly IRewardSource source;
    private readonly StageContext context;
    private readonly Dictionary<RewardTerm, Transformer> models = [];
    private readonly int microBatchTokens;
    private bool warned;

    /// <summary>Prepares scoring.</summary>
    /// <param name="source">What the recipe asks for.</param>
    /// <param name="context">Where models come from.</param>
    /// <param name="microBatchTokens">Most tokens that go through a reward model at once.</param>
    public RewardScorer(IRewardSource source, StageContext context, int microBatchTokens)
    {
        (this.source, this.context, this.microBatchTokens) = (source, context, microBatchTokens);
        Terms = RewardTerm.Flatten(source);
        foreach (var term in Terms)
        {
            if (term.Reward is LearnedReward learned)
                models.Add(term, context.LoadModel(learned.Model, scalarHead: true, trainable: false));
            else if (term.Reward is IBatchReward batch)
                Servers.Add(term, batch.Open(context.Run.Time, context.Key($"reward {term.Name}")));
        }
    }

    /// <summary>The rewards, in the order of the recipe.</summary>
    internal IReadOnlyList<RewardTerm> Terms { get; }

    /// <summary>The working halves of batch rewards.</summary>
    internal Dictionary<RewardTerm, IBatchScorer> Servers { get; } = [];

    /// <summary>Starts scoring a rollout.</summary>
    public PendingRewards Begin() => new(this, context.Tokenizer, context.Cancellation);

    /// <summary>Whether all completions of a group have the same rewards, as far as the algorithm can tell: they teach nothing.</summary>
    public bool IsFlat(IReadOnlyList<Trajectory> group)
    {
        // Rewards that are normalised one by one may differ where their plain sums agree.
        var each = source is WeightedReward { Normalize: RewardNormalization.Before };
        return group.All(trajectory => trajectory.Score.Equals(group[0].Score)
            && (!each || Terms.All(term => trajectory.Rewards[term.Name].Equals(group[0].Rewards[term.Name]))));
    }

    /// <summary>Brings the scores of a step to one scale where the recipe asks for it; see <see cref="RewardNormalizer"/>.</summary>
    /// <param name="rollout">The step's completions, scored.</param>
    /// <param name="state">The stage's numbers: running statistics are kept there.</param>
    public void Normalize(Rollout rollout, IDictionary<string, double> state)
    {
        if (source is WeightedReward { Normalize: not RewardNormalization.None } sum)
            RewardNormalizer.Normalize(rollout, sum, Terms, state);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var model in models.Values)
            model.Dispose();
        foreach (var server in Servers.Values)
            server.Dispose();
    }

    /// <summary>Says, the first time, that completions could not be scored.</summary>
    internal void Warn(string failure)
    {
        if (!warned)
            context.Run.Console.Warn($"{context.Stage.Name}: {failure}. The run goes on, as on_failure says; further failures are counted in the metrics only.");
        warned = true;
    }

    /// <summary>The scores of one reward model.</summary>
    /// <param name="term">The model's term.</param>
    /// <param name="trajectories">What to score.</param>
    /// <param name="store">Receives each score.</param>
    internal void ScoreByModel(RewardTerm term, IReadOnlyList<Trajectory> trajectories, Action<Trajectory, double> store)
    {
        if (!models.TryGetValue(term, out var model))
            return;
        foreach (var (trajectory, score) in trajectories.Zip(RewardModel.ScoresOf(model, [.. trajectories.Select(trajectory => trajectory.AllTokens())], [.. trajectories.Select(trajectory => trajectory.Prompt)], microBatchTokens)))
            store(trajectory, score);
    }
}
