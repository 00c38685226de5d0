namespace LlmRL.Runs;

/// <summary>A measured number and its standard error, where that is known.</summary>
/// <param name="Value">The number.</param>
/// <param name="Error">Its standard error.</param>
public readonly record struct Measurement(double Value, double? Error);

/// <summary>One metric of an evaluate stage.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Cells">Policy → measurement.</param>
/// <param name="Change">
/// The last policy that has the metric against the first: the difference, and √(se₁² + se₂²) as if the two were independent, which is cautious
/// where both answered the same prompts. Null where fewer than two policies have it.
/// </param>
public sealed record EvaluationRow(string Metric, IReadOnlyDictionary<string, Measurement> Cells, Measurement? Change);

/// <summary>The metrics of an evaluate stage, <c>&lt;metric&gt;/&lt;policy&gt;</c>, as a table: metrics down, policies across.</summary>
/// <param name="Policies">Columns, in the order in which they first occur.</param>
/// <param name="Rows">Rows, in the order of <see cref="MetricCatalog.Order"/>.</param>
public sealed record EvaluationTable(IReadOnlyList<string> Policies, IReadOnlyList<EvaluationRow> Rows)
{
    private const string ErrorSuffix = "_se";

    /// <summary>True where at least one measurement has a standard error.</summary>
    public bool HasErrors => Rows.Any(row => row.Cells.Values.Any(cell => cell.Error is not null));

    /// <summary>The table of an evaluate stage; without rows for another kind of stage.</summary>
    public static EvaluationTable Of(StageSummary stage)
    {
        if (stage.Kind is not "evaluate") return new EvaluationTable([], []);
        var policies = new List<string>();
        var cells = new OrderedDictionary<string, Dictionary<string, Measurement>>();
        foreach (var (key, value) in stage.Metrics)
        {
            // A metric's name may hold a slash; a policy's may not.
            var slash = key.LastIndexOf('/');
            if (slash <= 0) continue;
            var (metric, policy) = (key[..slash], key[(slash + 1)..]);
            if (IsError(stage, metric, policy)) continue;
            if (!policies.Contains(policy)) policies.Add(policy);
            double? error = stage.Metrics.TryGetValue($"{metric}{ErrorSuffix}/{policy}", out var se) ? se : null;
            if (!cells.TryGetValue(metric, out var row)) cells[metric] = row = [];
            row[policy] = new Measurement(value, error);
        }

        var rows = cells.OrderBy(pair => MetricCatalog.Order(pair.Key)).Select(pair => new EvaluationRow(pair.Key, pair.Value, Change(policies, pair.Value)));
        return new EvaluationTable(policies, [.. rows]);
    }

    private static bool IsError(StageSummary stage, string metric, string policy) =>
        metric.EndsWith(ErrorSuffix, StringComparison.Ordinal) && stage.Metrics.ContainsKey($"{metric[..^ErrorSuffix.Length]}/{policy}");

    private static Measurement? Change(List<string> policies, Dictionary<string, Measurement> row)
    {
        var present = policies.Where(row.ContainsKey).ToArray();
        if (present.Length < 2) return null;
        var (before, after) = (row[present[0]], row[present[^1]]);
        double? error = before.Error is { } a && after.Error is { } b ? Math.Sqrt(a * a + b * b) : null;
        return new Measurement(after.Value - before.Value, error);
    }
}
