using System.ComponentModel.DataAnnotations;

namespace LlmRL.Alarms;

/// <summary>
/// The policy's entropy has collapsed. Without intervention performance is bought with entropy, R = −a·exp(H) + b, and little is gained once 95 % of it is gone
/// (Cui et al. 2025, arXiv 2505.22617, figure 1); such a policy samples nearly the same completion each time (DAPO, arXiv 2503.14476, section 3.1).
/// </summary>
public sealed record EntropyAlarm : Alarm
{
    /// <summary>Least share of the entropy at the start of the stage.</summary>
    [Range(0.0, 1.0)]
    public double BelowStart { get; init; } = 0.05;

    /// <summary>Least entropy in nats per token; null: only its share counts.</summary>
    [Range(0.0, 1e3)]
    public double? Below { get; init; }

    /// <inheritdoc/>
    public override string Name => "entropy";

    /// <inheritdoc/>
    public override string Meaning => "The policy has all but stopped exploring: its samples of a prompt are nearly the same.";

    /// <inheritdoc/>
    public override string Remedy => "Raise epsilon_high, entropy_coef or beta, or lower learning_rate; where the task is solved, the stage can end.";

    /// <inheritdoc/>
    public override string Source => "Cui et al. 2025, arXiv 2505.22617; Yu et al. 2025 (DAPO), arXiv 2503.14476";

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage) => [new LevelWatch(this, "entropy", Limits)];

    private IReadOnlyList<AlarmLimit> Limits(MetricWindow window)
    {
        var share = new AlarmLimit(BelowStart * window.Start, IsCeiling: false, $"{Runs.Shown.Number(BelowStart)} of its start");
        return Below is { } least ? [new AlarmLimit(least, IsCeiling: false), share] : [share];
    }
}
