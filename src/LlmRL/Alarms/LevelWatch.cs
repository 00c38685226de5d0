namespace LlmRL.Alarms;

/// <summary>A bound of a metric's mean.</summary>
/// <param name="Value">The bound, at least 0.</param>
/// <param name="IsCeiling">Whether the mean must stay below it; otherwise above.</param>
/// <param name="Reason">Where it comes from, in words; empty where it is the setting itself.</param>
internal readonly record struct AlarmLimit(double Value, bool IsCeiling, string Reason = "")
{
    // An alarm is over where the mean has come back by a tenth of the bound.
    private const double Hysteresis = 0.1;

    public bool IsBeyond(double mean) => IsCeiling ? mean > Value : mean < Value;

    public bool IsBack(double mean) => IsCeiling ? mean <= Value * (1 - Hysteresis) : mean >= Value * (1 + Hysteresis);
}

/// <summary>Raises an alarm where a metric's mean over a window leaves its bounds.</summary>
/// <param name="alarm">The alarm.</param>
/// <param name="metric">The metric.</param>
/// <param name="limits">Its bounds, which may depend on how the metric started.</param>
internal sealed class LevelWatch(Alarm alarm, string metric, Func<MetricWindow, IReadOnlyList<AlarmLimit>> limits) : AlarmWatch(alarm, metric)
{
    private readonly MetricWindow window = new(alarm.Window);

    public override AlarmReading? Read(IReadOnlyDictionary<string, double> row)
    {
        if (!row.TryGetValue(Metric, out var value))
            return null;
        window.Add(value);
        if (!window.IsFull)
            return null;
        var (mean, bounds) = (window.Mean, limits(window));
        var beyond = bounds.Any(limit => limit.IsBeyond(mean));
        var named = beyond ? bounds.First(limit => limit.IsBeyond(mean)) : bounds[0];
        var text = $"{(named.IsCeiling ? "above" : "below")} {Runs.Shown.Number(named.Value)}{(named.Reason.Length > 0 ? $" ({named.Reason})" : "")}";
        return new AlarmReading(mean, named.Value, text, beyond, bounds.All(limit => limit.IsBack(mean)));
    }
}
