namespace LlmRL.Tokenization.Chat;

/// <summary>Fields, items and slices of values.</summary>
internal static class Access
{
    public static object? Attribute(object? target, string name)
    {
        Refuse(target);
        if (Methods.Has(target, name))
            return new BoundMethod(target!, name);
        return target switch
        {
            OrderedDictionary<string, object?> map when map.TryGetValue(name, out var value) => value,
            TemplateNamespace space when space.Fields.TryGetValue(name, out var value) => value,
            LoopValue loop when loop.TryGet(name, out var value) => value,
            _ => Missing(target, name),
        };
    }

    public static object? Item(object? target, object? index)
    {
        Refuse(target);
        switch (target)
        {
            case OrderedDictionary<string, object?> map when index is string key:
                return map.TryGetValue(key, out var value) ? value : Methods.Has(target, key) ? new BoundMethod(target, key) : Missing(target, key);
            case TemplateList list when index is long or bool:
                return At(TemplateValues.ToInteger(index), list.Items.Length) is { } place ? list.Items[place] : new Undefined($"the list has no item {index}");
            case string text when index is long or bool:
                return Character(text, TemplateValues.ToInteger(index));
            default:
                return index is string name ? Attribute(target, name) : new Undefined($"{TemplateValues.Kind(target)} has no item {index}");
        }
    }

    /// <summary>Python's slices; a step of 0 is an error.</summary>
    public static object? Slice(RenderContext context, object? target, long? start, long? stop, long? step)
    {
        Refuse(target);
        if (target is not (string or TemplateList))
            throw new TemplateFault($"{TemplateValues.Kind(target)} cannot be sliced");
        object?[]? points = null;
        var text = target as string;
        if (text is not null && (step is not (null or 1) || text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')))
            points = TemplateValues.Items(context, text);
        var items = points ?? (target as TemplateList)?.Items;
        var length = items?.Length ?? text!.Length;
        var stride = step ?? 1;
        if (stride == 0)
            throw new TemplateFault("a slice's step cannot be 0");
        var (first, last) = Bounds(length, start, stop, stride > 0);
        if (items is null)
        {
            context.Charge(Math.Max(0, last - first));
            return last > first ? text![(int)first..(int)last] : "";
        }

        var kept = new List<object?>();
        for (var i = first; stride > 0 ? i < last : i > last; i += Math.Clamp(stride, -length - 1, length + 1))
        {
            context.Charge(1);
            kept.Add(items[i]);
        }

        return text is not null ? string.Concat(kept) : new TemplateList([.. kept], ((TemplateList)target).IsTuple);
    }

    private static (long First, long Last) Bounds(int length, long? start, long? stop, bool isForward)
    {
        long low = isForward ? 0 : -1, high = isForward ? length : length - 1;
        return (Bound(start, isForward ? low : high), Bound(stop, isForward ? high : low));

        long Bound(long? bound, long fallback) =>
            bound is not { } value ? fallback : Math.Clamp(value < 0 ? Math.Max(value, -length - 1) + length : value, low, high);
    }

    private static void Refuse(object? target)
    {
        if (target is Undefined missing)
            throw new TemplateFault(missing.What);
    }

    private static int? At(long index, int length)
    {
        var place = index < 0 ? index + length : index;
        return place >= 0 && place < length ? (int)place : null;
    }

    private static object Character(string text, long index)
    {
        var points = text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? TemplateValues.CodePoints(text).ToArray() : null;
        return At(index, points?.Length ?? text.Length) is { } place
            ? points is null ? text[place].ToString() : points[place]
            : new Undefined($"the string has no character {index}");
    }

    private static Undefined Missing(object? target, string name) => new($"{TemplateValues.Kind(target)} has no '{name}'");
}
