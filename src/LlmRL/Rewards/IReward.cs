using LlmRL.Data;

namespace LlmRL.Rewards;

/// <summary>Something that a recipe can put under <c>reward</c>: a <see cref="IReward"/>, a <see cref="LearnedReward"/>, or a <see cref="WeightedReward"/> of several.</summary>
public interface IRewardSource
{
    /// <summary>Names of the stages or folders whose models it reads.</summary>
    IEnumerable<string> Models => [];
}

/// <summary>Scores completions by their text. A higher score is better; implementations say their range.</summary>
public interface IReward : IRewardSource
{
    /// <summary>The name under which the score is logged: <c>rewards/NAME/mean</c>.</summary>
    string Name { get; }

    /// <summary>The score of one completion's text (special tokens removed). Safe to call from several threads, never throws for any text.</summary>
    double Score(Example example, string completion);
}
