using LlmRL.Training;

namespace LlmRL.Runs;

/// <summary>What is known about a running stage: where it is, how fast, and how its headline metrics moved.</summary>
internal sealed class StageProgress
{
    private const int MostHeadlines = 3;

    private readonly TimeProvider time;
    private readonly long started;
    private readonly List<string> headlines = [];
    private string? heldOut;
    private readonly Dictionary<string, List<double>> history = [];
    private long firstStepEnded;
    private int firstStep = -1;

    public StageProgress(string name, string kind, int totalSteps, int startStep, TimeProvider time)
    {
        (Name, Kind, TotalSteps, Step) = (name, kind, totalSteps, startStep);
        this.time = time;
        started = time.GetTimestamp();
    }

    public string Name { get; }

    public string Kind { get; }

    public int TotalSteps { get; }

    public int Step { get; private set; }

    public double? TokensPerSecond { get; private set; }

    public double Elapsed => time.GetElapsedTime(started).TotalSeconds;

    /// <summary>The most telling metrics, one on held-out rows among them where these are looked at.</summary>
    public IReadOnlyList<string> Headlines => heldOut is null ? headlines : [.. headlines.Take(1), heldOut, .. headlines.Skip(1)];

    /// <summary>Whether one of them is of held-out rows.</summary>
    public bool HasHeldOut => heldOut is not null;

    /// <summary>Names of the alarms that are on.</summary>
    public IReadOnlyList<string> Alarms { get; set; } = [];

    public IReadOnlyList<double> History(string metric) => history[metric];

    public double Latest(string metric) => history[metric][^1];

    /// <summary>Seconds left at the pace so far; the first step, which pays for warming up, is left out as soon as there is a second.</summary>
    public double? SecondsLeft
    {
        get
        {
            if (firstStep < 0) return null;
            var steps = Step - firstStep;
            var pace = steps > 0 ? time.GetElapsedTime(firstStepEnded).TotalSeconds / steps : Elapsed;
            return pace * (TotalSteps - Step);
        }
    }

    public void Update(int step, IEnumerable<KeyValuePair<string, double>> values)
    {
        Step = step;
        if (firstStep < 0) (firstStep, firstStepEnded) = (step, time.GetTimestamp());
        var row = new Dictionary<string, double>(values);
        if (row.TryGetValue("tokens_per_second", out var rate)) TokensPerSecond = rate;
        if (headlines.Count < MostHeadlines) ChooseHeadlines(row);
        if (heldOut is null && (heldOut = MetricCatalog.HeldOutHeadlines(Kind).FirstOrDefault(row.ContainsKey)) is not null) history[heldOut] = [];
        foreach (var name in Headlines)
        {
            if (row.TryGetValue(name, out var value)) history[name].Add(value);
        }
    }

    /// <summary>A metric's mean over the first and over the last twentieth of the steps, at least one step each.</summary>
    public (double First, double Last) FirstAndLast(string metric)
    {
        var values = history[metric];
        var span = Math.Max(1, values.Count / 20);
        return (values.Take(span).Average(), values.TakeLast(span).Average());
    }

    private void ChooseHeadlines(Dictionary<string, double> row)
    {
        // Every step of an evaluation measures another policy: there is nothing to follow.
        if (Kind == "evaluate") return;
        var labels = headlines.Select(name => MetricCatalog.Describe(name).Label).ToHashSet();
        var known = MetricCatalog.Headlines(Kind).ToList();
        var fallback = row.Keys.Where(name => headlines.Count == 0 && known.All(k => !row.ContainsKey(k)) && !MetricCatalog.IsTiming(name) && !HeldOutSchedule.IsHeldOut(name));
        foreach (var name in known.Concat(fallback.ToList()))
        {
            if (headlines.Count == MostHeadlines) break;
            if (!row.ContainsKey(name) || !labels.Add(MetricCatalog.Describe(name).Label)) continue;
            // One that turns up late, such as the return of the first episode that ends, still goes to its place.
            var after = headlines.FindIndex(other => known.IndexOf(other) > known.IndexOf(name));
            headlines.Insert(after < 0 ? headlines.Count : after, name);
            history[name] = [];
        }
    }
}
