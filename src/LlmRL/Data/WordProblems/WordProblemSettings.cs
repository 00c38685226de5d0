using System.ComponentModel.DataAnnotations;

namespace LlmRL.Data;

/// <summary>How hard the problems of <see cref="WordProblemGenerator"/> are.</summary>
public sealed record WordProblemSettings
{
    /// <summary>Longest problem, one operation a day of the week.</summary>
    public const int MostSteps = 7;

    /// <summary>Fewest and most operations of a problem; the number is uniform between the two.</summary>
    public IReadOnlyList<int> Steps { get; init; } = [2, 3];

    /// <summary>Most days on which nothing changes, <c>On Monday she rests.</c>; the number is uniform in [0, MaxRestDays], as far as the week has room.</summary>
    [Range(0, MostSteps)]
    public int MaxRestDays { get; init; } = 2;

    /// <summary>Numbers in the text are uniform in [2, MaxOperand].</summary>
    [Range(2, 999)]
    public int MaxOperand { get; init; } = 9;

    /// <summary>Every intermediate result is in [0, MaxValue].</summary>
    [Range(1, 9999)]
    public int MaxValue { get; init; } = 99;

    /// <summary>Probability that an event is about boxes, <c>2 boxes of 4 plums</c>, where two operations are left: a product, then a sum or difference.</summary>
    [Range(0.0, 1.0)]
    public double BoxRate { get; init; }

    /// <summary>Factors of a product are uniform in [2, MaxFactor].</summary>
    [Range(2, 99)]
    public int MaxFactor { get; init; } = 5;

    /// <summary>
    /// Probability that an operation of a demonstration has a wrong result (by one in one digit); later ones go on from it. Answers stay right. A policy that imitates
    /// such demonstrators slips as they do; a verifier's reward can teach it not to.
    /// </summary>
    [Range(0.0, 1.0)]
    public double SlipRate { get; init; }

    /// <summary>Seed of the data; the run's own seed does not change the problems.</summary>
    [Range(0, int.MaxValue)]
    public int DataSeed { get; init; }

    internal void Check()
    {
        SettingsCheck.Ranges("word_problems", this);
        if (Steps is not [var fewest, var most] || fewest < 1 || most > MostSteps || fewest > most)
            throw new BadInputException($"word_problems: steps is [{string.Join(", ", Steps)}]. Write the fewest and the most operations, each in [1, {MostSteps}]: steps: [2, 3].");
    }
}
