using LlmRL.Data;

namespace LlmRL.Rewards;

/// <summary>A reward that scores many completions at once, and may have to wait for it: a server.</summary>
public interface IBatchReward : IRewardSource
{
    /// <summary>The name under which the score is logged: <c>rewards/NAME/mean</c>.</summary>
    string Name { get; }

    /// <summary>Prepares scoring.</summary>
    /// <param name="time">The clock to wait by.</param>
    /// <param name="key">For random numbers, see <see cref="CounterRandom"/>.</param>
    /// <exception cref="BadInputException">A setting that cannot work.</exception>
    IBatchScorer Open(TimeProvider time, ulong key);
}

/// <summary>The working half of an <see cref="IBatchReward"/>. Safe to call from several threads.</summary>
public interface IBatchScorer : IDisposable
{
    /// <summary>Most completions of one call.</summary>
    int BatchSize { get; }

    /// <summary>Scores completions.</summary>
    /// <param name="completions">1 to <see cref="BatchSize"/> completions.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="RewardFailedException">They could not be scored, and the recipe says that the run stops then.</exception>
    Task<BatchScores> ScoreAsync(IReadOnlyList<RewardInput> completions, CancellationToken cancellation);
}

/// <summary>What a batch reward is given of one completion.</summary>
/// <param name="Example">The row of the data set.</param>
/// <param name="Completion">The completion's text, special tokens removed.</param>
public sealed record RewardInput(Example Example, string Completion);

/// <summary>What came of one call.</summary>
/// <param name="Scores">One score per completion, in order; NaN where the reward does not apply.</param>
/// <param name="Failure">Why the completions could not be scored; null where they were.</param>
/// <param name="Dropped">Whether they are to be left out, with what else is known about them.</param>
public sealed record BatchScores(double[] Scores, string? Failure = null, bool Dropped = false);

/// <summary>A reward could not be computed. The run stops with what it has; <c>--resume</c> goes on from there.</summary>
public sealed class RewardFailedException(string message, Exception? inner = null) : IOException(message, inner);
