using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;

namespace LlmRL.Alarms;

/// <summary>
/// KL(π‖π_ref) per completion is over its target. The farther a policy moves, the less the reward that it is trained on says of what is wanted: the gold reward of
/// RL follows d(α − β log d), d = √KL (Gao et al. 2022, arXiv 2210.10760). Targets of 6 and 10 nats per completion are those of Ziegler et al. 2019.
/// </summary>
public sealed record KlAlarm : Alarm
{
    private const double LargestTarget = 10, Overshoot = 1.5;

    /// <summary>Most nats per completion; by default 1.5 times <c>adaptive_kl.target</c>, or 10 where β is fixed.</summary>
    [Range(0.0, 1e9)]
    public double? Above { get; init; }

    /// <inheritdoc/>
    public override string Name => "kl";

    /// <inheritdoc/>
    public override string Meaning => "The policy has moved so far from the reference that the reward may no longer say what is wanted.";

    /// <inheritdoc/>
    public override string Remedy => "Raise beta, set adaptive_kl, or lower learning_rate.";

    /// <inheritdoc/>
    public override string Source => "Ziegler et al. 2019, arXiv 1909.08593";

    private protected override string NotLogged => ": it has no reference policy; give beta a value above 0, name a reference, or take the alarm out";

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage)
    {
        var target = (stage as OnlineStage)?.AdaptiveKl?.Target;
        var limit = new AlarmLimit(Above ?? (target * Overshoot ?? LargestTarget), IsCeiling: true, Above is null && target is not null ? "1.5 times adaptive_kl.target" : "");
        return [new LevelWatch(this, "objective/kl", _ => [limit])];
    }
}
