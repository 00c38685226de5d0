using System.Text;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>Removes what an earlier, now outdated run of a stage left in a run directory's logs.</summary>
public static class StageLogs
{
    /// <summary>Rewrites metrics, timings and samples without a stage's lines, each file whole or not at all. The logs must not be open.</summary>
    public static void Forget(RunDirectory directory, string stage)
    {
        foreach (var path in new[] { directory.MetricsPath, directory.TimingsPath, directory.SamplesPath })
            RemoveLines(path, stage);
        if (Directory.Exists(directory.TensorBoard(stage)))
            Directory.Delete(directory.TensorBoard(stage), recursive: true);
    }

    private static void RemoveLines(string path, string stage)
    {
        if (!File.Exists(path))
            return;
        var lines = File.ReadAllLines(path);
        var kept = lines.Where(line => !IsOf(line, stage)).ToArray();
        if (kept.Length != lines.Length)
            AtomicFile.WriteAllText(path, string.Concat(kept.Select(line => line + "\n")));
    }

    private static bool IsOf(string line, string stage) =>
        JsonLinesReader.TryParse(Encoding.UTF8.GetBytes(line), out var row) && row.TryGetProperty("stage", out var name) && name.ValueKind == JsonValueKind.String && name.GetString() == stage;
}
