using System.Collections;

namespace LlmRL.Recipes.Binding;

/// <summary>Records → nodes: the inverse of binding.</summary>
internal static class RecipeNodes
{
    private static readonly RecipeMark Nowhere = new("", 0, 0);

    /// <summary>The nodes of a record; one that is a variant stands under its kind.</summary>
    public static RecipeNode From(object record) => Variants.NameOf(record.GetType()) is null
        ? From(record, ValueShape.Of(record.GetType()))
        : Kind(record);

    /// <summary>Where the setting with a dotted key was written; where it was not, the innermost setting around it.</summary>
    public static RecipeMark Locate(RecipeNode root, string key)
    {
        var (node, mark) = (root, root.Mark);
        foreach (var part in key.Split('.'))
        {
            if (node is RecipeMapping mapping && mapping.Find(part) is { } entry)
                (node, mark) = (entry.Value, entry.Mark);
            else if (node is RecipeSequence sequence && int.TryParse(part, out var index) && index < sequence.Items.Count)
                (node, mark) = (sequence.Items[index], sequence.Items[index].Mark);
            else
                break;
        }

        return mark;
    }

    private static RecipeNode From(object? value, ValueShape shape) => value is null ? new RecipeScalar(Nowhere, null, false) : shape.Kind switch
    {
        ValueKind.Text => new RecipeScalar(Nowhere, (string)value, true),
        ValueKind.Choice => new RecipeScalar(Nowhere, Choices.NameOf(value), true),
        ValueKind.List => List((IEnumerable)value, shape),
        ValueKind.Dictionary => Dictionary((IEnumerable)value, shape),
        ValueKind.Variant => Kind(value),
        ValueKind.Yaml => ((RecipeNode)value).Clone(),
        ValueKind.Record => Record(value),
        _ => new RecipeScalar(Nowhere, ScalarReader.Text(value), false),
    };

    private static RecipeSequence List(IEnumerable items, ValueShape shape)
    {
        var node = new RecipeSequence(Nowhere);
        foreach (var item in items)
            node.Items.Add(From(item, shape.Element!));
        return node;
    }

    private static RecipeMapping Dictionary(IEnumerable pairs, ValueShape shape)
    {
        var node = new RecipeMapping(Nowhere);
        foreach (var pair in pairs)
        {
            // KeyValuePair<string, T> of a T that is known at run time only.
            var type = pair.GetType();
            node.Set((string)type.GetProperty("Key")!.GetValue(pair)!, Nowhere, From(type.GetProperty("Value")!.GetValue(pair), shape.Element!));
        }

        return node;
    }

    private static RecipeMapping Kind(object value)
    {
        var name = Variants.NameOf(value.GetType())
            ?? throw new ArgumentException($"{value.GetType()} has no [Variant] name, so no recipe can hold it", nameof(value));
        var node = new RecipeMapping(Nowhere);
        node.Set(name, Nowhere, Record(value));
        return node;
    }

    private static RecipeMapping Record(object record)
    {
        var node = new RecipeMapping(Nowhere);
        foreach (var member in RecordShape.Of(record.GetType()).Members)
            node.Set(member.Key, Nowhere, From(member.Get(record), member.Shape));
        return node;
    }
}
