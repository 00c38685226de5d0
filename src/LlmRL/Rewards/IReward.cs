using LlmRL.Data;
using LlmRL.Rollouts;
using LlmRL.Tokenization;

namespace LlmRL.Rewards;

/// <summary>Something that a recipe can put under <c>reward</c>: a <see cref="IReward"/>, an <see cref="ITokenReward"/>, an <see cref="IBatchReward"/>, a <see cref="LearnedReward"/>, or a <see cref="WeightedReward"/> of several.</summary>
public interface IRewardSource
{
    /// <summary>Names of the stages or folders whose models it reads.</summary>
    IEnumerable<string> Models => [];

    /// <summary>Looks, before anything is trained, for what would stop it later.</summary>
    /// <exception cref="BadInputException">A fault that the user can correct.</exception>
    void Check()
    {
    }
}

/// <summary>Scores completions by their text. A higher score is better; implementations say their range.</summary>
public interface IReward : IRewardSource, IJudge
{
    /// <summary>The name under which the score is logged: <c>rewards/NAME/mean</c>.</summary>
    string Name { get; }

    /// <summary>
    /// The score of one completion's text (special tokens removed), NaN where the reward does not apply to the row: it is left out of the sum then. Safe to call
    /// from several threads, never throws for any text.
    /// </summary>
    double Score(Example example, string completion);

    /// <summary>The score of a sampled completion: by its text, unless the reward looks at its tokens.</summary>
    double Score(Trajectory trajectory) => Score(trajectory.Example, trajectory.Text);
}

/// <summary>Rewards the single tokens of a completion; their sum is part of its score. Algorithms with reward-to-go credit each token with what follows it.</summary>
public interface ITokenReward : IRewardSource
{
    /// <summary>The name under which the sum is logged: <c>rewards/NAME/mean</c>.</summary>
    string Name { get; }

    /// <summary>The reward of each token. Safe to call from several threads, never throws for any completion.</summary>
    /// <param name="example">The row of the data set.</param>
    /// <param name="completion">The completion; its last token is the stop token unless the length limit cut it.</param>
    /// <param name="tokenizer">Text ↔ ids.</param>
    /// <param name="rewards">Receives r_t (T), one per token of the completion.</param>
    void Score(Example example, Completion completion, Tokenizer tokenizer, Span<double> rewards);
}
