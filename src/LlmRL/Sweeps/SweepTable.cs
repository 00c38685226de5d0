using LlmRL.Evaluation;
using LlmRL.Runs;

namespace LlmRL.Sweeps;

/// <summary>A metric of a variant over its seeds.</summary>
/// <param name="Mean">Mean over the seeds that have it.</param>
/// <param name="Error">Standard error of the mean, s/√n with s² = Σ(x − x̄)²/(n − 1); null for fewer than two seeds.</param>
/// <param name="BySeed">Seed → the run's own measurement.</param>
public sealed record SweepCell(double Mean, double? Error, IReadOnlyDictionary<ulong, Measurement> BySeed)
{
    /// <summary>The cell of some runs' measurements; null where there is none.</summary>
    public static SweepCell? Of(IReadOnlyDictionary<ulong, Measurement> bySeed)
    {
        if (bySeed.Count == 0)
            return null;
        var (mean, error) = MeanAndError([.. bySeed.Values.Select(measured => measured.Value)]);
        return new SweepCell(mean, error, bySeed);
    }

    /// <summary>x̄ and s/√n, the latter null for n = 1, which says nothing of it.</summary>
    internal static (double Mean, double? Error) MeanAndError(double[] values)
    {
        var estimate = Estimate.Mean(values);
        return (estimate.Value, estimate.Count < 2 ? null : estimate.StandardError);
    }
}

/// <summary>The comparison of a sweep's variants.</summary>
/// <param name="Metrics">Columns.</param>
/// <param name="Rows">Variants in order, each with a cell a metric; null where no run of the variant has it.</param>
public sealed record SweepTable(IReadOnlyList<string> Metrics, IReadOnlyList<(string Variant, IReadOnlyList<SweepCell?> Cells)> Rows)
{
    private const int DefaultColumns = 6;

    /// <summary>The table of what a sweep's runs have reached so far.</summary>
    public static SweepTable Of(SweepResults results)
    {
        var metrics = results.Plan.Sweep.Sweep.Metrics is { Count: > 0 } wanted ? wanted : DefaultMetrics(results);
        return new SweepTable(metrics,
        [
            .. results.Plan.Variants.Select(variant => (variant, (IReadOnlyList<SweepCell?>)[.. metrics.Select(metric => Cell(results.Of(variant), metric))])),
        ]);
    }

    /// <summary>The columns that no run has a number for.</summary>
    public IEnumerable<string> Missing => Metrics.Where((_, column) => Rows.All(row => row.Cells[column] is null));

    /// <summary>Whether a cell is the best of its column; false where neither more nor less of the metric is better, and where all are equal.</summary>
    public bool IsBest(int row, int column)
    {
        var sign = Info(Metrics[column]).Better switch { MetricDirection.Up => 1, MetricDirection.Down => -1, _ => 0 };
        var rivals = Rows.Select(other => other.Cells[column]).OfType<SweepCell>().Select(rival => sign * rival.Mean).ToList();
        return sign != 0 && Rows[row].Cells[column] is { } cell && sign * cell.Mean >= rivals.Max() && sign * cell.Mean > rivals.Min();
    }

    /// <summary>What is known of a column's metric.</summary>
    internal static MetricInfo Info(string metric) =>
        MetricCatalog.Find(metric) ?? (metric.LastIndexOf('/') is > 0 and var slash ? MetricCatalog.Find(metric[..slash]) : null) ?? MetricCatalog.Describe(metric);

    private static SweepCell? Cell(IEnumerable<SweepRunResult> runs, string metric) => SweepCell.Of(runs
        .Where(result => result.IsFinished).Select(result => (result.Run.Seed, Measured: result.Measured(metric))).Where(pair => pair.Measured is not null)
        .ToDictionary(pair => pair.Seed, pair => pair.Measured!.Value));

    /// <summary>What the last evaluation measured, or, without one, the numbers of the last stage that has some.</summary>
    private static IReadOnlyList<string> DefaultMetrics(SweepResults results)
    {
        var evaluated = results.Stages.Select(EvaluationTable.Of).LastOrDefault(table => table.Rows.Count > 0)?.Rows.Select(row => row.Metric);
        var logged = results.Stages.LastOrDefault(stage => stage.Metrics.Count > 0)?.Metrics.Keys.Where(name => !name.EndsWith("_se", StringComparison.Ordinal));
        // pass@1[difficulty=2] and the like divide what another column has as a whole.
        return [.. (evaluated ?? logged ?? []).Where(name => !name.Contains('[')).Take(DefaultColumns)];
    }
}
