using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>1 where the completion's final answer is the gold one (<see cref="MathVerifier"/>), else 0; plus a bonus for the format.</summary>
[Variant("math")]
public sealed record MathReward : IReward
{
    /// <summary>Whether the answer counts only in <c>\boxed{}</c>, <c>&lt;answer&gt;</c> or after <c>####</c>.</summary>
    public bool Strict { get; init; }

    /// <summary>What counts as the same answer; <c>AnswerPlace.Marked</c> is <c>extraction: marked</c>.</summary>
    public MathOptions Strictness { get; init; } = MathOptions.Default;

    /// <summary>Added, right or wrong, where the answer is in one of those forms.</summary>
    [Range(0.0, 10.0)]
    public double FormatBonus { get; init; }

    /// <inheritdoc/>
    string IReward.Name => "math";

    /// <inheritdoc/>
    /// <remarks>An example without a gold answer is judged by its demonstration's, as GSM8K's worked solutions have it.</remarks>
    public double Score(Example example, string completion)
    {
        var place = Strict && Strictness.Extraction == AnswerPlace.Any ? AnswerPlace.Marked : Strictness.Extraction;
        var score = MathVerifier.Verify(example.Answer ?? example.Completion, completion, Strictness with { Extraction = place }) ? 1.0 : 0.0;
        return FormatBonus > 0 && MathVerifier.Extract(completion, place == AnswerPlace.Any ? AnswerPlace.Marked : place) is not null ? score + FormatBonus : score;
    }
}
