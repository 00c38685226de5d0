using LlmRL.Alarms;

namespace LlmRL.Runs;

/// <summary>The one place that a loop reports to: it feeds the files, TensorBoard and the console.</summary>
public sealed class RunLog : IDisposable
{
    private readonly RunDirectory directory;
    private readonly RunConsole console;
    private readonly TimeProvider time;
    private readonly string host;
    private readonly MetricsWriter metrics;
    private readonly MetricsWriter timings;
    private readonly SamplesWriter samples;
    private TensorBoardWriter? tensorBoard;
    private string? stage;

    /// <summary>Opens the logs of a run, continuing those that are there.</summary>
    /// <param name="directory">Where they lie.</param>
    /// <param name="console">What the user sees.</param>
    /// <param name="time">Clock of the TensorBoard events.</param>
    /// <param name="host">Machine name in the event files' names.</param>
    public RunLog(RunDirectory directory, RunConsole console, TimeProvider time, string host)
    {
        (this.directory, this.console, this.time, this.host) = (directory, console, time, host);
        metrics = new MetricsWriter(directory.MetricsPath);
        timings = new MetricsWriter(directory.TimingsPath);
        samples = new SamplesWriter(directory.SamplesPath);
    }

    /// <summary>The numbers logged last in this stage; none before its first step.</summary>
    public IReadOnlyCollection<KeyValuePair<string, double>> Latest { get; private set; } = [];

    /// <summary>What watches the stage that runs, or that ran last; null where nothing does.</summary>
    public AlarmMonitor? Alarms { get; private set; }

    /// <summary>Puts everything logged so far on the disk itself.</summary>
    public void Sync()
    {
        metrics.Sync();
        timings.Sync();
        samples.Sync();
    }

    /// <summary>A stage begins; <paramref name="startStep"/> steps of it are done where it resumes.</summary>
    /// <param name="name">Its name in the recipe.</param>
    /// <param name="kind">What it does.</param>
    /// <param name="totalSteps">Steps that it will have made at its end.</param>
    /// <param name="startStep">Steps already made.</param>
    /// <param name="alarms">What watches it; is shown the rows of the steps already made.</param>
    public void StageStarted(string name, string kind, int totalSteps, int startStep = 0, AlarmMonitor? alarms = null)
    {
        tensorBoard?.Dispose();
        tensorBoard = new TensorBoardWriter(directory.TensorBoard(name), time, host, startStep > 0 ? startStep + 1 : null);
        (stage, Alarms, Latest) = (name, alarms, []);
        if (alarms is not null && startStep > 0)
        {
            foreach (var row in MetricsReader.Read(directory.MetricsPath).Where(row => row.Stage == name && row.Step <= startStep))
                alarms.Observe(row.Step, row.Values);
        }

        console.StageStarted(name, kind, totalSteps, startStep);
    }

    /// <summary>
    /// A step is done: its numbers go to metrics.jsonl, those of <see cref="MetricCatalog.IsTiming"/> to timings.jsonl, all to TensorBoard.
    /// </summary>
    public void Step(int step, IReadOnlyCollection<KeyValuePair<string, double>> values) => Log(step, values, console.Step);

    /// <summary>What was measured on held-out rows after a step, 0 before the first: a row by itself, behind the step's own.</summary>
    public void Evaluation(int step, IReadOnlyCollection<KeyValuePair<string, double>> values) => Log(step, values, console.Evaluation);

    /// <summary>Keeps a sampled completion.</summary>
    public void Sample(SampleRow row) => samples.Write(row);

    /// <summary>A stage is done.</summary>
    /// <param name="result">Its outcome.</param>
    /// <param name="output">What it left behind, e.g. its model's folder.</param>
    public void StageFinished(StageSummary result, string? output = null)
    {
        tensorBoard?.Dispose();
        (tensorBoard, stage) = (null, null);
        console.StageFinished(result, output);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        tensorBoard?.Dispose();
        metrics.Dispose();
        timings.Dispose();
        samples.Dispose();
    }

    private void Log(int step, IReadOnlyCollection<KeyValuePair<string, double>> values, Action<int, IEnumerable<KeyValuePair<string, double>>, IReadOnlyList<string>?> show)
    {
        if (stage is null || tensorBoard is null) throw new InvalidOperationException("A step was logged before StageStarted.");
        Latest = values;
        metrics.Write(step, stage, values.Where(pair => !MetricCatalog.IsTiming(pair.Key)));
        var clocked = values.Where(pair => MetricCatalog.IsTiming(pair.Key)).ToArray();
        if (clocked.Length > 0) timings.Write(step, stage, clocked);
        tensorBoard.Scalars(stage, step, values);
        var changed = Alarms?.Observe(step, values) ?? [];
        show(step, values, Alarms?.Active);
        foreach (var alarm in changed)
            console.Alarm(alarm);
        foreach (var unseeing in Alarms?.Unseeing() ?? [])
            console.Warn($"{stage}: {unseeing}");
    }
}
