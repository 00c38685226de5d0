using System.Diagnostics;

namespace LlmRL.Training;

/// <summary>Times one step of a loop, and the parts of it that are named.</summary>
public sealed class StepClock
{
    private readonly long start = Stopwatch.GetTimestamp();
    private readonly OrderedDictionary<string, double> parts = new(StringComparer.Ordinal);

    /// <summary>Seconds since the step began.</summary>
    public double Seconds => Stopwatch.GetElapsedTime(start).TotalSeconds;

    /// <summary>The step's time and its parts as they are logged: <c>step_time</c>, <c>time/PART</c>, in seconds.</summary>
    public IEnumerable<KeyValuePair<string, double>> Metrics() => [new("step_time", Seconds), .. parts.Select(pair => KeyValuePair.Create("time/" + pair.Key, pair.Value))];

    /// <summary>Runs a part of the step; the times of parts with one name add up.</summary>
    public T Time<T>(string part, Func<T> work)
    {
        var from = Stopwatch.GetTimestamp();
        var result = work();
        parts[part] = parts.GetValueOrDefault(part) + Stopwatch.GetElapsedTime(from).TotalSeconds;
        return result;
    }

    /// <summary>The same for work without a result.</summary>
    public void Time(string part, Action work) => Time(part, () =>
    {
        work();
        return true;
    });
}
