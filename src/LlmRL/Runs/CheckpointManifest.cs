using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>
/// <c>manifest.json</c> of a checkpoint: every file with its size and SHA-256. It is written last, so that a folder without one, or whose files differ from
/// it, is half-written or damaged.
/// </summary>
public static class CheckpointManifest
{
    /// <summary>Name of the manifest, and of the loop's state beside it.</summary>
    public const string FileName = "manifest.json", StateName = "trainer_state.json";

    /// <summary>Version of the checkpoints' layout.</summary>
    public const int Format = 2;

    private const string FormatKey = "format", FilesKey = "files", BytesKey = "bytes", HashKey = "sha256";

    /// <summary>Lists the files that are in a checkpoint's folder.</summary>
    public static void Write(string folder, string stage, int step)
    {
        var files = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'));
        var listed = files.Order(StringComparer.Ordinal).ToDictionary(file => file, file => new Dictionary<string, object>
        {
            [BytesKey] = new FileInfo(Path.Combine(folder, file)).Length,
            [HashKey] = Hash(Path.Combine(folder, file)),
        });
        var manifest = new Dictionary<string, object> { [FormatKey] = Format, ["stage"] = stage, ["step"] = step, [FilesKey] = listed };
        AtomicFile.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(manifest, JsonLayout.Indented) + "\n");
    }

    /// <summary>What is wrong with a checkpoint's files; null where they are as they were written.</summary>
    /// <exception cref="BadInputException">Another version of the program wrote it.</exception>
    public static string? Problem(string folder)
    {
        try
        {
            var path = Path.Combine(folder, FileName);
            if (!File.Exists(path))
            {
                CheckFormat(folder, Path.Combine(folder, StateName));
                return $"{FileName} is missing";
            }

            CheckFormat(folder, path);
            using var manifest = JsonDocument.Parse(File.ReadAllBytes(path));
            return manifest.RootElement.GetProperty(FilesKey).EnumerateObject().Select(file => Problem(folder, file)).FirstOrDefault(problem => problem is not null);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or IOException or FormatException)
        {
            return $"{FileName} cannot be read ({fault.Message})";
        }
    }

    /// <summary>
    /// The newest checkpoint of a stage whose files are whole: damaged ones after it are set aside under another name, with a warning that says which one is
    /// used instead.
    /// </summary>
    /// <returns>Its step; null where there is none.</returns>
    public static int? NewestWhole(RunDirectory directory, string stage, Action<string> warn)
    {
        var damaged = new List<(string Folder, string Problem)>();
        int? whole = null;
        foreach (var step in directory.CheckpointSteps(stage).Reverse())
        {
            var folder = directory.Checkpoint(stage, step);
            if (Problem(folder) is not { } problem)
            {
                whole = step;
                break;
            }

            damaged.Add((folder, problem));
        }

        var next = whole is { } good ? $"going on from {directory.Checkpoint(stage, good)}" : "no other is left, the stage starts again";
        foreach (var (folder, problem) in damaged)
        {
            var aside = folder + ".damaged";
            Disk.DeleteFolder(aside);
            Disk.MoveFolder(folder, aside);
            warn($"{folder} is damaged: {problem}. It is set aside as {Path.GetFileName(aside)}; {next}");
        }

        return whole;
    }

    private static void CheckFormat(string folder, string file)
    {
        if (!File.Exists(file))
            return;
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var found = json.RootElement.TryGetProperty(FormatKey, out var format) && format.TryGetInt32(out var number) ? number : 1;
        if (found != Format)
        {
            throw new BadInputException(string.Create(CultureInfo.InvariantCulture,
                $"{folder}: this checkpoint has format {found}, and this version of the program reads format {Format}. Go on with the version that wrote it, or run without --resume to start the stage again."));
        }
    }

    private static string? Problem(string folder, JsonProperty file)
    {
        var path = Path.Combine(folder, file.Name);
        if (!File.Exists(path))
            return $"{file.Name} is missing";
        var (bytes, expected) = (new FileInfo(path).Length, file.Value.GetProperty(BytesKey).GetInt64());
        if (bytes != expected)
            return string.Create(CultureInfo.InvariantCulture, $"{file.Name} has {bytes} bytes instead of {expected}");
        return Hash(path) == file.Value.GetProperty(HashKey).GetString() ? null : $"the bytes of {file.Name} differ from its checksum";
    }

    private static string Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
