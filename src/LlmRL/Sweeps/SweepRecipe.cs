using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Sweeps;

/// <summary>An experiment of many runs: variants of a recipe, each with several seeds, and the numbers to compare. One YAML file each.</summary>
public sealed record SweepRecipe : IValidated
{
    /// <summary>Name of the sweep and of its folder.</summary>
    public required string Name { get; init; }

    /// <summary>What is run and compared.</summary>
    public required Sweep Sweep { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (!SweepVariant.IsFolderName(Name))
            yield return (nameof(Name), $"'{Name}' cannot be a folder's name; use letters, digits, - and _");
    }
}

/// <summary>The runs of a sweep (<see cref="Variants"/> × <see cref="Grid"/> × <see cref="Seeds"/>) and what is shown of them.</summary>
public sealed record Sweep : IValidated
{
    /// <summary>The recipe that variants change; not needed where each variant names its own.</summary>
    public string? Recipe { get; init; }

    /// <summary>The seeds of each variant; the recipe's own seed by default.</summary>
    [MinLength(1)]
    public IReadOnlyList<ulong>? Seeds { get; init; }

    /// <summary>Settings of every run, dotted as <c>--set</c> takes them.</summary>
    public IReadOnlyDictionary<string, RecipeNode> Set { get; init; } = new Dictionary<string, RecipeNode>();

    /// <summary>What is compared; one variant without changes by default.</summary>
    public IReadOnlyList<SweepVariant> Variants { get; init; } = [];

    /// <summary>Dotted key → its values: every combination is run with every variant.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<RecipeNode>> Grid { get; init; } = new Dictionary<string, IReadOnlyList<RecipeNode>>();

    /// <summary>
    /// Columns of the table: names in <c>summary.json</c>, such as <c>pass@1/sft</c>. A name without a policy (<c>pass@1</c>) means the last policy that was
    /// evaluated, which may have another name in each variant. By default what the last evaluation measured.
    /// </summary>
    public IReadOnlyList<string> Metrics { get; init; } = [];

    /// <summary>Learning curves to draw; by default the headline metrics of the last stage that trains.</summary>
    public IReadOnlyList<SweepCurve> Curves { get; init; } = [];

    /// <summary>Proxy and gold reward against the distance from the SFT policy, with fits; by default none.</summary>
    public OverOptimisation? OverOptimisation { get; init; }

    /// <summary>How many runs go on at once, each in a process of its own with its share of the cores.</summary>
    [Range(1, 1024)]
    public int Jobs { get; init; } = 1;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Recipe is null && Variants.Count == 0)
            yield return (nameof(Recipe), "name the recipe to run, or variants with a recipe each");
        if (Recipe is null && Variants.FirstOrDefault(variant => variant.Recipe is null) is { } without)
            yield return ($"variants.{Variants.ToList().IndexOf(without)}.recipe", $"variant '{without.Name}' has no recipe, and there is none for all; add recipe: FILE");
        if (Seeds?.GroupBy(seed => seed).FirstOrDefault(same => same.Count() > 1) is { } twice)
            yield return (nameof(Seeds), $"seed {twice.Key} is given twice; give each once");
        if (Variants.GroupBy(variant => variant.Name).FirstOrDefault(same => same.Count() > 1) is { } named)
            yield return (nameof(Variants), $"two variants are named '{named.Key}'; give each its own name");
        foreach (var (key, _) in Grid.Where(pair => pair.Value.Count == 0))
            yield return ("grid", $"{key} has no values; list at least one");
    }
}

/// <summary>One line of the comparison.</summary>
public sealed record SweepVariant : IValidated
{
    /// <summary>Its name in the table, and its folder's.</summary>
    public required string Name { get; init; }

    /// <summary>Its recipe, where it is not that of the sweep.</summary>
    public string? Recipe { get; init; }

    /// <summary>Its settings, dotted as <c>--set</c> takes them; they go before those of the sweep.</summary>
    public IReadOnlyDictionary<string, RecipeNode> Set { get; init; } = new Dictionary<string, RecipeNode>();

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (!IsFolderName(Name))
            yield return (nameof(Name), $"'{Name}' cannot be a folder's name; use letters, digits and - _ . = + , @");
    }

    /// <summary>Characters that need no quotes in a shell and mean nothing in a path.</summary>
    internal static bool IsFolderName(string name) => name.Length > 0 && name[0] != '.' && name.All(IsPlain);

    internal static bool IsPlain(char c) => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or '=' or '+' or ',' or '@';
}

/// <summary>A plot of a logged metric over the steps of a stage: the mean over seeds, and a band of one standard error around it.</summary>
public sealed record SweepCurve
{
    /// <summary>A name in <c>metrics.jsonl</c>.</summary>
    public required string Metric { get; init; }

    /// <summary>The stage; by default the last one of a variant that logs the metric.</summary>
    public string? Stage { get; init; }

    /// <summary>The metric of the horizontal axis, such as <c>num_tokens</c>; the step by default.</summary>
    public string X { get; init; } = "step";

    /// <summary>The variants that are drawn; all of them by default. Those of a grid are meant by the name that they share.</summary>
    public IReadOnlyList<string> Variants { get; init; } = [];

    /// <summary>Heading of the plot; the metric's by default.</summary>
    public string? Title { get; init; }

    /// <summary>Whether a variant is drawn.</summary>
    internal bool Shows(string variant) => Variants.Count == 0 || Variants.Any(name => IsMeant(name, variant));

    /// <summary>Whether a name given under <see cref="Variants"/> means a variant.</summary>
    internal static bool IsMeant(string name, string variant) => variant == name || variant.StartsWith(name + ",", StringComparison.Ordinal);
}
