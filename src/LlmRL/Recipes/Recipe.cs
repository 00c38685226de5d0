using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Recipes;

/// <summary>An experiment: a model and the stages that it goes through. One YAML file each, see <c>recipes/</c>.</summary>
public sealed record Recipe : IValidated
{
    /// <summary>How stages refer to the recipe's own model.</summary>
    public const string BaseModel = "base";

    /// <summary>Name of the experiment and of its run directory.</summary>
    public required string Name { get; init; }

    /// <summary>Seed of every random choice.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The model and its tokenizer; null where no stage works on a language model.</summary>
    public ModelSource? Model { get; init; }

    /// <summary>Alarms of all stages that learn from their own samples; a stage's own come first.</summary>
    public AlarmSettings? Alarms { get; init; }

    /// <summary>The stages in order.</summary>
    public required IReadOnlyList<Stage> Stages { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Stages.Count == 0)
            yield return (nameof(Stages), "the list is empty; a recipe needs at least one stage");
        if (Name.Length == 0 || Name.Any(c => c is '/' or '\\' || char.IsControl(c)) || Name is "." or "..")
            yield return (nameof(Name), $"'{Name}' cannot be part of a folder's name; use letters, digits, - and _");
        if (Model is null && Stages.FirstOrDefault(stage => stage.NeedsLanguageModel) is { } needy)
            yield return (nameof(Model), $"missing, and stage '{needy.Name}' works on a language model. Add model: {{ path: FOLDER }}, or model: {{ config: FILE, tokenizer: bytes }}");
        if (Model?.VocabularyData?.Stage is { } labelled)
            yield return ("model.vocabulary_data.stage", $"the vocabulary is there before stage '{labelled}'; name a generator or a path");
        foreach (var problem in AlarmSettings.Problems(Alarms, [.. Stages.OfType<IWatchedStage>()], AlarmSettings.KeyInStage))
            yield return problem;
        var known = new Dictionary<string, Stage?>(StringComparer.Ordinal) { [BaseModel] = null };
        for (var i = 0; i < Stages.Count; i++)
        {
            var (stage, key) = (Stages[i], KeyOf(i));
            if (!IsFolderName(stage.Name))
                yield return ($"{key}.name", $"'{stage.Name}' is no name for a stage; use letters, digits, - and _");
            foreach (var reference in StageReference.Of(stage))
            {
                if (Problem(reference, known) is { } problem)
                    yield return ($"{key}.{reference.Key}", problem);
            }

            if ((stage as TrainingStage)?.CheckpointProblem() is var (setting, fault))
                yield return ($"{key}.{KeyNames.Snake(setting)}", fault);
            foreach (var data in DataReference.Of(stage))
            {
                if (known.GetValueOrDefault(data.Name) is not Label)
                    yield return ($"{key}.{data.Key}", $"'{data.Name}' is no label stage before this one, which would have pairs; {Labels(known)}");
            }

            if (stage.Name == BaseModel)
                yield return ($"{key}.name", $"'{BaseModel}' means the recipe's own model; give the stage another name");
            else if (!known.TryAdd(stage.Name, stage))
                yield return ($"{key}.name", $"two stages are named '{stage.Name}'; give each its own name");
        }
    }

    /// <summary>The dotted key of a stage's settings: <c>stages.1.grpo</c>.</summary>
    internal string KeyOf(int index) => $"stages.{index}.{Variants.NameOf(Stages[index].GetType())}";

    private static string Labels(Dictionary<string, Stage?> known) =>
        known.Values.OfType<Label>().Select(label => label.Name).ToArray() is { Length: > 0 } names ? $"there are {string.Join(", ", names)}" : "there is none; add one with kind label";

    // The same rule as the run directory's, which names folders after stages.
    private static bool IsFolderName(string name) => name.Length > 0 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.');

    private string? Problem(StageReference reference, Dictionary<string, Stage?> known)
    {
        if (!known.TryGetValue(reference.Name, out var source))
        {
            var stages = known.Where(pair => pair.Value is null or { HasModel: true }).Select(pair => pair.Key);
            // A stage's name never means a folder, even where one of that name lies about: this stage or a later one was meant.
            var isFolder = Stages.All(stage => stage.Name != reference.Name) && Directory.Exists(ProgramPaths.Resolve(reference.Name));
            return isFolder ? null
                : $"'{reference.Name}' is neither a model before this stage nor a folder; there are {string.Join(", ", stages)}";
        }

        if (source is { HasModel: false })
            return $"stage '{reference.Name}' leaves no model; name one that trains";
        if (source is { NeedsLanguageModel: false })
            return $"stage '{reference.Name}' trains no language model; name a stage that does";
        if (reference.ScalarHead == false && source is RewardModel)
            return $"stage '{reference.Name}' is a reward model, which writes no text; name a policy";
        if (reference.ScalarHead == true && source is not null and not RewardModel)
            return $"stage '{reference.Name}' is no reward model; name a reward_model stage";
        return null;
    }
}
