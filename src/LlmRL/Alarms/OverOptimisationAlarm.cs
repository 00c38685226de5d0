using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;
using LlmRL.Rewards;

namespace LlmRL.Alarms;

/// <summary>
/// The reward that is trained on rises while another measure of the same completions falls: the proxy is over-optimised (Gao et al. 2022, arXiv 2210.10760). The other
/// measure is a reward of weight 0 beside the one trained on, a gold reward or a held-out verifier, or any logged metric.
/// </summary>
/// <remarks>
/// With m the mean over a window and s the standard error of the difference of two such means: raised where m(gold) &lt; max m(gold) − sigmas·s and m(proxy) is at least
/// 2 s above where it was when gold was best.
/// </remarks>
public sealed record OverOptimisationAlarm : Alarm
{
    /// <summary>The metric that training raises.</summary>
    [MinLength(1)]
    public string Proxy { get; init; } = "reward";

    /// <summary>The metric that should rise with it; by default <c>rewards/NAME/mean</c> of each reward with weight 0.</summary>
    public string? Gold { get; init; }

    /// <summary>How far gold may fall below its best, in standard errors.</summary>
    [Range(0.0, 1e3)]
    public double Sigmas { get; init; } = 5;

    /// <inheritdoc/>
    public override string Name => "over_optimisation";

    /// <inheritdoc/>
    public override string Meaning => "The reward that is trained on rises at the cost of what it stands for.";

    /// <inheritdoc/>
    public override string Remedy => "Stop near the step where gold was best (metric_for_best_model), raise beta, or train the reward model on more pairs.";

    /// <inheritdoc/>
    public override string Source => "Gao et al. 2022, arXiv 2210.10760";

    internal override IEnumerable<AlarmWatch> Watch(OnlineStage stage) =>
        from gold in Gold is null ? RewardTerm.Flatten(stage.Reward).Where(term => term.Weight == 0).Select(term => $"rewards/{term.Name}/mean") : [Gold]
        select new DivergenceWatch(this, gold);
}

/// <summary>Raises an alarm where one metric has fallen from its best while another rose.</summary>
internal sealed class DivergenceWatch(OverOptimisationAlarm alarm, string gold) : AlarmWatch(alarm, gold)
{
    private const double ProxyErrors = 2;

    private readonly MetricWindow golds = new(alarm.Window), proxies = new(alarm.Window);
    private double best = double.NegativeInfinity, proxyAtBest;

    public override AlarmReading? Read(IReadOnlyDictionary<string, double> row)
    {
        if (!row.TryGetValue(Metric, out var value) || !row.TryGetValue(alarm.Proxy, out var proxy) || !double.IsFinite(value + proxy))
            return null;
        golds.Add(value);
        proxies.Add(proxy);
        if (!golds.IsFull)
            return null;
        var (now, proxyNow) = (golds.Mean, proxies.Mean);
        if (now > best)
            (best, proxyAtBest) = (now, proxyNow);
        var slack = alarm.Sigmas * golds.ErrorOfDifference;
        var isBeyond = now < best - slack && proxyNow > proxyAtBest + ProxyErrors * proxies.ErrorOfDifference;
        var text = $"below {Runs.Shown.Number(best - slack)} ({Runs.Shown.Number(alarm.Sigmas)} standard errors under its best, {Runs.Shown.Number(best)}) "
            + $"while {alarm.Proxy} rose from {Runs.Shown.Number(proxyAtBest)} to {Runs.Shown.Number(proxyNow)}";
        return new AlarmReading(now, best - slack, text, isBeyond, now >= best - slack / 2 || proxyNow <= proxyAtBest);
    }
}
