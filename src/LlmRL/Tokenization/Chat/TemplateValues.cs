using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmRL.Tokenization.Chat;

/// <summary>What a name without a value stands for: empty as text, false as a condition, an error as soon as something inside it is asked for.</summary>
internal sealed class Undefined(string what)
{
    public string What => what;
}

/// <summary>A list, or a tuple, which prints differently.</summary>
internal sealed class TemplateList(object?[] items, bool isTuple = false)
{
    public object?[] Items => items;

    public bool IsTuple => isTuple;
}

/// <summary><c>namespace()</c>: the one object whose fields a template may set.</summary>
internal sealed class TemplateNamespace
{
    public OrderedDictionary<string, object?> Fields { get; } = new(StringComparer.Ordinal);
}

/// <summary>Something that can be called: a global function or a macro.</summary>
internal sealed class TemplateFunction(string name, Func<RenderContext, CallArguments, object?> invoke)
{
    public string Name => name;

    public object? Invoke(RenderContext context, CallArguments arguments) => invoke(context, arguments);
}

/// <summary>A method of a value, looked up and not yet called.</summary>
internal sealed record BoundMethod(object Target, string Name);

/// <summary>
/// The values of templates and what Python does with them. A value is null, a bool, a long, a double, a string, a <see cref="TemplateList"/>, an ordered
/// dictionary by string, or one of the objects above: nothing of the host program can be reached through one.
/// </summary>
internal static class TemplateValues
{
    private const int MaxInputDepth = 64;

    /// <summary>Takes a value of the program over; <paramref name="size"/> grows with its characters and items.</summary>
    public static object? FromHost(object? value, ref long size, int depth = 0)
    {
        size++;
        if (depth > MaxInputDepth)
            throw new ArgumentException($"a value for the chat template is nested more than {MaxInputDepth} deep", nameof(value));
        switch (value)
        {
            case null or bool or long or double:
                return value;
            case string text:
                size += text.Length;
                return text;
            case int or short or byte or uint or sbyte or ushort:
                return Convert.ToInt64(value, CultureInfo.InvariantCulture);
            case float single:
                return (double)single;
            case JsonElement element:
                return FromJson(element, ref size, depth);
            case ChatMessage message:
                return message.ToTemplate(ref size, depth);
            case JsonNode node:
                return FromJson(JsonSerializer.SerializeToElement(node), ref size, depth);
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                return FromPairs(pairs, ref size, depth);
            case IDictionary<string, string> pairs:
                return FromPairs(pairs.Select(pair => KeyValuePair.Create(pair.Key, (object?)pair.Value)), ref size, depth);
            case IEnumerable list:
                var items = new List<object?>();
                foreach (var item in list)
                    items.Add(FromHost(item, ref size, depth + 1));
                return new TemplateList([.. items]);
            default:
                throw new ArgumentException($"a chat template cannot use a value of type {value.GetType().Name}", nameof(value));
        }
    }

    /// <summary>Python's idea of true.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        TemplateList list => list.Items.Length > 0,
        OrderedDictionary<string, object?> map => map.Count > 0,
        _ => true,
    };

    /// <summary>A value's kind, for messages.</summary>
    public static string Kind(object? value) => value switch
    {
        null => "none",
        bool => "a boolean",
        long => "an integer",
        double => "a float",
        string => "a string",
        TemplateList => "a list",
        OrderedDictionary<string, object?> => "a mapping",
        Undefined => "undefined",
        _ => "a function or object",
    };

    /// <summary>The items that a loop goes over; code points of a string, keys of a mapping.</summary>
    public static object?[] Items(RenderContext context, object? value)
    {
        switch (value)
        {
            case TemplateList list:
                return list.Items;
            case Undefined:
                return [];
            case OrderedDictionary<string, object?> map:
                context.Charge(map.Count);
                return [.. map.Keys];
            case string text:
                context.Charge(text.Length);
                return [.. CodePoints(text)];
            default:
                throw new TemplateFault($"{Kind(value)} is nothing to go over; a list, a mapping or a string is");
        }
    }

    /// <summary>Python's length: code points of a string.</summary>
    public static long Length(object? value) => value switch
    {
        string text => CodePointCount(text),
        TemplateList list => list.Items.Length,
        OrderedDictionary<string, object?> map => map.Count,
        Undefined => 0,
        _ => throw new TemplateFault($"{Kind(value)} has no length"),
    };

    /// <summary>The code points of a string, each as a string; a lone surrogate stays one.</summary>
    public static IEnumerable<string> CodePoints(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var width = char.IsSurrogatePair(text, i) ? 2 : 1;
            yield return text.Substring(i, width);
            i += width;
        }
    }

    public static bool AreEqual(RenderContext context, object? left, object? right)
    {
        context.Enter();
        var isEqual = AreSame(context, left, right);
        context.Leave();
        return isEqual;
    }

    private static bool AreSame(RenderContext context, object? left, object? right)
    {
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
            return left is double || right is double ? a == b : ToInteger(left) == ToInteger(right);
        switch (left, right)
        {
            case (null, null) or (Undefined, Undefined):
                return true;
            case (string x, string y):
                context.Charge(Math.Min(x.Length, y.Length) / 16);
                return x == y;
            case (TemplateList x, TemplateList y):
                return x.IsTuple == y.IsTuple && x.Items.Length == y.Items.Length && x.Items.Zip(y.Items).All(p => AreEqual(context, p.First, p.Second));
            case (OrderedDictionary<string, object?> x, OrderedDictionary<string, object?> y):
                return x.Count == y.Count && x.All(p => y.TryGetValue(p.Key, out var other) && AreEqual(context, p.Value, other));
            default:
                return ReferenceEquals(left, right) && left is not null;
        }
    }

    /// <summary>Order of two numbers, strings (by code point) or lists; other pairs have none.</summary>
    public static int Compare(RenderContext context, object? left, object? right)
    {
        context.Enter();
        var order = Order(context, left, right);
        context.Leave();
        return order;
    }

    private static int Order(RenderContext context, object? left, object? right)
    {
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
            return left is double || right is double ? a.CompareTo(b) : ToInteger(left).CompareTo(ToInteger(right));
        if (left is string x && right is string y)
        {
            context.Charge(Math.Min(x.Length, y.Length) / 16);
            return string.CompareOrdinal(x, y);
        }

        if (left is TemplateList p && right is TemplateList q)
        {
            for (var i = 0; i < Math.Min(p.Items.Length, q.Items.Length); i++)
            {
                if (Compare(context, p.Items[i], q.Items[i]) is not 0 and var order)
                    return order;
            }

            return p.Items.Length.CompareTo(q.Items.Length);
        }

        throw new TemplateFault($"{Kind(left)} and {Kind(right)} have no order");
    }

    /// <summary>Python's <c>in</c>.</summary>
    public static bool Contains(RenderContext context, object? container, object? item)
    {
        switch (container)
        {
            case string text when item is string part:
                context.ChargeSearch(text.Length, part.Length);
                return text.Contains(part, StringComparison.Ordinal);
            case string:
                throw new TemplateFault($"only a string can be looked for in a string, not {Kind(item)}");
            case OrderedDictionary<string, object?> map:
                return item is string key && map.ContainsKey(key);
            case TemplateNamespace or null or bool or long or double:
                throw new TemplateFault($"nothing can be looked for in {Kind(container)}");
            default:
                return Array.Exists(Items(context, container), x => AreEqual(context, x, item));
        }
    }

    /// <summary>The number that a value is (booleans are 0 and 1), or null.</summary>
    public static double? AsNumber(object? value) => value switch
    {
        long number => number,
        double number => number,
        bool flag => flag ? 1 : 0,
        _ => null,
    };

    /// <summary>The integer that a value is, or an error.</summary>
    public static long ToInteger(object? value) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => throw new TemplateFault($"an integer was expected, found {Kind(value)}"),
    };

    /// <summary>The string that a value is, or an error.</summary>
    public static string ToText(object? value) => value as string ?? throw new TemplateFault($"a string was expected, found {Kind(value)}");

    /// <summary>The string as <c>str()</c> makes it.</summary>
    public static string Show(RenderContext context, object? value)
    {
        if (value is string text)
            return text;
        var output = new StringBuilder();
        TemplateWriter.Show(context, value, output);
        return output.ToString();
    }

    public static int CodePointCount(string text)
    {
        var count = text.Length;
        for (var i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
                count--;
        }

        return count;
    }

    private static OrderedDictionary<string, object?> FromPairs(IEnumerable<KeyValuePair<string, object?>> pairs, ref long size, int depth)
    {
        var map = new OrderedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (key, value) in pairs)
        {
            size += key.Length;
            map[key] = FromHost(value, ref size, depth + 1);
        }

        return map;
    }

    private static object? FromJson(JsonElement element, ref long size, int depth)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var map = new OrderedDictionary<string, object?>(StringComparer.Ordinal);
                foreach (var member in element.EnumerateObject())
                {
                    size += member.Name.Length;
                    map[member.Name] = FromHost(member.Value, ref size, depth + 1);
                }

                return map;
            case JsonValueKind.Array:
                var items = new List<object?>(element.GetArrayLength());
                foreach (var item in element.EnumerateArray())
                    items.Add(FromHost(item, ref size, depth + 1));
                return new TemplateList([.. items]);
            case JsonValueKind.String:
                return FromHost(element.GetString(), ref size, depth);
            case JsonValueKind.Number:
                return element.TryGetInt64(out var integer) ? (object)integer : element.GetDouble();
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            default:
                return null;
        }
    }
}
