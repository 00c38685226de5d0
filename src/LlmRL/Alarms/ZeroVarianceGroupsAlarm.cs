using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;

namespace LlmRL.Alarms;

/// <summary>
/// Nearly all prompts have completions that score the same: their advantages are zero, and the step has almost no gradient. It is what dynamic sampling is against
/// (DAPO, Yu et al. 2025, arXiv 2503.14476, section 3.2).
/// </summary>
public sealed record ZeroVarianceGroupsAlarm : Alarm
{
    /// <summary>Largest share of prompts whose completions all score the same.</summary>
    [Range(0.0, 1.0)]
    public double Above { get; init; } = 0.95;

    /// <inheritdoc/>
    public override string Name => "zero_variance_groups";

    /// <inheritdoc/>
    public override string Meaning => "The completions of nearly every prompt score the same, so that there is hardly a gradient.";

    /// <inheritdoc/>
    public override string Remedy => "Set dynamic_sampling, raise num_generations or temperature, or take prompts of another difficulty.";

    /// <inheritdoc/>
    public override string Source => "Yu et al. 2025 (DAPO), arXiv 2503.14476";

    internal override (string Key, string Problem)? Problem(IWatchedStage stage) => stage is OnlineStage { NumGenerations: < 2 }
        ? ("", "one completion per prompt has no variance; raise num_generations, or take the alarm out")
        : base.Problem(stage);

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage) =>
        stage is OnlineStage { NumGenerations: < 2 } ? [] : [new LevelWatch(this, "frac_reward_zero_std", _ => [new AlarmLimit(Above, IsCeiling: true)])];
}
