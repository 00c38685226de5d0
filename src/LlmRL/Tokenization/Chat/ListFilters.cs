using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>Filters of lists and mappings. Where Python's give a generator these give a list.</summary>
internal static class ListFilters
{
    public static readonly Dictionary<string, Func<RenderContext, object?, CallArguments, object?>> Known = new(StringComparer.Ordinal)
    {
        ["join"] = Join,
        ["map"] = Map,
        ["select"] = (context, value, given) => Keep(context, value, given, hasAttribute: false, wanted: true),
        ["reject"] = (context, value, given) => Keep(context, value, given, hasAttribute: false, wanted: false),
        ["selectattr"] = (context, value, given) => Keep(context, value, given, hasAttribute: true, wanted: true),
        ["rejectattr"] = (context, value, given) => Keep(context, value, given, hasAttribute: true, wanted: false),
        ["list"] = (context, value, _) => new TemplateList(TemplateValues.Items(context, value)),
        ["first"] = (context, value, _) => TemplateValues.Items(context, value) is [var first, ..] ? first : new Undefined("the list has no first item"),
        ["last"] = (context, value, _) => TemplateValues.Items(context, value) is [.., var last] ? last : new Undefined("the list has no last item"),
        ["reverse"] = (context, value, _) => value is string text
            ? string.Concat(TemplateValues.CodePoints(text).Reverse())
            : new TemplateList([.. TemplateValues.Items(context, value).Reverse()]),
        ["sort"] = (context, value, given) => new TemplateList(Sorted(context, TemplateValues.Items(context, value), given.Get(2, "attribute"),
            TemplateValues.IsTrue(given.Get(1, "case_sensitive")), TemplateValues.IsTrue(given.Get(0, "reverse")))),
        ["unique"] = Unique,
        ["min"] = (context, value, given) => Sorted(context, TemplateValues.Items(context, value), given.Get(1, "attribute"),
            TemplateValues.IsTrue(given.Get(0, "case_sensitive")), isDescending: false) is [var least, ..] ? least : new Undefined("an empty list has no smallest item"),
        ["max"] = (context, value, given) => Sorted(context, TemplateValues.Items(context, value), given.Get(1, "attribute"),
            TemplateValues.IsTrue(given.Get(0, "case_sensitive")), isDescending: true) is [var most, ..] ? most : new Undefined("an empty list has no largest item"),
        ["sum"] = (context, value, given) => TemplateValues.Items(context, value)
            .Aggregate(given.Get(1, "start", 0L), (sum, item) => Arithmetic.Apply(context, "+", sum, Field(item, given.Get(0, "attribute")))),
        ["items"] = (context, value, _) => value is Undefined ? new TemplateList([]) : Methods.Invoke(context, new BoundMethod(Mapping(value), "items"), CallArguments.None),
        ["dictsort"] = (context, value, given) => DictSort(context, value, given),
        ["attr"] = (_, value, given) => Access.Attribute(value, TemplateValues.ToText(given.Need(0, "name"))),
        ["batch"] = (context, value, given) => Batch(context, value, given),
    };

    private static OrderedDictionary<string, object?> Mapping(object? value) =>
        value as OrderedDictionary<string, object?> ?? throw new TemplateFault($"a mapping was expected, found {TemplateValues.Kind(value)}");

    // "a.b" is the field b of the field a.
    private static object? Field(object? item, object? attribute)
    {
        if (attribute is null)
            return item;
        if (attribute is not string path)
            return Access.Item(item, attribute);
        foreach (var part in path.Split('.'))
            item = Access.Item(item, long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : part);
        return item;
    }

    private static object Join(RenderContext context, object? value, CallArguments given)
    {
        var separator = TemplateValues.Show(context, given.Get(0, "d", ""));
        var output = new StringBuilder();
        var between = "";
        foreach (var item in TemplateValues.Items(context, value))
        {
            context.Charge(between.Length);
            output.Append(between);
            TemplateWriter.Show(context, Field(item, given.Get(1, "attribute")), output);
            between = separator;
        }

        return output.ToString();
    }

    private static object Map(RenderContext context, object? value, CallArguments given)
    {
        var items = ItemsOrNone(context, value);
        context.Charge(items.Length);
        if (given.Named?.TryGetValue("attribute", out var attribute) == true)
        {
            var hasFallback = given.Named.TryGetValue("default", out var fallback);
            return new TemplateList(Array.ConvertAll(items, item => Field(item, attribute) is var field && field is Undefined && hasFallback ? fallback : field));
        }

        var name = TemplateValues.ToText(given.Need(0, "filter"));
        return new TemplateList(Array.ConvertAll(items, item => Filters.Apply(context, name, item, given.From(1))));
    }

    // Jinja does not look at what is false: none has no items here.
    private static object?[] ItemsOrNone(RenderContext context, object? value) => TemplateValues.IsTrue(value) ? TemplateValues.Items(context, value) : [];

    private static object Keep(RenderContext context, object? value, CallArguments given, bool hasAttribute, bool wanted)
    {
        var attribute = hasAttribute ? given.Need(0, "attribute") : null;
        var rest = given.From(hasAttribute ? 1 : 0);
        var test = rest.Positional is [var name, ..] ? TemplateValues.ToText(name) : null;
        var kept = new List<object?>();
        foreach (var item in ItemsOrNone(context, value))
        {
            context.Charge(1);
            var field = Field(item, attribute);
            if ((test is null ? TemplateValues.IsTrue(field) : Tests.Apply(context, test, field, rest.From(1))) == wanted)
                kept.Add(item);
        }

        return new TemplateList([.. kept]);
    }

    private static object?[] Sorted(RenderContext context, object?[] items, object? attribute, bool isCaseSensitive, bool isDescending)
    {
        var order = Comparer<object?>.Create((a, b) => TemplateValues.Compare(context, a, b));
        try
        {
            return isDescending ? [.. items.OrderByDescending(Key, order)] : [.. items.OrderBy(Key, order)];
        }
        catch (InvalidOperationException fault) when (fault.InnerException is TemplateFault inner)
        {
            throw inner;
        }

        object? Key(object? item) => Field(item, attribute) is var field && field is string text && !isCaseSensitive ? text.ToLowerInvariant() : field;
    }

    private static object Unique(RenderContext context, object? value, CallArguments given)
    {
        var isCaseSensitive = TemplateValues.IsTrue(given.Get(0, "case_sensitive"));
        List<object?> kept = [], keys = [];
        foreach (var item in TemplateValues.Items(context, value))
        {
            var field = Field(item, given.Get(1, "attribute"));
            var key = field is string text && !isCaseSensitive ? text.ToLowerInvariant() : field;
            if (keys.Exists(other => TemplateValues.AreEqual(context, other, key)))
                continue;
            keys.Add(key);
            kept.Add(item);
        }

        return new TemplateList([.. kept]);
    }

    private static object DictSort(RenderContext context, object? value, CallArguments given)
    {
        var byValue = given.Get(1, "by", "key") is "value";
        object?[] pairs = [.. Mapping(value).Select(pair => new TemplateList([pair.Key, pair.Value], isTuple: true))];
        return new TemplateList(Sorted(context, pairs, byValue ? 1L : 0L, TemplateValues.IsTrue(given.Get(0, "case_sensitive")), TemplateValues.IsTrue(given.Get(2, "reverse"))));
    }

    private static object Batch(RenderContext context, object? value, CallArguments given)
    {
        var size = (int)Math.Clamp(TemplateValues.ToInteger(given.Need(0, "linecount")), 1, int.MaxValue);
        return new TemplateList([.. TemplateValues.Items(context, value).Chunk(size).Select(chunk => new TemplateList(chunk))]);
    }
}
