using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Training;

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

    internal override IEnumerable<AlarmWatch> Watch(IWatchedStage stage) => Golds(stage).Select(gold => new DivergenceWatch(this, gold));

    /// <inheritdoc/>
    internal override (string Key, string Problem)? Problem(IWatchedStage stage)
    {
        if (stage is not OnlineStage online)
            return base.Problem(stage) ?? ("", "there is one measure of reward, so that nothing can part from it; take the alarm out");
        if (!Golds(stage).Any())
            return (nameof(Gold), "there is nothing to compare with: no reward has weight 0. Add one, or name a logged metric");
        return Unknown(nameof(Proxy), Proxy) ?? (Gold is null ? null : Unknown(nameof(Gold), Gold));

        (string, string)? Unknown(string key, string metric)
        {
            string[] known = [.. stage.LoggedMetrics];
            if (known.Contains(metric))
                return null;
            if (MetricCatalog.IsTiming(metric))
                return (key, $"{metric} comes from a clock, which alarms do not look at; name another metric");
            var why = HeldOutSchedule.IsHeldOut(metric) && online.EvaluationInterval == 0 ? ": that needs eval_data and eval_steps" : "";
            // A reward's bare name plainly means its mean.
            var meant = known.FirstOrDefault(name => name == $"rewards/{metric}/mean") ?? KeyNames.Nearest(metric, known);
            return (key, $"this stage logs no metric {metric}{why}; {(meant is null ? $"there are {string.Join(", ", known)}" : $"{meant} was probably meant")}");
        }
    }

    private IEnumerable<string> Golds(IWatchedStage stage) => Gold is not null ? [Gold]
        : stage is OnlineStage online ? RewardTerm.Flatten(online.Reward).Where(term => term.Weight == 0).Select(term => $"rewards/{term.Name}/mean") : [];
}

/// <summary>Raises an alarm where one metric has fallen from its best while another rose.</summary>
internal sealed class DivergenceWatch(OverOptimisationAlarm alarm, string gold) : AlarmWatch(alarm, gold)
{
    private const double ProxyErrors = 2;

    private readonly MetricWindow golds = new(alarm.Window), proxies = new(alarm.Window);
    private double best = double.NegativeInfinity, proxyAtBest;

    public override bool IsByName => alarm.Gold is not null || alarm.Proxy != new OverOptimisationAlarm().Proxy;

    public override IEnumerable<string> Needs => [alarm.Proxy, Metric];

    public override AlarmReading? Read(IReadOnlyDictionary<string, double> row)
    {
        if (row.TryGetValue(alarm.Proxy, out var proxy))
            proxies.Add(proxy);
        // What is measured on held-out rows comes in rows of its own, and more seldom.
        if (!row.TryGetValue(Metric, out var value) || !double.IsFinite(value))
            return null;
        golds.Add(value);
        if (!golds.IsFull || !proxies.IsFull)
            return null;
        var (now, proxyNow) = (golds.Mean, proxies.Mean);
        if (now > best)
            (best, proxyAtBest) = (now, proxyNow);
        var slack = alarm.Sigmas * golds.ErrorOfDifference;
        var isBeyond = now < best - slack && proxyNow > proxyAtBest + ProxyErrors * proxies.ErrorOfDifference;
        var text = $"below {Shown.Number(best - slack)} ({Shown.Number(alarm.Sigmas)} standard errors under its best, {Shown.Number(best)}) "
            + $"while {alarm.Proxy} rose from {Shown.Number(proxyAtBest)} to {Shown.Number(proxyNow)}";
        return new AlarmReading(now, best - slack, text, isBeyond, now >= best - slack / 2 || proxyNow <= proxyAtBest);
    }
}
