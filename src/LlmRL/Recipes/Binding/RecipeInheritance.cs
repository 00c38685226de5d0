namespace LlmRL.Recipes.Binding;

/// <summary>
/// A recipe that builds on another: <c>extends: sft.yaml</c>, a path beside its own file. What it says replaces what the other says, but <c>vars</c> and <c>scales</c> are
/// joined name by name, and its stages come behind the other's; one that is named like a stage of the other takes its place, at the end.
/// </summary>
internal sealed class RecipeInheritance
{
    private const string Key = "extends", Stages = "stages";
    private const int MostFiles = 16;

    private readonly RecipeFaults faults;
    private readonly List<string> files = [];

    private RecipeInheritance(RecipeFaults faults) => this.faults = faults;

    /// <summary>The recipe together with what it extends; the recipe itself where it extends nothing.</summary>
    /// <param name="root">The recipe.</param>
    /// <param name="file">Its file.</param>
    /// <param name="faults">Where faults go.</param>
    public static RecipeNode Resolve(RecipeNode root, string file, RecipeFaults faults) => new RecipeInheritance(faults).Resolve(root, file);

    private RecipeNode Resolve(RecipeNode root, string file)
    {
        if (root is not RecipeMapping recipe || recipe.Find(Key) is not { } entry)
            return root;
        var own = new RecipeMapping(recipe.Mark);
        foreach (var setting in recipe.Entries.Where(setting => setting != entry))
            own.Set(setting.Key, setting.Mark, setting.Value);
        return Base(entry, file) is { } other ? Join(other, own) : own;
    }

    private RecipeMapping? Base(RecipeEntry entry, string file)
    {
        if (entry.Value is not RecipeScalar { Text: { Length: > 0 } name })
        {
            faults.Add(entry.Mark, Key, $"expected a recipe's file, found {entry.Value.Describe()}. Write {Key}: FILE.yaml, a path beside this file.");
            return null;
        }

        files.Add(Path.GetFullPath(file));
        var path = Path.Combine(Path.GetDirectoryName(file) ?? "", name);
        if (files.Contains(Path.GetFullPath(path)) || files.Count == MostFiles)
        {
            faults.Add(entry.Mark, Key, $"{name} extends this recipe in turn, or the chain is longer than {MostFiles} files. Take {Key} out of one of them.");
            return null;
        }

        if (!File.Exists(path))
        {
            faults.Add(entry.Mark, Key, $"there is no file {path}. Name a recipe by its path beside this file.");
            return null;
        }

        switch (RecipeParser.Parse(RecipeParser.ReadFile(path), path, hasLines: true, faults))
        {
            case null:
                return null;
            case RecipeMapping mapping:
                return (RecipeMapping)Resolve(mapping, path);
            case { } odd:
                faults.Add(entry.Mark, Key, $"{path} is {odd.Describe()}, which is no recipe. Name a file with a model and stages.");
                return null;
        }
    }

    private static RecipeMapping Join(RecipeMapping below, RecipeMapping above)
    {
        var joined = (RecipeMapping)below.Clone();
        foreach (var entry in above.Entries)
        {
            var value = (entry.Key, joined.Find(entry.Key)?.Value, entry.Value) switch
            {
                (RecipeVariables.Key, RecipeMapping one, RecipeMapping other) => Names(one, other),
                (RecipeVariables.ScalesKey, RecipeMapping one, RecipeMapping other) => Scales(one, other),
                (Stages, RecipeSequence one, RecipeSequence other) => Queue(one, other),
                _ => entry.Value,
            };
            joined.Set(entry.Key, entry.Mark, value);
        }

        return joined;
    }

    private static RecipeMapping Names(RecipeMapping below, RecipeMapping above)
    {
        foreach (var entry in above.Entries)
            below.Set(entry.Key, entry.Mark, entry.Value);
        return below;
    }

    private static RecipeMapping Scales(RecipeMapping below, RecipeMapping above)
    {
        foreach (var entry in above.Entries)
            below.Set(entry.Key, entry.Mark, below.Find(entry.Key)?.Value is RecipeMapping one && entry.Value is RecipeMapping other ? Names(one, other) : entry.Value);
        return below;
    }

    private static RecipeSequence Queue(RecipeSequence below, RecipeSequence above)
    {
        var names = above.Items.Select(NameOf).OfType<string>().ToHashSet();
        below.Items.RemoveAll(stage => NameOf(stage) is { } name && names.Contains(name));
        below.Items.AddRange(above.Items);
        return below;
    }

    private static string? NameOf(RecipeNode stage) =>
        stage is RecipeMapping { Entries: [{ Value: RecipeMapping body }] } && body.Find("name")?.Value is RecipeScalar name ? name.Text : null;
}
