using System.Text.RegularExpressions;

namespace LlmRL.Recipes.Binding;

/// <summary>
/// A recipe's own names: <c>vars: { folder: data/digits }</c> at the top, and <c>${folder}/train.parquet</c> or <c>${folder}</c> anywhere below. A value that is
/// nothing but a reference takes the variable as it is, a number, a list or a mapping; inside a longer text it must be a single value. So what many stages share
/// stands once, and one override (<c>--set vars.folder=…</c>) changes it for all. Sizes of an experiment are other values of some variables:
/// <c>scales: { small: {}, full: { steps: 1000 } }</c> with <c>scale: small</c> as the one that is meant unless <c>--set scale=full</c> asks for another.
/// </summary>
internal sealed partial class RecipeVariables
{
    /// <summary>Keys at the top of a recipe.</summary>
    public const string Key = "vars", ScaleKey = "scale", ScalesKey = "scales";

    private readonly RecipeMapping variables;
    private readonly RecipeFaults faults;
    private readonly HashSet<string> used = new(StringComparer.Ordinal);
    private readonly Stack<string> open = [];

    private RecipeVariables(RecipeMapping variables, RecipeFaults faults) => (this.variables, this.faults) = (variables, faults);

    /// <summary>Whether an override sets a variable, or something in one, or the scale that sets several.</summary>
    public static bool Names(RecipeOverride setting) => RecipeOverride.PartsOf(setting.Key) is [Key, _, ..] or [ScaleKey];

    /// <summary>The recipe with its variables filled in and their block taken out; the recipe itself where it has none.</summary>
    /// <param name="root">The recipe.</param>
    /// <param name="overrides">New values of variables.</param>
    /// <param name="faults">Where faults go: names that are used but not given, or given but not used.</param>
    public static RecipeNode Fill(RecipeNode root, IReadOnlyList<RecipeOverride> overrides, RecipeFaults faults)
    {
        var block = (root as RecipeMapping)?.Find(Key);
        if (block is not null and not { Value: RecipeMapping })
        {
            faults.Add(block.Mark, Key, $"expected names with values, found {block.Value.Describe()}. Write vars: {{ NAME: VALUE }}");
            return root;
        }

        var variables = (RecipeMapping?)block?.Value.Clone() ?? new RecipeMapping(root.Mark);
        SetScale(root as RecipeMapping, variables, overrides, faults);
        foreach (var setting in overrides.Where(setting => RecipeOverride.PartsOf(setting.Key) is [Key, _, ..]))
        {
            var parts = RecipeOverride.PartsOf(setting.Key);
            if (variables.Find(parts[1]) is null)
                faults.Add(setting.Mark, setting.Mark.Line > 0 ? setting.Key : "", $"the recipe has no variable {parts[1]}. {Known(variables)}");
            else
                RecipeOverrides.Apply(variables, null, setting with { Key = string.Join('.', parts[1..]) }, faults);
        }

        if (root is not RecipeMapping recipe)
            return root;
        if (block is null)
            return RecipeRounds.Expand(recipe, node => node, faults);
        var pass = new RecipeVariables(variables, faults);
        recipe = RecipeRounds.Expand(recipe, node => pass.Fill(node, RecipeRounds.Key), faults);
        var filled = new RecipeMapping(recipe.Mark);
        foreach (var entry in recipe.Entries.Where(entry => entry.Key is not (Key or ScaleKey or ScalesKey)))
            filled.Set(entry.Key, entry.Mark, pass.Fill(entry.Value, entry.Key));
        // A recipe that this one extends may have variables for others that extend it.
        foreach (var idle in ((RecipeMapping)block.Value).Entries.Where(entry => !pass.used.Contains(entry.Key) && entry.Mark.Source == recipe.Mark.Source))
            faults.Add(idle.Mark, $"{Key}.{idle.Key}", $"no setting uses it. Write ${{{idle.Key}}} where it is meant, or take it out");
        return filled;
    }

    private static void SetScale(RecipeMapping? recipe, RecipeMapping variables, IReadOnlyList<RecipeOverride> overrides, RecipeFaults faults)
    {
        var scales = recipe?.Find(ScalesKey)?.Value as RecipeMapping;
        var given = overrides.LastOrDefault(setting => RecipeOverride.PartsOf(setting.Key) is [ScaleKey]);
        var (mark, node) = given is null ? (recipe?.Find(ScaleKey)?.Mark, recipe?.Find(ScaleKey)?.Value) : (given.Mark, given.Value);
        if (recipe?.Find(ScalesKey) is { } block && (scales is null || scales.Entries.Any(scale => scale.Value is not RecipeMapping)))
            faults.Add(block.Mark, ScalesKey, $"expected names, each with values of variables. Write {ScalesKey}: {{ small: {{}}, full: {{ NAME: VALUE }} }}");
        else if (node is null && scales is not null)
            faults.Add(scales.Mark, ScalesKey, $"the recipe does not say which is meant. Add {ScaleKey}: {scales.Entries[0].Key} at the top.");
        else if (node is not null && (node as RecipeScalar)?.Text is var name && scales?.Find(name ?? "")?.Value is not RecipeMapping)
            faults.Add(mark!.Value, mark.Value.Line > 0 ? ScaleKey : "", scales is null ? "the recipe has one size only. Leave the scale out."
                : $"{node.Describe()} is no scale of the recipe. There are {string.Join(", ", scales.Entries.Select(scale => scale.Key))}.");
        else if (node is RecipeScalar { Text: { } chosen })
        {
            foreach (var entry in ((RecipeMapping)scales!.Find(chosen)!.Value).Entries)
            {
                if (variables.Find(entry.Key) is null)
                    faults.Add(entry.Mark, $"{ScalesKey}.{chosen}.{entry.Key}", $"the recipe has no variable {entry.Key}. {Known(variables)}");
                else
                    variables.Set(entry.Key, entry.Mark, entry.Value.Clone());
            }
        }
    }

    private static string Known(RecipeMapping variables) =>
        variables.Entries.Count == 0 ? "It has no vars at all." : $"There are {string.Join(", ", variables.Entries.Select(entry => entry.Key))}.";

    private RecipeNode Fill(RecipeNode node, string key)
    {
        switch (node)
        {
            case RecipeMapping mapping:
                var filled = new RecipeMapping(mapping.Mark);
                foreach (var entry in mapping.Entries)
                    filled.Set(entry.Key, entry.Mark, Fill(entry.Value, $"{key}.{entry.Key}"));
                return filled;
            case RecipeSequence sequence:
                var items = new RecipeSequence(sequence.Mark);
                items.Items.AddRange(sequence.Items.Select((item, i) => Fill(item, $"{key}.{i}")));
                return items;
            case RecipeScalar { Text: { } text } scalar when text.Contains("${", StringComparison.Ordinal):
                return Fill(scalar, text, key);
            default:
                return node;
        }
    }

    private RecipeNode Fill(RecipeScalar scalar, string text, string key)
    {
        if (Reference().Match(text) is { Success: true } whole && whole.Length == text.Length)
            return Find(whole.Groups[1].Value, scalar.Mark, key) ?? scalar;
        return new RecipeScalar(scalar.Mark, Reference().Replace(text, match =>
        {
            if (Find(match.Groups[1].Value, scalar.Mark, key) is not { } value)
                return match.Value;
            if (value is RecipeScalar { Text: { } part })
                return part;
            faults.Add(scalar.Mark, key, $"{match.Value} is {value.Describe()} and cannot stand inside a text. Give the variable a single value");
            return match.Value;
        }), scalar.IsText);
    }

    private RecipeNode? Find(string name, RecipeMark mark, string key)
    {
        used.Add(name);
        if (variables.Find(name) is { } variable)
        {
            if (open.Contains(name))
            {
                faults.Add(mark, key, $"${{{name}}} stands in its own value. Take it out of there");
                return null;
            }

            open.Push(name);
            var value = Fill(variable.Value.Clone(), $"{Key}.{name}");
            open.Pop();
            return value;
        }

        faults.Add(mark, key, $"${{{name}}} is not among the recipe's vars. {Known(variables)}");
        return null;
    }

    [GeneratedRegex(@"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")]
    private static partial Regex Reference();
}
