using System.Globalization;

namespace LlmRL.Runs;

/// <summary>
/// The folder of one run, and where everything in it lies:
/// <code>
/// recipe.yaml                  the recipe as resolved
/// metrics.jsonl                one object a step, the same bytes for the same seed
/// timings.jsonl                times and throughput a step
/// samples.jsonl                sampled completions
/// tensorboard/STAGE/           event files
/// checkpoints/STAGE/step-N/    to resume from, Hugging Face layout plus optimizer and loop state
/// non-finite/STAGE-step-N/     a batch whose loss or gradient was not finite, for <c>llmrl replay</c>
/// final/STAGE/                 the stage's model in Hugging Face layout
/// summary.json                 finished stages and their headline numbers
/// report.html                  plots, tables and samples in one file
/// </code>
/// </summary>
public sealed class RunDirectory
{
    private RunDirectory(string path) => Root = path;

    /// <summary>The folder itself, as it was named.</summary>
    public string Root { get; }

    /// <summary>The recipe as resolved.</summary>
    public string RecipePath => Path.Combine(Root, "recipe.yaml");

    /// <summary>Metrics a step, see <see cref="MetricsWriter"/>.</summary>
    public string MetricsPath => Path.Combine(Root, "metrics.jsonl");

    /// <summary>Times and throughput a step.</summary>
    public string TimingsPath => Path.Combine(Root, "timings.jsonl");

    /// <summary>Sampled completions, see <see cref="SamplesWriter"/>.</summary>
    public string SamplesPath => Path.Combine(Root, "samples.jsonl");

    /// <summary>Finished stages, see <see cref="RunSummary"/>.</summary>
    public string SummaryPath => Path.Combine(Root, "summary.json");

    /// <summary>The report, see <c>Report</c>.</summary>
    public string ReportPath => Path.Combine(Root, "report.html");

    /// <summary>The stages with a finished model, oldest first; folders named <c>.…</c> or <c>….tmp</c> are still being written.</summary>
    public IReadOnlyList<string> FinalStages => Subfolders(Path.Combine(Root, "final"));

    /// <summary>Opens a run's folder, and creates it where it is absent.</summary>
    /// <exception cref="BadInputException">The path is a file, or nothing can be written there.</exception>
    public static RunDirectory Create(string path)
    {
        if (File.Exists(path)) throw new BadInputException($"--out {path} is a file. Name a folder for the run's output.");
        try
        {
            Directory.CreateDirectory(path);
            // A folder that cannot be written to should be found before an hour of training, not after it.
            AtomicFile.WriteAllText(Path.Combine(path, ".writable"), "");
            File.Delete(Path.Combine(path, ".writable"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--out {path} cannot be written to: {e.Message} Name another folder, or change its permissions.", e);
        }

        RefuseLinks(path);
        return new RunDirectory(path);
    }

    /// <summary>Opens the folder of an existing run.</summary>
    /// <exception cref="BadInputException">There is no run in it.</exception>
    public static RunDirectory Open(string path) => TryOpen(path)
        ?? throw new BadInputException($"{path} holds no run: it has neither metrics.jsonl nor summary.json. Name the folder given to --out.");

    /// <summary>Opens the folder of an existing run; null where there is none in it.</summary>
    public static RunDirectory? TryOpen(string path) => new RunDirectory(path) is { HoldsRun: true } directory ? directory : null;

    /// <summary>The runs directly inside a folder, by name.</summary>
    public static IReadOnlyList<RunDirectory> List(string folder) => !Directory.Exists(folder)
        ? []
        : [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Select(path => new RunDirectory(path)).Where(run => run.HoldsRun)];

    /// <summary>Makes sure that one process at a time works on the run; the lock ends with the returned object or with the process.</summary>
    /// <param name="note">Is told where the lock of a process that is gone was taken over.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="BadInputException">Another process works on it.</exception>
    public IDisposable Lock(Action<string>? note = null, TimeProvider? time = null) => RunLock.Take(Root, time ?? TimeProvider.System, note);

    /// <summary>The folder of a stage's TensorBoard event files.</summary>
    public string TensorBoard(string stage) => Path.Combine(Root, "tensorboard", Checked(stage));

    /// <summary>The folder of a stage's model.</summary>
    public string Final(string stage) => Path.Combine(Root, "final", Checked(stage));

    /// <summary>The folder of a batch whose loss or gradient was not finite.</summary>
    public string NonFinite(string stage, int step) => Path.Combine(Root, "non-finite", string.Create(CultureInfo.InvariantCulture, $"{Checked(stage)}-step-{step}"));

    /// <summary>The folder of a stage's checkpoints.</summary>
    public string Checkpoints(string stage) => Path.Combine(Root, "checkpoints", Checked(stage));

    /// <summary>The folder of the checkpoint after a step.</summary>
    public string Checkpoint(string stage, int step) => Path.Combine(Checkpoints(stage), string.Create(CultureInfo.InvariantCulture, $"step-{step}"));

    /// <summary>The steps of a stage's checkpoints in order; folders under temporary names are no checkpoints.</summary>
    public IReadOnlyList<int> CheckpointSteps(string stage)
    {
        const string prefix = "step-";
        return
        [
            .. Subfolders(Checkpoints(stage))
                .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
                .Select(name => int.TryParse(name.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : -1)
                .Where(step => step >= 0)
                .Order(),
        ];
    }

    /// <summary>Deletes all but the newest checkpoints of a stage.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="keep">How many stay.</param>
    /// <param name="best">The step of one that stays beside them; null: none.</param>
    public void PruneCheckpoints(string stage, int keep, int? best = null)
    {
        foreach (var step in CheckpointSteps(stage).SkipLast(keep).Where(step => step != best)) Disk.DeleteFolder(Checkpoint(stage, step));
    }

    /// <summary>Deletes what a killed process left half-written: files and folders under temporary names. The run must be locked.</summary>
    public void DeleteTemporaries()
    {
        foreach (var folder in Directory.GetDirectories(Root, "*.tmp", SearchOption.AllDirectories).Where(Directory.Exists)) Disk.DeleteFolder(folder);
        foreach (var file in Directory.GetFiles(Root, ".*.tmp", SearchOption.AllDirectories)) File.Delete(file);
    }

    /// <summary>Whatever a recipe names, nothing is written outside the run's folder: so a link in it that leads out is refused.</summary>
    private static void RefuseLinks(string path)
    {
        var root = Path.GetFullPath(path);
        var options = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = true };
        foreach (var entry in new DirectoryInfo(root).EnumerateFileSystemInfos("*", options).Where(entry => entry.LinkTarget is not null))
        {
            var target = entry.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? entry.LinkTarget!;
            if (!target.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
                throw new BadInputException($"{entry.FullName} is a link to {target}, outside of the run's folder, where a run must not write. Remove it, or name the other place with --out.");
        }
    }

    private bool HoldsRun => File.Exists(MetricsPath) || File.Exists(SummaryPath);

    private static string[] Subfolders(string folder) => !Directory.Exists(folder)
        ? []
        :
        [
            .. new DirectoryInfo(folder).GetDirectories()
                .Where(child => !child.Name.StartsWith('.') && !child.Name.EndsWith(".tmp", StringComparison.Ordinal))
                .OrderBy(child => child.LastWriteTimeUtc).ThenBy(child => child.Name, StringComparer.Ordinal)
                .Select(child => child.Name),
        ];

    /// <summary>Stage names become folder names and parts of metric keys.</summary>
    private static string Checked(string stage) =>
        stage.Length > 0 && stage[0] != '.' && stage.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.')
            ? stage
            : throw new BadInputException($"The stage name \"{stage}\" cannot be a folder's name. Use letters, digits, '_' and '-'.");
}
