using System.Globalization;

namespace LlmRL.Recipes.Binding;

/// <summary>Applies one override to a recipe's nodes, guided by the types so that it can look through the kinds of variants.</summary>
internal sealed class RecipeOverrides
{
    private readonly RecipeMark mark;
    private readonly string key;
    private readonly string[] parts;
    private readonly RecipeNode value;
    private readonly RecipeFaults faults;

    private RecipeOverrides(RecipeOverride setting, RecipeFaults faults)
    {
        (mark, value, this.faults) = (setting.Mark, setting.Value.Clone(), faults);
        // The text of a command-line override stands in its mark already.
        key = mark.Line > 0 ? setting.Key : "";
        parts = RecipeOverride.PartsOf(setting.Key);
    }

    /// <summary>The root after the override; with a fault added, unchanged.</summary>
    public static RecipeNode Apply(RecipeNode root, ValueShape? shape, RecipeOverride setting, RecipeFaults faults) =>
        new RecipeOverrides(setting, faults).Put(root, shape, 0) ?? root;

    /// <summary>What takes the place of <paramref name="node"/> (null: absent) once the parts from <paramref name="index"/> on are set in it; null after a fault.</summary>
    private RecipeNode? Put(RecipeNode? node, ValueShape? shape, int index)
    {
        if (index == parts.Length)
            return value;
        var absent = node is null or RecipeScalar { Text: null };
        if (shape?.Kind == ValueKind.Variant)
            return PutInVariant(node, Variants.Of(shape.Type), index);
        if (absent && shape?.Kind is not (ValueKind.List or < ValueKind.List))
            node = new RecipeMapping(mark);
        switch (node)
        {
            case RecipeMapping mapping:
                var entry = mapping.Find(parts[index]);
                if (Put(entry?.Value, Child(shape, parts[index]), index + 1) is not { } inner)
                    return null;
                mapping.Set(parts[index], index == parts.Length - 1 ? mark : entry?.Mark ?? mark, inner);
                return mapping;
            case RecipeSequence sequence:
                if (Item(sequence, shape, parts[index]) is not { } position || Put(sequence.Items[position], shape?.Element, index + 1) is not { } item)
                    return null;
                sequence.Items[position] = item;
                return sequence;
            default:
                var what = absent ? "not given" : $"the single value {node!.Describe()}";
                faults.Add(mark, key, $"{Path(index)} is {what}, so it has no {parts[index]}. Set {Path(index)} itself.");
                return null;
        }
    }

    private RecipeNode? PutInVariant(RecipeNode? node, Variants variants, int index)
    {
        var part = parts[index];
        if (node is RecipeScalar { Text: { } plain })
        {
            var spelled = new RecipeMapping(node.Mark);
            spelled.Set(plain, node.Mark, new RecipeMapping(node.Mark));
            node = spelled;
        }

        var current = (node as RecipeMapping)?.Entries is [var only] ? only : null;
        if (current is not null && current.Key != part)
        {
            // The kind may be left out of the path, unless the part names another kind and no setting: then it replaces the present one.
            var type = variants.ByName.GetValueOrDefault(current.Key);
            if (!variants.ByName.ContainsKey(part) || (type is not null && RecordShape.Of(type).Keys.Contains(part)))
            {
                if (Put(Body(current.Value), type is null ? null : ValueShape.Of(type), index) is not { } settings)
                    return null;
                ((RecipeMapping)node!).Set(current.Key, current.Mark, settings);
                return node;
            }

            current = null;
        }

        if (current is null && !variants.ByName.ContainsKey(part))
        {
            faults.Add(mark, key, $"{Path(index)} has no kind yet, and {part} is none. Valid kinds: {string.Join(", ", variants.Names)}.");
            return null;
        }

        var replaced = new RecipeMapping(node?.Mark ?? mark);
        var shape = variants.ByName.TryGetValue(part, out var named) ? ValueShape.Of(named) : null;
        if (Put(Body(current?.Value), shape, index + 1) is not { } body)
            return null;
        replaced.Set(part, current?.Mark ?? mark, body);
        return replaced;
    }

    private static RecipeNode? Body(RecipeNode? settings) => settings is RecipeScalar { Text: null } ? null : settings;

    private static ValueShape? Child(ValueShape? shape, string key) => shape?.Kind switch
    {
        ValueKind.Record => RecordShape.Of(shape.Type).Members.FirstOrDefault(member => member.Key == key)?.Shape,
        ValueKind.Dictionary => shape.Element,
        _ => null,
    };

    /// <summary>The index of the item that <paramref name="part"/> means: its position, its name or its kind.</summary>
    private int? Item(RecipeSequence sequence, ValueShape? shape, string part)
    {
        var labels = sequence.Items.Select(item => Label(item, shape?.Element?.Kind == ValueKind.Variant)).ToList();
        if (int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var position) && position < labels.Count)
            return position;
        var named = Enumerable.Range(0, labels.Count).Where(i => labels[i].Name == part).ToList();
        if (named.Count == 0)
            named = [.. Enumerable.Range(0, labels.Count).Where(i => labels[i].Kind == part)];
        if (named.Count == 1)
            return named[0];
        var items = string.Join(", ", labels.Select((label, i) => label is (null, null) ? $"{i}" : $"{i} ({label.Name ?? label.Kind})"));
        faults.Add(mark, key, named.Count == 0
            ? $"no item {part}. {(labels.Count == 0 ? "The list is empty." : $"Valid items: {items}.")}"
            : $"{part} means several items. Name one by its index: {string.Join(", ", named)}.");
        return null;
    }

    private static (string? Name, string? Kind) Label(RecipeNode item, bool isVariant)
    {
        var kind = isVariant ? item switch { RecipeMapping { Entries: [var entry] } => entry.Key, RecipeScalar scalar => scalar.Text, _ => null } : null;
        var body = (isVariant && item is RecipeMapping { Entries: [var only] } ? only.Value : item) as RecipeMapping;
        return ((body?.Find("name")?.Value as RecipeScalar)?.Text, kind);
    }

    private string Path(int count) => count == 0 ? "the recipe" : string.Join('.', parts[..count]);
}
