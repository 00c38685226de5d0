using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Alarms;

/// <summary>A time during which an alarm was on.</summary>
/// <param name="Alarm">Its name, <see cref="Alarm.Name"/>.</param>
/// <param name="Metric">The metric that it is about.</param>
/// <param name="From">The step at which it was raised.</param>
/// <param name="To">The step at which it was over; null where it was on to the end.</param>
/// <param name="Value">The metric's mean over the window at <paramref name="From"/>.</param>
/// <param name="Limit">The bound that it crossed.</param>
/// <param name="Message">What was seen, in a sentence.</param>
public sealed record AlarmEvent(string Alarm, string Metric, int From, int? To, double Value, double Limit, string Message);

/// <summary>
/// The alarms of one stage. Their state is a function of the rows of <c>metrics.jsonl</c> alone: a stage that resumes shows them its earlier rows, and goes on as one
/// that was not interrupted.
/// </summary>
public sealed class AlarmMonitor
{
    private readonly AlarmWatch[] watches;
    private readonly int?[] active;
    private readonly List<AlarmEvent> events = [];
    private readonly HashSet<string> logged = [];
    private readonly HashSet<AlarmWatch> blind = [];
    private int rows, heldOutRows;

    internal AlarmMonitor(IEnumerable<AlarmWatch> watches)
    {
        this.watches = [.. watches];
        active = new int?[this.watches.Length];
    }

    /// <summary>Names of the alarms that are watched for.</summary>
    public IReadOnlyList<string> Watched => [.. watches.Select(watch => watch.Alarm.Name).Distinct()];

    /// <summary>Everything so far, in the order of <see cref="AlarmEvent.From"/>.</summary>
    public IReadOnlyList<AlarmEvent> Events => events;

    /// <summary>Names of the alarms that are on.</summary>
    public IReadOnlyList<string> Active => [.. events.Where(found => found.To is null).Select(found => found.Alarm).Distinct()];

    /// <summary>The alarm that asks the stage to end; null where none does.</summary>
    public AlarmEvent? StoppedBy => active.Select((on, i) => on is { } found && watches[i].Alarm.Stop ? events[found] : null).FirstOrDefault(found => found is not null);

    /// <summary>
    /// Alarms that see nothing, in words, each once: those of which the stage has not logged a metric in as many steps as they average over, or in an evaluation of one on held-out
    /// rows.
    /// </summary>
    public IEnumerable<string> Unseeing()
    {
        foreach (var watch in watches.Where(watch => watch.IsByName && !blind.Contains(watch)))
        {
            if (watch.Needs.FirstOrDefault(name => !logged.Contains(name) && (HeldOutSchedule.IsHeldOut(name) ? heldOutRows > 0 : rows >= watch.Alarm.Window)) is not { } missing)
                continue;
            blind.Add(watch);
            var known = logged.Where(name => HeldOutSchedule.IsHeldOut(name) == HeldOutSchedule.IsHeldOut(missing));
            yield return $"the alarm {watch.Alarm.Name} sees nothing: no step so far has logged {missing}. There are {string.Join(", ", known)}.";
        }
    }

    /// <summary>Takes a step's metrics.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="values">Its metrics; those of the clock are left out, since they differ between runs with one seed.</param>
    /// <returns>The alarms that were raised by this step, and those that it ended.</returns>
    public IReadOnlyList<AlarmEvent> Observe(int step, IEnumerable<KeyValuePair<string, double>> values)
    {
        var row = values.Where(pair => !MetricCatalog.IsTiming(pair.Key)).ToDictionary();
        logged.UnionWith(row.Keys);
        if (row.Keys.Any(HeldOutSchedule.IsHeldOut))
            heldOutRows++;
        else
            rows++;
        var changed = new List<AlarmEvent>();
        for (var i = 0; i < watches.Length; i++)
        {
            if (watches[i].Read(row) is not { } reading)
                continue;
            if (active[i] is null && reading.IsBeyond)
            {
                active[i] = events.Count;
                events.Add(Raise(watches[i], step, reading));
                changed.Add(events[^1]);
            }
            else if (active[i] is { } on && reading.IsBack)
            {
                active[i] = null;
                events[on] = events[on] with { To = step };
                changed.Add(events[on]);
            }
        }

        return changed;
    }

    private static AlarmEvent Raise(AlarmWatch watch, int step, AlarmReading reading) => new(watch.Alarm.Name, watch.Metric, step, null, reading.Value, reading.Limit,
        $"{watch.Metric} is {Shown.Number(reading.Value)}, mean of {watch.Alarm.Window} steps, {reading.Bound}");
}
