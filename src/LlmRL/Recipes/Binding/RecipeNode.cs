namespace LlmRL.Recipes.Binding;

/// <summary>Where a piece of a recipe was written.</summary>
/// <param name="Source">The file, or the text of a command-line override.</param>
/// <param name="Line">Line from 1; 0 where the source has no lines.</param>
/// <param name="Column">Column from 1; 0 where the source has no lines.</param>
public readonly record struct RecipeMark(string Source, int Line, int Column)
{
    /// <inheritdoc/>
    public override string ToString() => Line > 0 ? $"{Source}:{Line}" : Source;
}

/// <summary>A node of a parsed recipe: a scalar, a sequence or a mapping.</summary>
/// <param name="mark">Where it was written.</param>
public abstract class RecipeNode(RecipeMark mark)
{
    /// <summary>Where it was written.</summary>
    public RecipeMark Mark => mark;

    /// <summary>A copy that shares no node with this one.</summary>
    public abstract RecipeNode Clone();

    /// <summary>What a message calls it.</summary>
    internal abstract string Describe();
}

/// <summary>A single value.</summary>
/// <param name="mark">Where it was written.</param>
/// <param name="text">Its text; null for an absent value (<c>null</c>, <c>~</c> or nothing).</param>
/// <param name="isText">Whether it can only be text: it was quoted, or came from a string.</param>
public sealed class RecipeScalar(RecipeMark mark, string? text, bool isText) : RecipeNode(mark)
{
    /// <summary>Its text; null for an absent value.</summary>
    public string? Text => text;

    /// <summary>Whether it can only be text: it was quoted, or came from a string.</summary>
    public bool IsText => isText;

    /// <inheritdoc/>
    public override RecipeNode Clone() => new RecipeScalar(Mark, text, isText);

    internal override string Describe() => text is null ? "nothing" : $"\"{(text.Length > 80 ? text[..80] + "…" : text).ReplaceLineEndings(" ")}\"";
}

/// <summary>A list of nodes.</summary>
/// <param name="mark">Where it starts.</param>
public sealed class RecipeSequence(RecipeMark mark) : RecipeNode(mark)
{
    /// <summary>Its items in order.</summary>
    public List<RecipeNode> Items { get; } = [];

    /// <inheritdoc/>
    public override RecipeNode Clone()
    {
        var copy = new RecipeSequence(Mark);
        copy.Items.AddRange(Items.Select(item => item.Clone()));
        return copy;
    }

    internal override string Describe() => $"a list of {Items.Count}";
}

/// <summary>One key of a mapping with its value.</summary>
/// <param name="Key">The key.</param>
/// <param name="Mark">Where the key was written.</param>
/// <param name="Value">Its value.</param>
public sealed record RecipeEntry(string Key, RecipeMark Mark, RecipeNode Value);

/// <summary>Keys with values, in the order in which they were written; a key occurs once.</summary>
/// <param name="mark">Where it starts.</param>
public sealed class RecipeMapping(RecipeMark mark) : RecipeNode(mark)
{
    private readonly List<RecipeEntry> entries = [];

    /// <summary>Its keys and values in order.</summary>
    public IReadOnlyList<RecipeEntry> Entries => entries;

    /// <summary>The entry of a key, or null.</summary>
    public RecipeEntry? Find(string key) => entries.Find(entry => entry.Key == key);

    /// <summary>Adds a key or replaces its value.</summary>
    public void Set(string key, RecipeMark keyMark, RecipeNode value)
    {
        var entry = new RecipeEntry(key, keyMark, value);
        var index = entries.FindIndex(e => e.Key == key);
        if (index < 0)
            entries.Add(entry);
        else
            entries[index] = entry;
    }

    /// <inheritdoc/>
    public override RecipeNode Clone()
    {
        var copy = new RecipeMapping(Mark);
        foreach (var entry in entries)
            copy.entries.Add(entry with { Value = entry.Value.Clone() });
        return copy;
    }

    internal override string Describe() =>
        entries.Count == 0 ? "an empty mapping" : $"a mapping with {string.Join(", ", entries.Take(4).Select(entry => entry.Key))}";
}
