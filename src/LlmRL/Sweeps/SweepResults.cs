using LlmRL.Recipes;
using LlmRL.Runs;

namespace LlmRL.Sweeps;

/// <summary>What a sweep's runs have left on the disk.</summary>
/// <param name="Plan">The sweep.</param>
/// <param name="Runs">Every run of the plan with what it has reached.</param>
public sealed record SweepResults(SweepPlan Plan, IReadOnlyList<SweepRunResult> Runs)
{
    /// <summary>Reads the runs' folders.</summary>
    public static SweepResults Read(SweepPlan plan) => new(plan, [.. plan.Runs.Select(SweepRunResult.Read)]);

    /// <summary>The runs of a variant, by seed.</summary>
    public IEnumerable<SweepRunResult> Of(string variant) => Runs.Where(result => result.Run.Variant == variant);

    /// <summary>The finished stages of the run that has most of them, the last of several: what is shown by default is taken from there.</summary>
    public IReadOnlyList<StageSummary> Stages => Runs.Select(result => result.Summary?.Stages ?? []).OrderBy(stages => stages.Count).LastOrDefault() ?? [];

    /// <summary>Time spent on training and evaluation, a stage that several runs share counted once.</summary>
    public double Seconds => Runs.SelectMany(result => result.StageSeconds).DistinctBy(stage => stage.Inputs).Sum(stage => stage.Seconds);
}

/// <summary>A run and its results.</summary>
/// <param name="Run">The run.</param>
/// <param name="Summary">Its finished stages; null where it has none.</param>
/// <param name="IsFinished">Whether every stage is finished.</param>
public sealed record SweepRunResult(SweepRun Run, RunSummary? Summary, bool IsFinished)
{
    private IReadOnlyList<MetricsRow>? rows;

    /// <summary>What the run logged at each step.</summary>
    public IReadOnlyList<MetricsRow> Rows => rows ??= MetricsReader.Read(Path.Combine(Run.Folder, "metrics.jsonl"));

    /// <summary>The run's stages, by the hash of their inputs, with the time that each took.</summary>
    internal IEnumerable<(string Inputs, double Seconds)> StageSeconds =>
        Run.Recipe.Stages.Zip(StageLedger.InputsOf(Run.Recipe)).Select(pair => (pair.Second, Summary?.Stage(pair.First.Name)?.Seconds ?? 0));

    /// <summary>Reads a run's folder.</summary>
    public static SweepRunResult Read(SweepRun run)
    {
        var summary = RunDirectory.TryOpen(run.Folder) is { } directory ? RunSummary.Read(directory.SummaryPath) : null;
        return new SweepRunResult(run, summary, Pipeline.IsFinished(run.Recipe, run.Folder));
    }

    /// <summary>
    /// A metric of the run's summary, looked for from the last stage to the first: under its full name, or as that of the last policy that was evaluated.
    /// </summary>
    public Measurement? Measured(string metric)
    {
        foreach (var stage in Summary?.Stages.Reverse() ?? [])
        {
            var table = EvaluationTable.Of(stage);
            foreach (var policy in table.Policies.Reverse())
            {
                foreach (var row in table.Rows.Where(row => row.Cells.ContainsKey(policy)))
                {
                    if (metric == row.Metric || metric == $"{row.Metric}/{policy}")
                        return row.Cells[policy];
                }
            }

            if (stage.Metrics.TryGetValue(metric, out var value))
                return new Measurement(value, stage.Metrics.TryGetValue(metric + "_se", out var error) ? error : null);
        }

        return null;
    }
}
