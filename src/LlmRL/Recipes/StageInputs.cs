using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Recipes;

/// <summary>
/// Everything that decides what a stage leaves behind, by name: its settings (<c>sft.batch_size</c>), the model's, the seed, the stages and files it reads,
/// the program's version. Two stages with equal inputs have the same bytes.
/// </summary>
internal static class StageInputs
{
    /// <summary>How inputs other than settings are named.</summary>
    public const string Program = "program", Input = "input ", FilePrefix = "file ";

    private const string Alarms = "alarms";

    /// <summary>Settings of a stage that only decide when checkpoints are written or what is kept in memory, and those that choose the best, which only counts where it is loaded.</summary>
    private static readonly string[]
        Bookkeeping =
        [
            KeyNames.Snake(nameof(TrainingStage.SaveMinutes)), KeyNames.Snake(nameof(TrainingStage.SaveTotalLimit)), KeyNames.Snake(nameof(TrainingStage.GradientCheckpointing)),
            KeyNames.Snake(nameof(TrainingStage.OptimizerOffload)),
        ],
        Choosing = [KeyNames.Snake(nameof(TrainingStage.SaveSteps)), KeyNames.Snake(nameof(TrainingStage.MetricForBestModel)), KeyNames.Snake(nameof(TrainingStage.GreaterIsBetter))];

    // A copy on another machine has another time; files beyond this size are told apart by it nevertheless.
    private const long MostHashed = 64 << 20;

    private static readonly ConcurrentDictionary<(string Path, long Length, long Ticks), string> Hashes = new();

    /// <summary>The inputs of a stage: name → value as text.</summary>
    public static SortedDictionary<string, string> Of(Stage stage, Recipe recipe)
    {
        var inputs = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [Program] = typeof(StageInputs).Assembly.GetName().Version?.ToString() ?? "",
            ["seed"] = recipe.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        foreach (var (key, value) in recipe.Model is { } model ? Fingerprint.Settings(model) : [])
            inputs["model." + key] = value;
        foreach (var (key, value) in Fingerprint.Settings(stage))
        {
            var name = key[(key.IndexOf('.') + 1)..];
            if (!Bookkeeping.Contains(name) && name != Alarms && !name.StartsWith(Alarms + ".", StringComparison.Ordinal) && (!Choosing.Contains(name) || stage is TrainingStage { LoadBestModelAtEnd: true }))
                inputs[key] = value;
        }

        // Alarms only watch, unless they stop the stage.
        foreach (var alarm in stage is IWatchedStage watched ? AlarmSettings.Of(watched.Alarms, recipe.Alarms).Where(alarm => alarm.Stop) : [])
            inputs[$"{Variants.NameOf(stage.GetType())}.{Alarms}.{alarm.Name}"] = Fingerprint.Text(alarm);
        foreach (var file in new object?[] { recipe.Model, stage }.OfType<object>().SelectMany(FilesOf))
            inputs[FilePrefix + file] = Stamp(file);
        foreach (var input in stage.Inputs.Concat(DataReference.Of(stage).Select(data => data.Name)).Distinct())
        {
            var source = recipe.Stages.FirstOrDefault(other => other.Name == input);
            inputs[Input + input] = source is not null ? Hash(Of(source, recipe)) : Stamp(input);
        }

        return inputs;
    }

    /// <summary>A hash of a stage's inputs.</summary>
    public static string Hash(SortedDictionary<string, string> inputs)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in inputs)
            text.Append(name).Append('=').Append(value).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The inputs that differ, with their values; null where one lacks it.</summary>
    public static IEnumerable<(string Name, string? Old, string? New)> Differences(IReadOnlyDictionary<string, string> old, IReadOnlyDictionary<string, string> now) =>
        old.Keys.Union(now.Keys).Order(StringComparer.Ordinal).Select(name => (name, old.GetValueOrDefault(name), now.GetValueOrDefault(name))).Where(pair => pair.Item2 != pair.Item3);

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
        if (!info.Exists)
            return reference;
        return info.Length > MostHashed
            ? $"{info.Name} {info.Length} {info.LastWriteTimeUtc.Ticks}"
            : Hashes.GetOrAdd((info.FullName, info.Length, info.LastWriteTimeUtc.Ticks), file => $"{info.Name} {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file.Path)))}");
    }
}
