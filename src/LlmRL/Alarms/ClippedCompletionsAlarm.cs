using System.ComponentModel.DataAnnotations;

namespace LlmRL.Alarms;

/// <summary>
/// Many completions are cut off at the length limit: their scores are noise, and the policy may have unlearned to stop (overlong samples, DAPO, Yu et al. 2025, arXiv
/// 2503.14476, section 3.4).
/// </summary>
public sealed record ClippedCompletionsAlarm : Alarm
{
    /// <summary>Largest share of completions without a stop token.</summary>
    [Range(0.0, 1.0)]
    public double Above { get; init; } = 0.4;

    /// <inheritdoc/>
    public override string Name => "clipped_completions";

    /// <inheritdoc/>
    public override string Meaning => "Completions run into the length limit instead of ending, and are scored unfinished.";

    /// <inheritdoc/>
    public override string Remedy => "Raise max_completion_length, or set missing_eos_penalty, soft_overlong_cache or mask_truncated_completions.";

    /// <inheritdoc/>
    public override string Source => "Yu et al. 2025 (DAPO), arXiv 2503.14476";

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage) =>
        [new LevelWatch(this, "completions/clipped_ratio", _ => [new AlarmLimit(Above, IsCeiling: true)])];
}
