using System.ComponentModel.DataAnnotations;

namespace LlmRL.Recipes.Binding;

/// <summary>One walk over a recipe's nodes along a type. A faulty value yields null and a fault; its siblings are still checked.</summary>
internal sealed class BinderPass(RecipeFaults faults)
{
    /// <summary>The value of <paramref name="node"/>; null where it is absent or faulty.</summary>
    /// <param name="node">What was written.</param>
    /// <param name="shape">What is expected.</param>
    /// <param name="path">The dotted path, as an override would name it.</param>
    /// <param name="range">Bounds of a number, or of each number in a list.</param>
    public object? Bind(RecipeNode node, ValueShape shape, string path, RangeAttribute? range = null)
    {
        if (shape.Kind == ValueKind.Yaml)
            return node;
        if (node is RecipeScalar { Text: null })
        {
            var orQuoted = shape.Kind == ValueKind.Text ? ", or \"null\" in quotes" : "";
            return shape.Nullable ? null : Fault(node, path, $"no value given, expected {shape.Expected}. Write it like {shape.Sample}{orQuoted}.");
        }

        return (shape.Kind, node) switch
        {
            (ValueKind.List, RecipeSequence sequence) => List(sequence, shape, path, range),
            (ValueKind.List, RecipeScalar) when shape.OneWillDo => List(new RecipeSequence(node.Mark) { Items = { node } }, shape, path, range),
            (ValueKind.List, RecipeScalar scalar) => Fault(node, path, $"expected a list, found {scalar.Describe()}. Write it like [{scalar.Text}]."),
            (ValueKind.Dictionary, RecipeMapping mapping) => Dictionary(mapping, shape, path, range),
            (ValueKind.Record, RecipeMapping mapping) => Record(mapping, shape.Type, path),
            (ValueKind.Record, RecipeScalar scalar) when shape.Type.IsDefined(typeof(SwitchableAttribute), inherit: true) => Switched(scalar, shape, path),
            (ValueKind.Variant, _) => Variant(node, shape, path),
            ( < ValueKind.List, RecipeScalar scalar) => Scalar(scalar, shape, path, range),
            _ => Fault(node, path, $"expected {shape.Expected}, found {node.Describe()}. Write it like {shape.Sample}."),
        };
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    private object? Fault(RecipeNode node, string path, string problem)
    {
        faults.Add(node.Mark, path, problem);
        return null;
    }

    private object? Scalar(RecipeScalar scalar, ValueShape shape, string path, RangeAttribute? range)
    {
        if (ScalarReader.Read(scalar, shape, out var problem) is not { } value)
            return Fault(scalar, path, problem);
        if (range is not null && shape.Kind is ValueKind.Whole or ValueKind.Real && ScalarReader.OutOfRange(value, range!) is { } outside)
            return Fault(scalar, path, outside);
        return value;
    }

    private object? Switched(RecipeScalar scalar, ValueShape shape, string path)
    {
        if (SwitchableAttribute.Read(scalar.Text) is not { } enabled)
            return Fault(scalar, path, $"expected its settings, off or on, found {scalar.Describe()}. Write it like {shape.Sample}.");
        var mapping = new RecipeMapping(scalar.Mark);
        mapping.Set(SwitchableAttribute.Key, scalar.Mark, new RecipeScalar(scalar.Mark, enabled ? "true" : "false", false));
        return Record(mapping, shape.Type, path);
    }

    private object? List(RecipeSequence sequence, ValueShape shape, string path, RangeAttribute? range)
    {
        var before = faults.Count;
        var items = sequence.Items.Select((item, index) => Bind(item, shape.Element!, Join(path, $"{index}"), range)).ToList();
        return faults.Count == before ? shape.MakeList(items) : null;
    }

    private object? Dictionary(RecipeMapping mapping, ValueShape shape, string path, RangeAttribute? range)
    {
        var before = faults.Count;
        var pairs = mapping.Entries.Select(entry => (entry.Key, Bind(entry.Value, shape.Element!, Join(path, entry.Key), range))).ToList();
        return faults.Count == before ? shape.MakeDictionary(pairs) : null;
    }

    private object? Variant(RecipeNode node, ValueShape shape, string path)
    {
        var variants = Variants.Of(shape.Type);
        if (node is RecipeScalar scalar)
        {
            return variants.ByName.TryGetValue(scalar.Text!, out var plain)
                ? Record(new RecipeMapping(node.Mark), plain, Join(path, scalar.Text!))
                : Fault(node, path, $"unknown kind {scalar.Describe()}. {Known(scalar.Text!, variants)}");
        }

        if (node is not RecipeMapping { Entries.Count: 1 } mapping)
            return Fault(node, path, $"expected one kind with its settings, found {node.Describe()}. Write it like {shape.Sample}; {Valid(variants)}");
        var (kind, mark, body) = mapping.Entries[0];
        if (!variants.ByName.TryGetValue(kind, out var type))
        {
            faults.Add(mark, path, $"unknown kind \"{kind}\". {Known(kind, variants)}");
            return null;
        }

        return body switch
        {
            RecipeMapping settings => Record(settings, type, Join(path, kind)),
            RecipeScalar { Text: null } => Record(new RecipeMapping(mark), type, Join(path, kind)),
            _ => Fault(body, Join(path, kind), $"expected its settings, found {body.Describe()}. Write {kind}: {{ key: value }}."),
        };
    }

    private static string Valid(Variants variants) => $"valid kinds: {string.Join(", ", variants.Names)}.";

    private static string Known(string kind, Variants variants) =>
        (KeyNames.Nearest(kind, variants.Names) is { } nearest ? $"Did you mean {nearest}? V" : "V") + Valid(variants)[1..];

    private object? Record(RecipeMapping mapping, Type type, string path)
    {
        var shape = RecordShape.Of(type);
        var before = faults.Count;
        var given = Members(mapping, shape, path);
        if (faults.Count != before)
            return null;
        var record = Make(mapping, shape, given, path);
        if (record is IValidated validated && faults.Count == before)
            Validate(mapping, shape, validated, path);
        return faults.Count == before ? record : null;
    }

    private Dictionary<RecordMember, object?> Members(RecipeMapping mapping, RecordShape shape, string path)
    {
        var given = new Dictionary<RecordMember, object?>();
        var meant = new HashSet<string>();
        foreach (var (key, mark, node) in mapping.Entries)
        {
            if (shape.Members.FirstOrDefault(m => m.Key == key) is { } member)
            {
                given[member] = Bind(node, member.Shape, Join(path, key), member.Range);
                CheckLength(member, given[member], node, Join(path, key));
                continue;
            }

            var free = shape.Keys.Where(name => mapping.Find(name) is null).ToList();
            var nearest = KeyNames.Nearest(key, free);
            if (nearest is not null)
                meant.Add(nearest);
            faults.Add(mark, Join(path, key), $"unknown key. {KeyNames.Remedy(key, nearest is null ? shape.Keys : [nearest], "keys")}");
        }

        // A required key that was only misspelt is named once, by the misspelling.
        foreach (var member in shape.Members.Where(m => m.Required && !given.ContainsKey(m) && !meant.Contains(m.Key)))
            faults.Add(mapping.Mark, Join(path, member.Key), $"missing, expected {member.Shape.Expected}. Add {member.Key}: {member.Shape.Sample}");
        return given;
    }

    private void CheckLength(RecordMember member, object? value, RecipeNode node, string path)
    {
        var length = value switch { string text => text.Length, System.Collections.ICollection items => items.Count, _ => int.MaxValue };
        var found = length == 0 ? "is empty" : $"has length {length}";
        if (length < member.MinLength)
            faults.Add(node.Mark, path, $"{found}. Give at least {member.MinLength}, like {member.Shape.Sample}.");
    }

    private object? Make(RecipeMapping mapping, RecordShape shape, Dictionary<RecordMember, object?> given, string path)
    {
        object record;
        try
        {
            record = shape.Create(given);
        }
        catch (Exception e) when (e is ArgumentException or BadInputException)
        {
            return Fault(mapping, path, Sentence(e));
        }

        foreach (var (member, value) in given.Where(pair => pair.Key.Parameter is null))
        {
            try
            {
                member.Property.SetValue(record, value, System.Reflection.BindingFlags.DoNotWrapExceptions, null, null, null);
            }
            catch (Exception e) when (e is ArgumentException or BadInputException)
            {
                Fault(mapping.Find(member.Key)!.Value, Join(path, member.Key), Sentence(e));
            }
        }

        return record;
    }

    private void Validate(RecipeMapping mapping, RecordShape shape, IValidated record, string path)
    {
        foreach (var (name, problem) in record.Validate())
        {
            // A dotted key blames a setting further in.
            var key = shape.Find(name)?.Key ?? name;
            faults.Add(RecipeNodes.Locate(mapping, key), Join(path, key), problem.TrimEnd('.') + ".");
        }
    }

    // Without the parameter's name and the second line, which speak to the programmer.
    private static string Sentence(Exception e)
    {
        var line = e.Message.Split('\n')[0].TrimEnd();
        var parameter = line.LastIndexOf(" (Parameter '", StringComparison.Ordinal);
        return (parameter < 0 ? line : line[..parameter]).TrimEnd('.') + ".";
    }
}
