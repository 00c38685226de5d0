using System.ComponentModel.DataAnnotations;

namespace LlmRL.Data;

/// <summary>What <see cref="TldrGenerator"/> writes.</summary>
public sealed record TldrSettings
{
    /// <summary>τ of the labels, in units of utility: P(a is chosen) = σ((U(a) − U(b)) / τ). 0 labels without noise.</summary>
    [Range(0.0, 100.0)]
    public double LabelNoise { get; init; } = 1;

    /// <summary>How careful the writers of the reference summaries are: 0 forgets and errs often, 1 hardly ever.</summary>
    [Range(0.0, 1.0)]
    public double ReferenceSkill { get; init; } = 0.6;

    /// <summary>How often a detail is stated wrongly: with probability mistake_rate · (1 − skill of the writer) per fact.</summary>
    [Range(0.0, 1.0)]
    public double MistakeRate { get; init; } = 0.3;

    /// <summary>Fewest sentences of a post that carry no fact.</summary>
    [Range(0, 8)]
    public int MinFillers { get; init; } = 1;

    /// <summary>Most sentences of a post that carry no fact.</summary>
    [Range(0, 8)]
    public int MaxFillers { get; init; } = 3;

    /// <summary>Seed of the data; the run's own seed does not change it.</summary>
    [Range(0, int.MaxValue)]
    public int DataSeed { get; init; }

    internal void Check()
    {
        SettingsCheck.Ranges("tldr", this);
        if (MinFillers > MaxFillers)
            throw new BadInputException($"tldr: min_fillers is {MinFillers} and max_fillers is {MaxFillers}. Make min_fillers the smaller one.");
    }
}
