using LlmRL.Data;

namespace LlmRL.Rewards;

/// <summary>Σ_k w_k · r_k of several rewards.</summary>
public sealed class WeightedSum : IReward
{
    private readonly (IReward Reward, double Weight)[] terms;

    /// <summary>Creates the sum.</summary>
    /// <param name="terms">Each reward with its weight.</param>
    public WeightedSum(IEnumerable<(IReward Reward, double Weight)> terms)
    {
        this.terms = [.. terms];
        if (this.terms.Length == 0)
            throw new BadInputException("rewards: the list is empty. Name at least one reward.");
        if (this.terms.FirstOrDefault(term => !double.IsFinite(term.Weight)) is { Reward: { } broken })
            throw new BadInputException($"rewards: the weight of {broken.Name} is not a finite number.");
        Name = string.Join('+', this.terms.Select(term => term.Reward.Name));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The rewards in the sum, in order.</summary>
    public IReadOnlyList<IReward> Rewards => [.. terms.Select(term => term.Reward)];

    /// <inheritdoc/>
    public double Score(Example example, string completion) => terms.Sum(term => term.Weight * term.Reward.Score(example, completion));

    /// <summary>Each reward's own score, unweighted, for the log.</summary>
    public double[] Scores(Example example, string completion) => [.. terms.Select(term => term.Reward.Score(example, completion))];
}
