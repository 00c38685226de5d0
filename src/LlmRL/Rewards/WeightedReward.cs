using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>Whether rewards are brought to one scale, and when.</summary>
public enum RewardNormalization
{
    /// <summary>score_i = Σ_f w_f·r_if: the rewards as they are. GRPO then divides by the sum's deviation itself (TRL's <c>sum_then_normalize</c>).</summary>
    None,

    /// <summary>
    /// score_i = Σ_f w_f·(r_if − mean r_f)/(std r_f + ε): each reward by itself, then the sum, so that none drowns another (GDPO, arXiv 2601.05242). Over groups, with
    /// GRPO's <c>scale_rewards: batch</c>, this is TRL's <c>normalize_then_sum</c>.
    /// </summary>
    Before,

    /// <summary>score_i = (R_i − mean R)/(std R + ε), R_i = Σ_f w_f·r_if: the sum.</summary>
    After,
}

/// <summary>Over which completions means and deviations are taken. ε = 1e-4, deviations divide by n − 1, rewards that do not apply are left out.</summary>
public enum NormalizationScope
{
    /// <summary>The completions of one prompt.</summary>
    Group,

    /// <summary>All completions of the step.</summary>
    Batch,

    /// <summary>All completions of the stage so far, those of the step included; kept in checkpoints.</summary>
    Running,
}

/// <summary>
/// Several rewards, each with a weight: score = Σ w_f·r_f over the rewards that apply to the row, normalised before or after summing where wanted. Each reward is logged by
/// name as it is, before weights and normalisation; <c>reward</c> is the mean of the plain weighted sums in any case. Evaluation reports plain sums.
/// </summary>
[Variant("weighted")]
public sealed record WeightedReward : IRewardSource, IValidated
{
    /// <summary>The rewards.</summary>
    [MinLength(1)]
    public required IReadOnlyList<WeightedTerm> Terms { get; init; }

    /// <summary>Whether rewards are brought to one scale before or after summing.</summary>
    public RewardNormalization Normalize { get; init; } = RewardNormalization.None;

    /// <summary>Over which completions.</summary>
    public NormalizationScope NormalizeOver { get; init; } = NormalizationScope.Group;

    /// <inheritdoc/>
    public IEnumerable<string> Models => Terms.SelectMany(term => term.Reward.Models);

    /// <inheritdoc/>
    public void Check()
    {
        foreach (var term in Terms)
            term.Reward.Check();
    }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Terms.Any(term => term.Reward is WeightedReward { Normalize: not RewardNormalization.None }))
            yield return (nameof(Terms), "a sum within this sum is normalised by itself, which has no meaning; give normalize to the outer sum");
        if (Normalize != RewardNormalization.None && RewardTerm.Flatten(this).Any(term => term.Reward is ITokenReward))
            yield return (nameof(Normalize), "a reward of single tokens cannot be normalised with its sum; leave it out, or set normalize: none");
    }
}

/// <summary>One reward of a weighted sum.</summary>
public sealed record WeightedTerm
{
    /// <summary>The reward.</summary>
    public required IRewardSource Reward { get; init; }

    /// <summary>Its weight.</summary>
    [Range(-1e6, 1e6)]
    public double Weight { get; init; } = 1;

    /// <summary>The name under which it is logged, <c>rewards/NAME/mean</c>; by default that of its kind, numbered where there are several.</summary>
    public string? Name { get; init; }

    /// <summary>The rows that it applies to: columns of the data with the values that they must have. Empty: all rows.</summary>
    public IReadOnlyDictionary<string, string> Where { get; init; } = new Dictionary<string, string>();
}

/// <summary>One reward of a stage as it is computed: a sum's terms, and those of sums within it, stand side by side.</summary>
/// <param name="Name">The name under which it is logged, different for each.</param>
/// <param name="Reward">The reward, no sum.</param>
/// <param name="Weight">The product of the weights on the way to it.</param>
/// <param name="Where">The columns' values that a row must have.</param>
internal sealed record RewardTerm(string Name, IRewardSource Reward, double Weight, IReadOnlyList<KeyValuePair<string, string>> Where)
{
    /// <summary>The terms of whatever a recipe has under <c>reward</c>.</summary>
    public static IReadOnlyList<RewardTerm> Flatten(IRewardSource source)
    {
        var terms = new List<RewardTerm>();
        Add(source, 1, null, []);
        return terms;

        void Add(IRewardSource reward, double weight, string? name, KeyValuePair<string, string>[] where)
        {
            if (reward is WeightedReward sum)
            {
                foreach (var term in sum.Terms)
                    Add(term.Reward, weight * term.Weight, term.Name, [.. where, .. term.Where]);
                return;
            }

            var plain = name ?? NameOf(reward);
            var unique = plain;
            for (var number = 2; terms.Exists(term => term.Name == unique); number++)
                unique = $"{plain}_{number}";
            terms.Add(new RewardTerm(unique, reward, weight, where));
        }
    }

    /// <summary>Whether the reward is meant for a row.</summary>
    public bool AppliesTo(Example example)
    {
        foreach (var (column, value) in Where)
        {
            if (!example.Fields.TryGetValue(column, out var found) || found != value)
                return false;
        }

        return true;
    }

    private static string NameOf(IRewardSource reward) => reward switch
    {
        IReward text => text.Name,
        ITokenReward token => token.Name,
        IBatchReward batch => batch.Name,
        LearnedReward learned => learned.Model,
        _ => throw new InvalidOperationException($"{reward.GetType().Name} is no reward that can be computed"),
    };
}
