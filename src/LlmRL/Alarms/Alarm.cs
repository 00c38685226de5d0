using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Alarms;

/// <summary>
/// A sign that a policy learns something else than was meant, as a rule over logged metrics. It looks at means over a window of steps, is raised once, and is
/// over only when the mean is well back within its bound, so that noise at the bound does not ring it again and again. In a recipe <c>off</c> turns it off.
/// </summary>
[Switchable]
public abstract record Alarm
{
    /// <summary>Whether it is watched for.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Whether the stage ends where it is raised, with a checkpoint, as if this had been its last step.</summary>
    public bool Stop { get; init; }

    /// <summary>Steps that are averaged over, at the start and of late.</summary>
    [Range(2, 100_000)]
    public int Window { get; init; } = 10;

    /// <summary>Its key in recipes.</summary>
    public abstract string Name { get; }

    /// <summary>What it can mean, in a sentence.</summary>
    public abstract string Meaning { get; }

    /// <summary>What can be done, in a sentence.</summary>
    public abstract string Remedy { get; }

    /// <summary>Where it comes from: authors, year, arXiv number.</summary>
    public abstract string Source { get; }

    /// <summary>What watches a stage's metrics for it; none where the stage has nothing to watch.</summary>
    internal abstract IEnumerable<AlarmWatch> Watch(IWatchedStage stage);

    /// <summary>Why the alarm, set by hand, can never be raised in a stage: the setting to blame (empty: the alarm itself), and the problem. Null where it can.</summary>
    internal virtual (string Key, string Problem)? Problem(IWatchedStage stage)
    {
        foreach (var watch in Watch(stage))
        {
            if (!stage.LoggedMetrics.Contains(watch.Metric))
                return ("", $"it watches {watch.Metric}, which this stage does not log{(stage is OnlineStage ? NotLogged : "; take the alarm out")}");
        }

        return null;
    }

    /// <summary>Why a stage may not log what the alarm watches, and what can be done.</summary>
    private protected virtual string NotLogged => "; take the alarm out";
}

/// <summary>What an alarm sees at a step.</summary>
/// <param name="Value">The mean over the window.</param>
/// <param name="Limit">The bound that it is compared with.</param>
/// <param name="Bound">The comparison in words: "above 10".</param>
/// <param name="IsBeyond">Whether the alarm is to be raised.</param>
/// <param name="IsBack">Whether it is over, if it was raised.</param>
internal readonly record struct AlarmReading(double Value, double Limit, string Bound, bool IsBeyond, bool IsBack);

/// <summary>An alarm at work on one metric.</summary>
internal abstract class AlarmWatch(Alarm alarm, string metric)
{
    /// <summary>Its settings.</summary>
    public Alarm Alarm { get; } = alarm;

    /// <summary>The metric that it is about.</summary>
    public string Metric { get; } = metric;

    /// <summary>Every metric without which it sees nothing.</summary>
    public virtual IEnumerable<string> Needs => [Metric];

    /// <summary>Whether the recipe names a metric of it: one that is not logged is worth a word then.</summary>
    public virtual bool IsByName => false;

    /// <summary>Takes a step's metrics; null while there is too little to go by.</summary>
    public abstract AlarmReading? Read(IReadOnlyDictionary<string, double> row);
}
