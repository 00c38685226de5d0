using LlmRL.Data;

namespace LlmRL.Rewards;

/// <summary>Scores completions. A higher score is better; implementations say their range.</summary>
public interface IReward
{
    /// <summary>The name under which the score is logged: <c>rewards/NAME/mean</c>.</summary>
    string Name { get; }

    /// <summary>The score of one completion's text (special tokens removed). Safe to call from several threads, never throws for any text.</summary>
    double Score(Example example, string completion);
}
