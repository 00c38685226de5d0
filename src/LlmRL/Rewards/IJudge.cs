namespace LlmRL.Rewards;

/// <summary>
/// Something that a recipe can put under <c>judge</c> of an evaluate stage, which says the better of two completions: a <see cref="IReward"/> or a
/// <see cref="LearnedReward"/>, by their scores, or a <see cref="Evaluation.Judges.HttpJudge"/>, which sees both.
/// </summary>
public interface IJudge;
