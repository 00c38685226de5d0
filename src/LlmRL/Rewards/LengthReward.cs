using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;

namespace LlmRL.Rewards;

/// <summary>Which lengths a length reward punishes.</summary>
public enum LengthSide
{
    /// <summary>Both those below and those above the target.</summary>
    Both,

    /// <summary>Those above: the target is a limit.</summary>
    Longer,

    /// <summary>Those below: the target is a minimum.</summary>
    Shorter,
}

/// <summary>
/// −max(0, |n − target| − tolerance) / target, not below −1, where n is the completion's length: 0 for a completion of just the wanted length. For a limit in tokens
/// that grows over a range, see <c>soft_overlong_cache</c> of the stage; for one that depends on right and wrong, <see cref="CosineLengthReward"/>.
/// </summary>
[Variant("length")]
public sealed record LengthReward : IReward
{
    /// <summary>The wanted length.</summary>
    [Range(1, 1_000_000)]
    public int Target { get; init; } = 20;

    /// <summary>Lengths within this of the target are as good as the target.</summary>
    [Range(0, 1_000_000)]
    public int Tolerance { get; init; }

    /// <summary>What lengths are counted in.</summary>
    public TextUnit Unit { get; init; } = TextUnit.Words;

    /// <summary>Which lengths cost: both sides of the target, or one.</summary>
    public LengthSide Penalize { get; init; } = LengthSide.Both;

    /// <inheritdoc/>
    string IReward.Name => "length";

    /// <inheritdoc/>
    public double Score(Example example, string completion) => OfLength(TextLength.Of(completion, Unit));

    /// <inheritdoc/>
    public double Score(Trajectory trajectory) => OfLength(TextLength.Of(trajectory, Unit));

    private double OfLength(int length)
    {
        var off = Penalize switch { LengthSide.Longer => length - Target, LengthSide.Shorter => Target - length, _ => Math.Abs(length - Target) };
        return -Math.Min(1, Math.Max(0, off - Tolerance) / (double)Target);
    }
}
