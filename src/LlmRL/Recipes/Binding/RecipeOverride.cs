namespace LlmRL.Recipes.Binding;

/// <summary>A setting that takes the place of what a recipe says.</summary>
/// <param name="Key">Dotted; list items are named by index, by their <c>name</c> or by their kind.</param>
/// <param name="Value">The new value.</param>
/// <param name="Mark">Where the override was written.</param>
public sealed record RecipeOverride(string Key, RecipeNode Value, RecipeMark Mark)
{
    /// <summary>As <c>--set</c> takes it: <c>stages.grpo.steps=10</c>.</summary>
    public string Text => $"{Key}={RecipeWriter.Flow(Value)}";

    /// <summary>The override in a text such as <c>stages.grpo.steps=10</c>; the value is YAML.</summary>
    /// <param name="text">The text.</param>
    /// <param name="option">The option that it was given with, for messages.</param>
    /// <exception cref="BadInputException">The text is none.</exception>
    public static RecipeOverride Parse(string text, string option = "--set")
    {
        var faults = new RecipeFaults();
        var parsed = Parse(text, faults, option);
        faults.ThrowIfAny();
        return parsed!;
    }

    /// <summary>Null, with a fault added, where the text is no override.</summary>
    internal static RecipeOverride? Parse(string text, RecipeFaults faults, string option = "--set")
    {
        var mark = new RecipeMark($"{option} {text}", 0, 0);
        var equals = text.IndexOf('=');
        if (equals < 0 || PartsOf(text[..equals]).Any(part => part.Length == 0))
        {
            faults.Add(mark, "", "not an override. Write KEY=VALUE, like stages.0.steps=10.");
            return null;
        }

        return RecipeParser.Parse(text[(equals + 1)..], mark.Source, hasLines: false, faults) is { } value
            ? new RecipeOverride(text[..equals], value, mark)
            : null;
    }

    /// <summary>The steps of a dotted key.</summary>
    internal static string[] PartsOf(string key) => key.Split('.', StringSplitOptions.TrimEntries);
}
