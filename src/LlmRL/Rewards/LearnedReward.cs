using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>
/// The score of a trained reward model, read at the completion's last token (EOS where there is one), shifted so that demonstrations average 0 where the
/// model was centred on them. In the units of the Bradley–Terry model: a difference of 1 means odds of e.
/// </summary>
[Variant("reward_model")]
public sealed record LearnedReward : IRewardSource
{
    /// <summary>The stage that trained it, or a folder with a sequence classifier of one label.</summary>
    public required string Model { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Models => [Model];
}

/// <summary>Several rewards, each with a weight: score = Σ w_i · r_i.</summary>
[Variant("weighted")]
public sealed record WeightedReward : IRewardSource
{
    /// <summary>The rewards.</summary>
    [MinLength(1)]
    public required IReadOnlyList<WeightedTerm> Terms { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Models => Terms.SelectMany(term => term.Reward.Models);
}

/// <summary>One reward of a weighted sum.</summary>
public sealed record WeightedTerm
{
    /// <summary>The reward.</summary>
    public required IRewardSource Reward { get; init; }

    /// <summary>Its weight.</summary>
    [Range(-1e6, 1e6)]
    public double Weight { get; init; } = 1;
}
