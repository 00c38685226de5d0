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

    /// <summary>The model and its tokenizer.</summary>
    public required ModelSource Model { get; init; }

    /// <summary>The stages in order.</summary>
    public required IReadOnlyList<Stage> Stages { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Stages.Count == 0)
            yield return (nameof(Stages), "the list is empty; a recipe needs at least one stage");
        var known = new HashSet<string>(StringComparer.Ordinal) { BaseModel };
        foreach (var stage in Stages)
        {
            if (stage.Name.AsSpan().ContainsAny("/\\") || stage.Name is "" or "." or "..")
                yield return (nameof(Stages), $"'{stage.Name}' is no name for a stage; use letters, digits, - and _");
            foreach (var input in stage.Inputs.Where(input => !known.Contains(input) && !Directory.Exists(ProgramPaths.Resolve(input))))
                yield return (nameof(Stages), $"stage {stage.Name} reads '{input}', which is neither a stage before it ({string.Join(", ", known.Order(StringComparer.Ordinal))}) nor a folder");
            if (!known.Add(stage.Name))
                yield return (nameof(Stages), $"two stages are named '{stage.Name}'; give each its own name");
        }
    }
}
