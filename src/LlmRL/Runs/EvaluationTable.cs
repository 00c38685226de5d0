namespace LlmRL.Runs;

/// <summary>A measured number and its standard error, where that is known.</summary>
/// <param name="Value">The number.</param>
/// <param name="Error">Its standard error.</param>
public readonly record struct Measurement(double Value, double? Error);

/// <summary>One metric of an evaluate stage.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Cells">Policy → measurement.</param>
/// <param name="Change">
/// <see cref="EvaluationTable.After"/> less <see cref="EvaluationTable.Before"/>: the difference, and √(se₁² + se₂²) as if the two were independent,
/// which is cautious where both answered the same prompts. Null where one of them lacks the metric.
/// </param>
public sealed record EvaluationRow(string Metric, IReadOnlyDictionary<string, Measurement> Cells, Measurement? Change);

/// <summary>The metrics of an evaluate stage, <c>&lt;metric&gt;/&lt;policy&gt;</c>, as a table: metrics down, policies across.</summary>
/// <param name="Policies">Columns, in the order in which they first occur.</param>
/// <param name="Rows">Rows, in the order of <see cref="MetricCatalog.Order"/>.</param>
public sealed record EvaluationTable(IReadOnlyList<string> Policies, IReadOnlyList<EvaluationRow> Rows)
{
    private const string ErrorSuffix = "_se";

    /// <summary>The policy that changes are counted from: the first. Empty without policies.</summary>
    public string Before => Policies.Count > 0 ? Policies[0] : "";

    /// <summary>The policy that changes are counted to: the last one that shares a metric with the first. Empty where there is none.</summary>
    public string After => Last([.. Policies], Rows.Select(row => row.Cells));

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

        var after = Last(policies, cells.Values);
        var rows = cells.OrderBy(pair => MetricCatalog.Order(pair.Key))
            .Select(pair => new EvaluationRow(pair.Key, pair.Value, after.Length > 0 ? Change(pair.Value, policies[0], after) : null));
        return new EvaluationTable(policies, [.. rows]);
    }

    private static bool IsError(StageSummary stage, string metric, string policy) =>
        metric.EndsWith(ErrorSuffix, StringComparison.Ordinal) && stage.Metrics.ContainsKey($"{metric[..^ErrorSuffix.Length]}/{policy}");

    private static string Last(List<string> policies, IEnumerable<IReadOnlyDictionary<string, Measurement>> rows)
    {
        var shared = rows.Where(row => policies.Count > 0 && row.ContainsKey(policies[0])).ToList();
        return policies.Skip(1).LastOrDefault(policy => shared.Any(row => row.ContainsKey(policy))) ?? "";
    }

    private static Measurement? Change(Dictionary<string, Measurement> row, string first, string last)
    {
        if (!row.TryGetValue(first, out var before) || !row.TryGetValue(last, out var after)) return null;
        double? error = before.Error is { } a && after.Error is { } b ? Math.Sqrt(a * a + b * b) : null;
        return new Measurement(after.Value - before.Value, error);
    }
}
