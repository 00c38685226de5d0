using System.Globalization;
using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Recipes;

/// <summary>
/// Remembers, in <c>stages.json</c> of the run directory, from which inputs each stage was made (see <see cref="StageInputs"/>). A stage is reused where all
/// are the same, and an interrupted one goes on where all but its number of steps are.
/// </summary>
internal sealed class StageLedger
{
    private static readonly string StepsKey = KeyNames.Snake(nameof(TrainingStage.Steps));

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

    /// <summary>The hashes of a recipe's stages in order.</summary>
    public static IReadOnlyList<string> InputsOf(Recipe recipe) => [.. recipe.Stages.Select(stage => StageInputs.Hash(StageInputs.Of(stage, recipe)))];

    /// <summary>A hash of everything that decides what the stage leaves behind.</summary>
    public string InputsOf(Stage stage) => StageInputs.Hash(StageInputs.Of(stage, recipe));

    public bool IsFinished(Stage stage) => entries.TryGetValue(stage.Name, out var entry) && entry.Finished && entry.Inputs == InputsOf(stage)
        && IsThere(stage, directory);

    /// <summary>Whether a run holds what a finished stage leaves behind.</summary>
    public static bool IsThere(Stage stage, RunDirectory run) =>
        (!stage.HasModel || Models.ModelFolder.IsModel(run.Final(stage.Name))) && (stage is not Label || File.Exists(Label.FileOf(run, stage.Name)));

    /// <summary>What keeps an interrupted stage from going on from its checkpoints: the setting to blame and the problem; null where nothing does.</summary>
    public (string Key, string Problem)? Obstacle(Stage stage)
    {
        if (!entries.TryGetValue(stage.Name, out var entry) || entry.Finished || directory.CheckpointSteps(stage.Name) is not [.., var step])
            return null;
        var key = recipe.KeyOf(recipe.Stages.ToList().IndexOf(stage));
        if (Differences(stage, entry, step).FirstOrDefault() is not { Name: not null } difference)
            return null;
        var (setting, what) = Describe(key, difference, step);
        return (setting, $"{what}, and {directory.Checkpoint(stage.Name, step)} cannot be continued with it. Set it back, or run without --resume to train the stage from its start.");
    }

    /// <summary>The steps that a stage was to have when its checkpoints were written, where the recipe has another number now.</summary>
    public int? EarlierSteps(Stage stage) => stage is TrainingStage training && entries.GetValueOrDefault(stage.Name)?.Settings is { } settings
        && settings.FirstOrDefault(pair => IsSteps(pair.Key)).Value is { } text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var steps)
        && steps != training.Steps ? steps : null;

    /// <summary>Marks a stage as begun. Checkpoints of other inputs, or where the run does not resume, are removed.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="step">The newest whole checkpoint; null where there is none, or the run does not resume.</param>
    /// <returns>Whether the stage goes on from it.</returns>
    public bool Begin(Stage stage, int? step)
    {
        var continues = step is { } done && entries.TryGetValue(stage.Name, out var entry) && !Differences(stage, entry, done).Any();
        if (!continues)
            Disk.DeleteFolder(directory.Checkpoints(stage.Name));
        Save(stage, finished: false);
        return continues;
    }

    public void Finish(Stage stage) => Save(stage, finished: true);

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

    private static bool IsSteps(string name) => name.EndsWith("." + StepsKey, StringComparison.Ordinal) && name.IndexOf('.') == name.LastIndexOf('.') && !name.Contains(' ');

    private static (string Setting, string What) Describe(string key, (string Name, string? Old, string? New) difference, int step)
    {
        var (name, old, now) = difference;
        var at = key[..(key.LastIndexOf('.') + 1)];
        string Change() => $"it is {now ?? "not set"} and was {old ?? "not set"}";
        return name switch
        {
            StageInputs.Program => (key, $"the program's version is {now} and was {old}"),
            _ when name.StartsWith(StageInputs.FilePrefix, StringComparison.Ordinal) => (key, $"the file {name[StageInputs.FilePrefix.Length..]} has changed"),
            _ when name.StartsWith(StageInputs.Input, StringComparison.Ordinal) => (key, $"'{name[StageInputs.Input.Length..]}', which it reads, has changed"),
            "seed" => (name, Change()),
            _ when name.StartsWith("model.", StringComparison.Ordinal) => (name, Change()),
            _ when IsSteps(name) => (at + name, string.Create(CultureInfo.InvariantCulture, $"it is {now}, but {step} steps are done")),
            _ => (at + name, Change()),
        };
    }

    /// <summary>What differs from when the stage's checkpoints were written; another number of steps is no difference where so many are not done yet.</summary>
    private IEnumerable<(string Name, string? Old, string? New)> Differences(Stage stage, Entry entry, int step)
    {
        if (entry.Settings is not { } old)
            return entry.Inputs == InputsOf(stage) ? [] : [(StageInputs.Program, "another", StageInputs.Of(stage, recipe)[StageInputs.Program])];
        return StageInputs.Differences(old, StageInputs.Of(stage, recipe)).Where(pair => !IsSteps(pair.Name) || (stage as TrainingStage)?.Steps < step);
    }

    private void Save(Stage stage, bool finished)
    {
        var inputs = StageInputs.Of(stage, recipe);
        entries[stage.Name] = new Entry(StageInputs.Hash(inputs), finished, inputs);
        AtomicFile.WriteAllText(path, JsonSerializer.Serialize(entries, JsonLayout.Indented) + "\n");
    }

    private sealed record Entry(string Inputs, bool Finished, SortedDictionary<string, string>? Settings = null);
}
