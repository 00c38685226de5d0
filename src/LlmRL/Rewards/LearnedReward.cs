using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>
/// The score of a trained reward model, read at the completion's last token (EOS where there is one), shifted so that demonstrations average 0 where the
/// model was centred on them. In the units of the Bradley–Terry model: a difference of 1 means odds of e.
/// </summary>
[Variant("reward_model")]
public sealed record LearnedReward : IRewardSource, IJudge
{
    /// <summary>The stage that trained it, or a folder with a sequence classifier of one label.</summary>
    public required string Model { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Models => [Model];
}
