using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;

namespace LlmRL.Rewards;

/// <summary>
/// The cosine reward: a right answer is worth more the shorter it is, a wrong one costs less the longer it is (a policy that does not know yet is not to give up
/// early). With n the length and L the longest one, both ends reached flat: r(n) = r_L + ½(r_0 − r_L)(1 + cos(π·min(n, L)/L)), where a right answer has
/// r_0 = max_value_correct, r_L = min_value_correct and a wrong one r_0 = min_value_wrong, r_L = max_value_wrong. At n ≥ L, <see cref="ExceedLength"/> instead where given.
/// </summary>
/// <remarks>Yeo et al. 2025, "Demystifying Long Chain-of-Thought Reasoning in LLMs", arXiv 2502.03373, section 4.2 and appendix C; option names as in Open R1.</remarks>
[Variant("cosine_length")]
public sealed record CosineLengthReward : IReward, IValidated
{
    /// <summary>Decides which answers are right (score ≥ 1); the math verifier by default.</summary>
    public IReward Verifier { get; init; } = new MathReward();

    /// <summary>Of the shortest right answer.</summary>
    [Range(-1e6, 1e6)]
    public double MaxValueCorrect { get; init; } = 1;

    /// <summary>Of the longest right answer.</summary>
    [Range(-1e6, 1e6)]
    public double MinValueCorrect { get; init; } = 0.5;

    /// <summary>Of the shortest wrong answer.</summary>
    [Range(-1e6, 1e6)]
    public double MinValueWrong { get; init; } = -1;

    /// <summary>Of the longest wrong answer.</summary>
    [Range(-1e6, 1e6)]
    public double MaxValueWrong { get; init; } = -0.5;

    /// <summary>r_e: of every answer with L and more, right or wrong; null: as the curve ends.</summary>
    [Range(-1e6, 1e6)]
    public double? ExceedLength { get; init; }

    /// <summary>L; in tokens, max_completion_length is the natural choice.</summary>
    [Range(1, 10_000_000)]
    public required int MaxLen { get; init; }

    /// <summary>What lengths are counted in.</summary>
    public TextUnit Unit { get; init; } = TextUnit.Tokens;

    /// <inheritdoc/>
    string IReward.Name => "cosine_length";

    /// <inheritdoc/>
    public double Score(Example example, string completion) => Of(TextLength.Of(completion, Unit), Verifier.Score(example, completion));

    /// <inheritdoc/>
    public double Score(Trajectory trajectory) => Of(TextLength.Of(trajectory, Unit), Verifier.Score(trajectory));

    /// <summary>η_L + ½(η_0 − η_L)(1 + cos(π·n/L)): from η_0 at n = 0 to η_L at n = L, flat at both ends.</summary>
    /// <param name="length">n, held within [0, L].</param>
    /// <param name="longest">L ≥ 1.</param>
    /// <param name="atZero">η_0.</param>
    /// <param name="atLongest">η_L.</param>
    public static double Cosine(int length, int longest, double atZero, double atLongest) =>
        atLongest + 0.5 * (atZero - atLongest) * (1 + Math.Cos(Math.PI * Math.Clamp(length, 0, longest) / longest));

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (MinValueCorrect > MaxValueCorrect)
            yield return (nameof(MinValueCorrect), $"{MinValueCorrect} is above max_value_correct, {MaxValueCorrect}; a long right answer may not be worth more than a short one");
        if (MinValueWrong > MaxValueWrong)
            yield return (nameof(MinValueWrong), $"{MinValueWrong} is above max_value_wrong, {MaxValueWrong}; swap them");
    }

    private double Of(int length, double verdict) =>
        double.IsNaN(verdict) ? double.NaN
        : length >= MaxLen && ExceedLength is { } exceeded ? exceeded
        : verdict >= 1 ? Cosine(length, MaxLen, MaxValueCorrect, MinValueCorrect)
        : Cosine(length, MaxLen, MinValueWrong, MaxValueWrong);
}
