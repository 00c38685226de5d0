namespace LlmRL.Runs;

/// <summary>Which way a metric should move.</summary>
public enum MetricDirection
{
    /// <summary>Neither way is better by itself.</summary>
    Neutral,

    /// <summary>More is better.</summary>
    Up,

    /// <summary>Less is better.</summary>
    Down,
}

/// <summary>How a metric is shown to people.</summary>
/// <param name="Name">Its name in <c>metrics.jsonl</c>, TRL's where TRL has the metric.</param>
/// <param name="Title">Title of its plot.</param>
/// <param name="Label">A word for a progress line.</param>
/// <param name="Unit">Unit of the vertical axis; empty for a pure number.</param>
/// <param name="Explanation">One sentence for a newcomer.</param>
/// <param name="Better">Which way it should move.</param>
/// <param name="Chart">Metrics of a stage with one chart key are drawn in one plot; the name by itself unless given.</param>
/// <param name="Legend">Its name among the curves of that plot; the label unless given.</param>
public sealed record MetricInfo(
    string Name, string Title, string Label, string Unit, string Explanation, MetricDirection Better = MetricDirection.Neutral, string? Chart = null,
    string? Legend = null)
{
    /// <summary>The key of the plot that the metric is drawn in.</summary>
    public string ChartKey => Chart ?? Name;

    /// <summary>Whether it is a share or a probability, so that it lies in [0, 1].</summary>
    public bool IsShare { get; init; }

    /// <summary>Beyond what its axis need not go: 0 and 1 for a share; null for others.</summary>
    public (double Low, double High)? Bounds => IsShare ? (0, 1) : null;
}

/// <summary>What is known about metrics by their names: titles, units and explanations for the report and the progress line.</summary>
public static class MetricCatalog
{
    /// <summary>How names of metrics on held-out rows begin: <c>eval/reward</c>.</summary>
    public const string HeldOutPrefix = "eval/";

    private static readonly char[] CountMarks = ['@', '_', '-'];
    private static readonly Dictionary<string, MetricInfo> ByName = MetricTable.Entries.ToDictionary(entry => entry.Name);
    private static readonly Dictionary<string, int> Rank =
        MetricTable.Entries.Select((entry, i) => (entry.Name, i)).ToDictionary(pair => pair.Name, pair => pair.i);

    /// <summary>Every metric with a fixed name, in the order in which a report shows them.</summary>
    public static IReadOnlyList<MetricInfo> All => MetricTable.Entries;

    /// <summary>What is known about a metric; families such as <c>rewards/NAME/mean</c> and <c>pass@K</c> included. Null if unknown.</summary>
    public static MetricInfo? Find(string name) => ByName.GetValueOrDefault(name) ?? FindFamily(name);

    /// <summary>As <see cref="Find"/>, with the name itself as the title of an unknown metric; <c>pass@1[difficulty=2]</c>, over some of the rows, is a share where the whole is one.</summary>
    public static MetricInfo Describe(string name) => Find(name) ?? new MetricInfo(name, name, name, "", "") { IsShare = name.IndexOf('[') is > 0 and var bracket && Find(name[..bracket]) is { IsShare: true } };

    /// <summary>The place of a metric in a report: the order of <see cref="All"/>, families beside their kin, unknown names last.</summary>
    public static int Order(string name)
    {
        if (Rank.TryGetValue(name, out var rank)) return rank;
        if (name.StartsWith(HeldOutPrefix, StringComparison.Ordinal)) return Order(name[HeldOutPrefix.Length..]);
        return FindFamily(name) switch
        {
            { ChartKey: "rewards/mean" or "rewards/std" or "rewards/failures" } => Rank["reward_std"],
            { ChartKey: "time" or "memory" } => Rank["seconds"],
            // By count, and before everything else: pass@k is what training with a verifier is for.
            { ChartKey: "pass@k" or "maj@k" or "distinct-n" } when TryCount(name, name[..(name.LastIndexOfAny(CountMarks) + 1)], out var k) =>
                Math.Min(k, 999_999) - (name[0] == 'd' ? 1_000_000 : name[0] == 'm' ? 2_000_000 : 3_000_000),
            { } => 0,
            null => int.MaxValue,
        };
    }

    /// <summary>
    /// True for metrics that come from a clock or from the machine's state, which differ between two runs with one seed:
    /// <c>…_per_second</c>, <c>…seconds</c>, <c>step_time</c>, <c>time/…</c>, <c>memory/…</c>. They go to <c>timings.jsonl</c>.
    /// </summary>
    public static bool IsTiming(string name) =>
        name is "step_time" || name.StartsWith("time/", StringComparison.Ordinal) || name.StartsWith("memory/", StringComparison.Ordinal)
        || name.EndsWith("_per_second", StringComparison.Ordinal) || name.EndsWith("seconds", StringComparison.Ordinal);

    /// <summary>The few metrics that tell whether a stage of this kind (<c>sft</c>, <c>grpo</c>, …) is going well, most telling first.</summary>
    public static IReadOnlyList<string> Headlines(string kind) => kind switch
    {
        "sft" => ["loss", "mean_token_accuracy"],
        "reward_model" => ["accuracy", "loss", "margin"],
        "dpo" => ["rewards/accuracies", "rewards/margins", "loss"],
        "control" => ["return", "entropy", "val/explained_variance"],
        "ppo" => ["objective/scores", "reward", "objective/kl", "kl", "completions/mean_length"],
        _ when StageKinds.IsOnline(kind) => ["reward", "objective/scores", "kl", "objective/kl", "completions/mean_length"],
        _ => ["reward", "objective/scores", "accuracy", "loss", "kl"],
    };

    /// <summary>The metrics on held-out rows that tell most, of which the first that a stage has is shown while it runs.</summary>
    public static IEnumerable<string> HeldOutHeadlines(string kind) => Headlines(kind).Prepend("pass@1").Select(name => HeldOutPrefix + name);

    /// <summary>A metric on held-out rows is drawn beside the one of the same name that training logs.</summary>
    private static MetricInfo? FindHeldOut(string name)
    {
        if (Find(name[HeldOutPrefix.Length..]) is not { } info) return null;
        var curve = info.ChartKey is "rewards/mean" or "pass@k" ? $"{info.Label}, held-out" : "held-out";
        return info with { Name = name, Title = $"{info.Title}, held-out", Label = $"eval {info.Label}", Chart = info.ChartKey, Legend = curve };
    }

    private static MetricInfo? FindFamily(string name)
    {
        if (name.StartsWith(HeldOutPrefix, StringComparison.Ordinal)) return FindHeldOut(name);
        if (name.Split('/') is ["rewards", var function, "mean"])
        {
            const string explanation = "Mean of each reward function before weighting.";
            return new(name, "Reward by function", function, "", explanation, MetricDirection.Up, "rewards/mean");
        }

        if (name.Split('/') is ["rewards", var spread, "std"])
        {
            const string explanation = "Standard deviation of each reward function over the step's samples.";
            return new(name, "Reward spread by function", spread, "", explanation, MetricDirection.Neutral, "rewards/std");
        }

        if (name.Split('/') is ["rewards", var server, "failures"])
            return new(name, "Completions that could not be scored", server, "", "Completions of a step that a reward server failed to score.", MetricDirection.Down, "rewards/failures");
        if (name.Split('/') is ["time", var phase])
            return new(name, "Time by phase", phase, "s", "Wall-clock time of a step, by what it went into.", MetricDirection.Down, "time");
        if (name.Split('/') is ["memory", var part])
            return new(name, "Memory", part, "", "Memory in use; it should level off.", MetricDirection.Down, "memory");
        return FindCounted(name);
    }

    private static MetricInfo? FindCounted(string name)
    {
        if (TryCount(name, "pass@", out var k))
        {
            var explanation = k == 1
                ? "Share of samples that are right: the chance that one try solves a problem."
                : $"Chance that at least one of {k} tries solves a problem.";
            return new(name, name, name, "", explanation, MetricDirection.Up, "pass@k") { IsShare = true };
        }

        if (TryCount(name, "maj@", out k))
        {
            var explanation = $"Share of problems whose most frequent answer among {k} tries is right.";
            return new(name, name, name, "", explanation, MetricDirection.Up, "maj@k") { IsShare = true };
        }

        if (TryCount(name, "distinct_", out k) || TryCount(name, "distinct-", out k))
        {
            var explanation = $"Share of different {k}-grams among all: falls when the model repeats itself.";
            return new(name, $"Distinct {k}-grams", name, "", explanation, MetricDirection.Up, "distinct-n") { IsShare = true };
        }

        return null;
    }

    private static bool TryCount(string name, string prefix, out int count)
    {
        count = 0;
        return name.StartsWith(prefix, StringComparison.Ordinal) && int.TryParse(name.AsSpan(prefix.Length), out count);
    }
}
