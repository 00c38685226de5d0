using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Recipes;

/// <summary>
/// Remembers, in <c>stages.json</c> of the run directory, from which inputs each stage was made: its settings, the seed, the model's settings, the stages
/// it reads and the files it reads. A stage is reused where all are the same.
/// </summary>
internal sealed class StageLedger
{
    private readonly RunDirectory directory;
    private readonly Recipe recipe;
    private readonly string path;
    private readonly Dictionary<string, Entry> entries;

    public StageLedger(RunDirectory directory, Recipe recipe)
    {
        (this.directory, this.recipe) = (directory, recipe);
        path = PathIn(directory);
        entries = Read(path);
    }

    /// <summary>The finished stages of a run: name → hash of the inputs. Another process may be working on the run.</summary>
    public static IReadOnlyDictionary<string, string> Finished(RunDirectory directory) =>
        Read(PathIn(directory)).Where(pair => pair.Value.Finished).ToDictionary(pair => pair.Key, pair => pair.Value.Inputs);

    public bool IsFinished(Stage stage) => entries.TryGetValue(stage.Name, out var entry) && entry.Finished && entry.Inputs == InputsOf(stage)
        && IsThere(stage, directory);

    /// <summary>Whether a run holds what a finished stage leaves behind.</summary>
    public static bool IsThere(Stage stage, RunDirectory run) =>
        (!stage.HasModel || Models.ModelFolder.IsModel(run.Final(stage.Name))) && (stage is not Label || File.Exists(Label.FileOf(run, stage.Name)));

    /// <summary>Marks a stage as begun. Checkpoints of other inputs, or where the run does not resume, are removed.</summary>
    /// <returns>Whether there are checkpoints to resume from.</returns>
    public bool Begin(Stage stage, bool resume)
    {
        var inputs = InputsOf(stage);
        var checkpoints = directory.Checkpoints(stage.Name);
        var continues = resume && entries.TryGetValue(stage.Name, out var entry) && !entry.Finished && entry.Inputs == inputs
            && directory.CheckpointSteps(stage.Name).Count > 0;
        if (!continues && Directory.Exists(checkpoints))
            Directory.Delete(checkpoints, recursive: true);
        Save(stage, new Entry(inputs, Finished: false));
        return continues;
    }

    public void Finish(Stage stage) => Save(stage, new Entry(InputsOf(stage), Finished: true));

    private static string PathIn(RunDirectory directory) => Path.Combine(directory.Root, "stages.json");

    private static Dictionary<string, Entry> Read(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Dictionary<string, Entry>>(File.ReadAllBytes(path)) ?? [] : [];
        }
        catch (JsonException)
        {
            // A damaged ledger costs time, not correctness: everything is done again.
            return [];
        }
    }

    private void Save(Stage stage, Entry entry)
    {
        entries[stage.Name] = entry;
        AtomicFile.WriteAllText(path, JsonSerializer.Serialize(entries, JsonLayout.Indented) + "\n");
    }

    /// <summary>The hashes of a recipe's stages in order.</summary>
    public static IReadOnlyList<string> InputsOf(Recipe recipe) => [.. recipe.Stages.Select(stage => InputsOf(stage, recipe))];

    /// <summary>A hash of everything that decides what the stage leaves behind.</summary>
    public string InputsOf(Stage stage) => InputsOf(stage, recipe);

    private static string InputsOf(Stage stage, Recipe recipe)
    {
        var text = new StringBuilder();
        text.Append(typeof(StageLedger).Assembly.GetName().Version).Append('\n').Append(recipe.Seed).Append('\n');
        text.Append(recipe.Model is { } model ? Fingerprint.Of(model) : "").Append('\n').Append(Fingerprint.Of(stage)).Append('\n');
        foreach (var file in new object?[] { recipe.Model, stage }.OfType<object>().SelectMany(FilesOf))
            text.Append(Stamp(file)).Append('\n');
        foreach (var input in stage.Inputs.Concat(DataReference.Of(stage).Select(data => data.Name)).Distinct().Order(StringComparer.Ordinal))
        {
            var source = recipe.Stages.FirstOrDefault(other => other.Name == input);
            text.Append(input).Append(' ').Append(source is not null ? InputsOf(source, recipe) : Stamp(input)).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The files that settings name, found by the records that can name one.</summary>
    private static IEnumerable<string> FilesOf(object settings)
    {
        foreach (var property in settings.GetType().GetProperties().Where(property => property.GetIndexParameters().Length == 0))
        {
            var value = property.GetValue(settings);
            if (value is DataSource { Path: { } file })
                yield return file;
            if (value is string text && settings is ModelSource)
                yield return text;
        }
    }

    private static string Stamp(string reference)
    {
        var resolved = ProgramPaths.Resolve(reference);
        if (Directory.Exists(resolved))
            return string.Join('\n', Directory.GetFiles(resolved).Order(StringComparer.Ordinal).Select(Stamp));
        var info = new FileInfo(resolved);
        return info.Exists ? $"{info.Name} {info.Length} {info.LastWriteTimeUtc.Ticks}" : reference;
    }

    private sealed record Entry(string Inputs, bool Finished);
}
