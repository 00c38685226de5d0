using LlmRL.Recipes;
using LlmRL.Recipes.Binding;

namespace LlmRL.Sweeps;

/// <summary>One run of a sweep.</summary>
/// <param name="Variant">The line of the comparison that it belongs to.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="RecipeFile">The recipe that it starts from.</param>
/// <param name="Overrides">What is changed in it, the seed included.</param>
/// <param name="Recipe">The recipe with the changes.</param>
/// <param name="Folder">Its run directory.</param>
public sealed record SweepRun(string Variant, ulong Seed, string RecipeFile, IReadOnlyList<RecipeOverride> Overrides, Recipe Recipe, string Folder)
{
    /// <summary>What people call it.</summary>
    public string Title => $"{Variant}, seed {Seed}";

    /// <summary>Says where a setting of the run was written: in the recipe's file, in the sweep's or on the command line.</summary>
    /// <param name="key">The dotted key.</param>
    public string NameSetting(string key) => $"{RecipeBinder.Locate<Recipe>(RecipeFile, key, Overrides)}: {key}";
}
