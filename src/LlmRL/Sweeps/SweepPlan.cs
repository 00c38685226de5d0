using System.Globalization;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;

namespace LlmRL.Sweeps;

/// <summary>The runs of a sweep, each with its recipe read and checked.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Root">Its folder.</param>
/// <param name="Runs">Variant by variant, each with all seeds.</param>
public sealed record SweepPlan(SweepRecipe Sweep, string Root, IReadOnlyList<SweepRun> Runs)
{
    /// <summary>The variants' names in order.</summary>
    public IReadOnlyList<string> Variants => [.. Runs.Select(run => run.Variant).Distinct()];

    /// <summary>The seeds in order.</summary>
    public IReadOnlyList<ulong> Seeds => [.. Runs.Select(run => run.Seed).Distinct()];

    /// <summary>Reads the recipe of every run: <c>ROOT/VARIANT/seed-N</c>. A run's settings are those of the recipe, of the sweep, of the variant, of the grid, then <paramref name="more"/>.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="root">Its folder.</param>
    /// <param name="more">Overrides of every run.</param>
    /// <exception cref="BadInputException">A recipe does not take one of the settings: the faults of the first run that has some.</exception>
    public static SweepPlan Make(SweepRecipe sweep, string root, params IReadOnlyList<RecipeOverride> more)
    {
        var runs = new List<SweepRun>();
        var points = GridPoints(sweep.Sweep.Grid);
        var variants = sweep.Sweep.Variants;
        foreach (var variant in variants.Count == 0 ? [null] : variants.Cast<SweepVariant?>())
        {
            var file = ProgramPaths.Resolve(variant?.Recipe ?? sweep.Sweep.Recipe!);
            foreach (var (point, settings) in points)
            {
                IReadOnlyList<RecipeOverride> overrides = [.. Overrides(sweep.Sweep.Set), .. Overrides(variant?.Set), .. settings, .. more];
                if (overrides.FirstOrDefault(setting => setting.Key.Trim() == "seed") is { } own)
                    throw new BadInputException($"{own.Mark}: seed: the seeds of a sweep's runs are listed under sweep.seeds, or given with --seeds; remove seed here.");
                var first = RecipeBinder.Load<Recipe>(file, overrides);
                string?[] parts = [variant?.Name, point];
                var name = string.Join(',', parts.OfType<string>()) is { Length: > 0 } full ? full : first.Name;
                foreach (var seed in sweep.Sweep.Seeds ?? [first.Seed])
                    runs.Add(Run(name, seed, file, overrides, root));
            }
        }

        if (runs.GroupBy(run => run.Folder).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new BadInputException($"{sweep.Name}: two runs would be written to {twice.Key}. Give variants and the values of the grid different names.");
        var named = sweep.Sweep.Curves.SelectMany(curve => curve.Variants);
        if (named.FirstOrDefault(name => !runs.Exists(run => SweepCurve.IsMeant(name, run.Variant))) is { } unknown)
            throw new BadInputException($"{sweep.Name}: sweep.curves names the variant {unknown}, which is none. There are {string.Join("; ", runs.Select(run => run.Variant).Distinct())}.");
        return new SweepPlan(sweep, root, runs);
    }

    private static SweepRun Run(string variant, ulong seed, string file, IReadOnlyList<RecipeOverride> overrides, string root)
    {
        var number = seed.ToString(CultureInfo.InvariantCulture);
        overrides = [.. overrides, RecipeOverride.Parse($"seed={number}")];
        return new SweepRun(variant, seed, file, overrides, RecipeBinder.Load<Recipe>(file, overrides), Path.Combine(root, variant, $"seed-{number}"));
    }

    private static IEnumerable<RecipeOverride> Overrides(IReadOnlyDictionary<string, RecipeNode>? set) =>
        (set ?? new Dictionary<string, RecipeNode>()).Select(pair => new RecipeOverride(pair.Key, pair.Value, pair.Value.Mark));

    /// <summary>Every combination of the grid's values with its name; one without a name where there is no grid.</summary>
    private static List<(string? Name, IReadOnlyList<RecipeOverride> Settings)> GridPoints(IReadOnlyDictionary<string, IReadOnlyList<RecipeNode>> grid)
    {
        List<(string? Name, IReadOnlyList<RecipeOverride> Settings)> points = [(null, [])];
        foreach (var (key, values) in grid)
        {
            var label = Label(key, grid.Keys);
            points =
            [
                .. from point in points
                   from value in values
                   let name = $"{label}={ValueName(value)}"
                   select (point.Name is null ? name : $"{point.Name},{name}", (IReadOnlyList<RecipeOverride>)[.. point.Settings, new RecipeOverride(key, value, value.Mark)]),
            ];
        }

        return points;
    }

    /// <summary>The last parts of a key, as many as set it apart from the other keys: <c>stages.grpo.beta</c> is beta.</summary>
    private static string Label(string key, IEnumerable<string> keys)
    {
        var parts = key.Split('.');
        for (var count = 1; count < parts.Length; count++)
        {
            var label = string.Join('.', parts[^count..]);
            if (keys.Count(other => other == label || other.EndsWith("." + label, StringComparison.Ordinal)) == 1)
                return label;
        }

        return key;
    }

    private static string ValueName(RecipeNode value)
    {
        var plain = string.Concat(RecipeWriter.Flow(value).Replace(", ", ",").Replace(": ", "=").Select(c => SweepVariant.IsPlain(c) ? c : '_')).Trim('_', '=', ',');
        return plain.Length == 0 ? "_" : plain;
    }
}
