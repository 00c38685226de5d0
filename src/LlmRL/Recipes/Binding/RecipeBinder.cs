namespace LlmRL.Recipes.Binding;

/// <summary>
/// YAML → records, strictly. A property <c>MaxCompletionLength</c> is the key <c>max_completion_length</c>; <c>required</c> properties must be given; unknown,
/// duplicate, misspelt and out-of-range keys are errors. All faults are reported together, one a line: <c>file:line: key: problem. remedy</c>.
/// </summary>
public static class RecipeBinder
{
    /// <summary>Reads a recipe file. <paramref name="overrides"/> are texts such as <c>stages.grpo.steps=10</c>, see <see cref="Parse"/>.</summary>
    public static T Load<T>(string path, params IEnumerable<string> overrides) where T : class =>
        Parse<T>(RecipeParser.ReadFile(path), path, overrides);

    /// <summary>Reads a recipe file with overrides that may have been written elsewhere, in a sweep's file, say.</summary>
    public static T Load<T>(string path, IReadOnlyCollection<RecipeOverride> overrides) where T : class => Bind<T>(RecipeParser.ReadFile(path), path, _ => overrides);

    /// <summary>Says <c>file:line</c> of a dotted key, for faults that show only after reading: in a data file, say.</summary>
    /// <param name="path">The recipe file.</param>
    /// <param name="key">The key with kinds and indices, as messages have it.</param>
    /// <param name="overrides">What takes the place of settings of the file; a setting that one of them made is where that one was written.</param>
    public static string Locate<T>(string path, string key, IReadOnlyCollection<RecipeOverride> overrides) where T : class
    {
        var ignored = new RecipeFaults();
        return RecipeParser.Parse(RecipeParser.ReadFile(path), path, hasLines: true, ignored) is { } root
            ? RecipeNodes.Locate(Apply(RecipeInheritance.Resolve(root, path, ignored), overrides.Count == 0 ? null : ValueShape.Of(typeof(T)), overrides, ignored), key).ToString()
            : path;
    }

    /// <summary>As <see cref="Locate{T}"/>, without overrides.</summary>
    public static string Locate(string path, string key) => Locate<object>(path, key, []);

    /// <summary>Whether a file is a mapping with a key at its top: what tells a sweep from a recipe. False where it cannot be read as YAML.</summary>
    public static bool HasKey(string path, string key) =>
        RecipeParser.Parse(RecipeParser.ReadFile(path), path, hasLines: true, new RecipeFaults()) is RecipeMapping root && root.Find(key) is not null;

    /// <summary>Reads a recipe from text.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="file">What messages call it.</param>
    /// <param name="overrides">
    /// Applied in order before binding, as <c>KEY=VALUE</c>: the value is YAML; the key's parts are separated by dots, list items are named by index, by
    /// their <c>name</c> or by their kind.
    /// </param>
    /// <exception cref="BadInputException">The text or an override is wrong.</exception>
    public static T Parse<T>(string yaml, string file, params IEnumerable<string> overrides) where T : class =>
        Bind<T>(yaml, file, faults => overrides.Select(text => RecipeOverride.Parse(text, faults)).OfType<RecipeOverride>());

    private static T Bind<T>(string yaml, string file, Func<RecipeFaults, IEnumerable<RecipeOverride>> overrides) where T : class
    {
        var faults = new RecipeFaults();
        var root = RecipeParser.Parse(yaml, file, hasLines: true, faults);
        var shape = ValueShape.Of(typeof(T));
        if (root is RecipeScalar { Text: null })
            root = new RecipeMapping(root.Mark);
        if (root is RecipeMapping)
            root = Apply(RecipeInheritance.Resolve(root, file, faults), shape, overrides(faults), faults);
        object? value = null;
        if (root is not null)
            value = new BinderPass(faults).Bind(root, shape, "");
        faults.ThrowIfAny();
        return (T)value!;
    }

    /// <summary>The scale and overrides of variables first, then the variables, then the other overrides: these may reach into what a variable holds.</summary>
    private static RecipeNode Apply(RecipeNode root, ValueShape? shape, IEnumerable<RecipeOverride> overrides, RecipeFaults faults)
    {
        var (variables, settings) = (new List<RecipeOverride>(), new List<RecipeOverride>());
        foreach (var setting in overrides)
            (RecipeVariables.Names(setting) ? variables : settings).Add(setting);
        root = RecipeVariables.Fill(root, variables, faults);
        foreach (var setting in settings)
            root = RecipeOverrides.Apply(root, shape, setting, faults);
        return root;
    }
}
