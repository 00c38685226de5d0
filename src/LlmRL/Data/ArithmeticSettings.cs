using System.ComponentModel.DataAnnotations;

namespace LlmRL.Data;

/// <summary>How hard the problems of <see cref="ArithmeticGenerator"/> are.</summary>
public sealed record ArithmeticSettings
{
    /// <summary>Fewest operations in a problem.</summary>
    [Range(1, 8)]
    public int MinSteps { get; init; } = 2;

    /// <summary>Most operations in a problem; the number is uniform between the two.</summary>
    [Range(1, 8)]
    public int MaxSteps { get; init; } = 3;

    /// <summary>Operands of sums and differences are uniform in [1, MaxOperand].</summary>
    [Range(1, 9999)]
    public int MaxOperand { get; init; } = 50;

    /// <summary>Operands of a product are uniform in [1, MaxFactor].</summary>
    [Range(1, 999)]
    public int MaxFactor { get; init; } = 9;

    /// <summary>Every intermediate result is in [0, MaxValue].</summary>
    [Range(1, 99_999_999)]
    public int MaxValue { get; init; } = 199;

    /// <summary>The operators to draw from, each as often as it is written: <c>+-</c>, <c>+-*</c>, <c>++-</c>.</summary>
    public string Operators { get; init; } = "+-";

    /// <summary>Whether the demonstration writes one line a step before the answer.</summary>
    public bool Working { get; init; } = true;

    /// <summary>
    /// Probability that a line of a demonstration has a wrong result (by one in one digit); later lines go on from it. Answers stay right. A policy that imitates
    /// such demonstrators slips as they do; a verifier's reward can teach it not to.
    /// </summary>
    [Range(0.0, 1.0)]
    public double SlipRate { get; init; }

    /// <summary>
    /// Probability that a demonstration is written in tags, <c>&lt;think&gt;17+8=25&lt;/think&gt;&lt;answer&gt;25&lt;/answer&gt;</c>, instead of with <c>####</c>: something for a
    /// format reward to settle.
    /// </summary>
    [Range(0.0, 1.0)]
    public double TagRate { get; init; }

    /// <summary>Seed of the data; the run's own seed does not change the problems.</summary>
    [Range(0, int.MaxValue)]
    public int DataSeed { get; init; }

    internal void Check()
    {
        SettingsCheck.Ranges("arithmetic", this);
        if (MinSteps > MaxSteps)
            throw new BadInputException($"arithmetic: min_steps is {MinSteps} and max_steps is {MaxSteps}. Make min_steps the smaller one.");
        if (Operators.Length == 0 || Operators.AsSpan().ContainsAnyExcept("+-*"))
            throw new BadInputException($"arithmetic: operators is '{Operators}'. Use some of + - *.");
    }
}
