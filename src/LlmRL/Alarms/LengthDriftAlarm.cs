using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Alarms;

/// <summary>
/// Completions have become much longer or shorter than at the start. Most of what RLHF gains on reward models of helpfulness is length, and a reward that is length alone
/// reproduces it (Singhal et al. 2023, arXiv 2310.03716). Where a task calls for longer answers, such as chains of thought, the bounds are too tight: raise them.
/// </summary>
public sealed record LengthDriftAlarm : Alarm, IValidated
{
    /// <summary>Most, as a multiple of the mean length at the start.</summary>
    [Range(1.0, 1e6)]
    public double Above { get; init; } = 1.5;

    /// <summary>Least, as a multiple of the mean length at the start.</summary>
    [Range(0.0, 1.0)]
    public double Below { get; init; } = 0.5;

    /// <inheritdoc/>
    public override string Name => "length_drift";

    /// <inheritdoc/>
    public override string Meaning => "The reward may pay for length instead of for what is wanted.";

    /// <inheritdoc/>
    public override string Remedy => "Read samples.jsonl; compare win rates at equal length, add a length reward, or raise beta.";

    /// <inheritdoc/>
    public override string Source => "Singhal et al. 2023, arXiv 2310.03716";

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Above <= Below)
            yield return (nameof(Above), $"{Above} is not above below, {Below}; widen the range");
    }

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage) => [new LevelWatch(this, "completions/mean_length", window =>
    [
        new AlarmLimit(Above * window.Start, IsCeiling: true, $"{Runs.Shown.Number(Above)} times its start"),
        new AlarmLimit(Below * window.Start, IsCeiling: false, $"{Runs.Shown.Number(Below)} times its start"),
    ])];
}
