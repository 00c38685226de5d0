using System.Text;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>A stage's lines in the logs of a run directory: removes those of an earlier, now outdated run of it, or takes them over from another directory.</summary>
public static class StageLogs
{
    /// <summary>Rewrites metrics, timings and samples without a stage's lines, each file whole or not at all. The logs must not be open.</summary>
    public static void Forget(RunDirectory directory, string stage)
    {
        ForgetAfter(directory, stage, 0);
        if (Directory.Exists(directory.TensorBoard(stage)))
            Directory.Delete(directory.TensorBoard(stage), recursive: true);
    }

    /// <summary>Rewrites metrics, timings and samples without a stage's lines of later steps, as a stage that resumes from a checkpoint needs.</summary>
    /// <param name="directory">The run.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="step">The last step whose lines stay.</param>
    public static void ForgetAfter(RunDirectory directory, string stage, int step)
    {
        foreach (var path in Files(directory))
            RemoveLines(path, stage, step);
    }

    /// <summary>Appends a stage's lines of another run, which has finished the stage. The logs of the target must not be open.</summary>
    public static void Copy(RunDirectory source, RunDirectory target, string stage)
    {
        foreach (var (from, to) in Files(source).Zip(Files(target)))
        {
            var lines = JsonLinesReader.Read(from).Where(row => IsLater(row, stage, step: 0)).Select(row => row.GetRawText() + "\n").ToArray();
            if (lines.Length > 0)
                File.AppendAllText(to, string.Concat(lines));
        }
    }

    private static string[] Files(RunDirectory directory) => [directory.MetricsPath, directory.TimingsPath, directory.SamplesPath];

    private static void RemoveLines(string path, string stage, int step)
    {
        if (!File.Exists(path))
            return;
        var lines = File.ReadAllLines(path);
        var kept = lines.Where((line, i) => JsonLinesReader.TryParse(Encoding.UTF8.GetBytes(line), out var row)
            ? !IsLater(row, stage, step)
            // A last line that a killed process left torn must not become a line in the middle.
            : i < lines.Length - 1).ToArray();
        if (kept.Length != lines.Length)
            AtomicFile.WriteAllText(path, string.Concat(kept.Select(line => line + "\n")));
    }

    // An evaluation's lines may have no step, or step 0: they are of no use without the rest of it.
    private static bool IsLater(JsonElement row, string stage, int step) =>
        row.TryGetProperty("stage", out var name) && name.ValueKind == JsonValueKind.String && name.GetString() == stage
        && (step == 0 || !row.TryGetProperty("step", out var number) || !number.TryGetInt32(out var found) || found > step);
}
