using LlmRL.Recipes;
using LlmRL.Runs;

namespace LlmRL.Sweeps;

/// <summary>A run of a sweep that did not reach its end.</summary>
/// <param name="message">What went wrong, and where to read more.</param>
/// <param name="inner">The run's own fault, where it ran in this process.</param>
public sealed class RunFailedException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A sweep was asked to stop, and its runs have written checkpoints.</summary>
public sealed class SweepStoppedException() : OperationCanceledException("Interrupted. Repeat the command to go on.");

/// <summary>
/// Starts one run and waits for its end. It resumes from checkpoints, takes finished stages from the donors' folders, stops with a checkpoint where it is
/// cancelled (<see cref="OperationCanceledException"/>), and reports a failure as a <see cref="RunFailedException"/>.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="donors">Folders of the sweep's other runs with the same seed.</param>
/// <param name="cancellation">Asks the run to stop.</param>
public delegate Task RunLauncher(SweepRun run, IReadOnlyList<string> donors, CancellationToken cancellation);

/// <summary>
/// Runs what a sweep lacks. Stages that several runs have in common are trained once: a run that shares an unfinished stage with one that is going on waits
/// for it, and takes the stage from there.
/// </summary>
/// <param name="plan">The runs.</param>
/// <param name="launch">Starts a run.</param>
/// <param name="console">What the user sees.</param>
/// <param name="time">The clock.</param>
public sealed class SweepRunner(SweepPlan plan, RunLauncher launch, RunConsole console, TimeProvider time)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<Task, (SweepRun Run, long Started)> active = [];
    private readonly List<string> failures = [];
    private int ended;

    /// <summary>Runs every run that is not finished; others go on where one fails.</summary>
    /// <param name="cancellation">Asks the runs to stop, with checkpoints.</param>
    /// <returns>What went wrong, one text a failed run.</returns>
    /// <exception cref="SweepStoppedException">The sweep was stopped.</exception>
    public IReadOnlyList<string> Run(CancellationToken cancellation)
    {
        var pending = plan.Runs.Where(run => !Pipeline.IsFinished(run.Recipe, run.Folder)).ToList();
        ended = plan.Runs.Count - pending.Count;
        if (ended > 0)
            console.Note($"{ended} of {plan.Runs.Count} runs are done already");
        while (pending.Count + active.Count > 0)
        {
            while (!cancellation.IsCancellationRequested && active.Count < plan.Sweep.Sweep.Jobs && Next(pending) is { } run)
            {
                pending.Remove(run);
                Start(run, cancellation);
            }

            if (active.Count == 0)
                break;
            Task.WaitAny([.. active.Keys], Poll);
            foreach (var task in active.Keys.Where(task => task.IsCompleted).ToList())
                End(task);
        }

        if (cancellation.IsCancellationRequested)
            throw new SweepStoppedException();
        return failures;
    }

    /// <summary>The first run that would not train what another one is training.</summary>
    private SweepRun? Next(List<SweepRun> pending)
    {
        var training = active.Values.SelectMany(other => Unfinished(other.Run)).ToHashSet();
        return pending.Find(run => !Unfinished(run).Any(training.Contains));
    }

    /// <summary>Hashes of the stages that neither the run nor one of its donors has finished.</summary>
    private IEnumerable<string> Unfinished(SweepRun run)
    {
        var finished = Donors(run).Append(run.Folder).Select(RunDirectory.TryOpen).OfType<RunDirectory>().SelectMany(folder => StageLedger.Finished(folder).Values).ToHashSet();
        return StageLedger.InputsOf(run.Recipe).Where(inputs => !finished.Contains(inputs));
    }

    private List<string> Donors(SweepRun run) => [.. plan.Runs.Where(other => other.Seed == run.Seed && other.Folder != run.Folder).Select(other => other.Folder)];

    private void Start(SweepRun run, CancellationToken cancellation)
    {
        console.Note($"{run.Title}  starts");
        var started = time.GetTimestamp();
        active.Add(launch(run, Donors(run), cancellation), (run, started));
    }

    private void End(Task task)
    {
        active.Remove(task, out var entry);
        if (task.IsCanceled || task.Exception?.InnerException is OperationCanceledException)
            return;
        ended++;
        if (task.Exception?.InnerException is { } fault)
        {
            // A fault of the program itself must come out with its trace.
            var text = fault is RunFailedException ? fault.Message : fault.ToString();
            console.Warn($"{entry.Run.Title}  failed: {text}");
            failures.Add($"{entry.Run.Title}: {text}");
            return;
        }

        console.Note($"[{ended}/{plan.Runs.Count}] {entry.Run.Title}  done in {Shown.Duration(time.GetElapsedTime(entry.Started).TotalSeconds)}");
    }
}
