using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>Python's methods of strings and mappings that templates call. Nothing here changes a value.</summary>
internal static class Methods
{
    private static readonly HashSet<string> OfStrings = new(StringComparer.Ordinal)
    {
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "upper", "lower", "title", "capitalize",
        "swapcase", "find", "rfind", "index", "count", "join", "format", "removeprefix", "removesuffix", "partition", "rpartition", "isdigit", "isnumeric",
        "isalpha", "isalnum", "isspace", "isupper", "islower", "zfill", "ljust", "rjust",
    };

    private static readonly HashSet<string> OfMaps = new(StringComparer.Ordinal) { "items", "keys", "values", "get", "copy" };
    private static readonly HashSet<string> OfLists = new(StringComparer.Ordinal) { "index", "count", "copy" };
    private static readonly HashSet<string> OfLoops = new(StringComparer.Ordinal) { "cycle", "changed" };

    public static bool Has(object? target, string name) => target switch
    {
        string => OfStrings.Contains(name),
        OrderedDictionary<string, object?> => OfMaps.Contains(name),
        TemplateList => OfLists.Contains(name),
        LoopValue => OfLoops.Contains(name),
        _ => false,
    };

    public static object? Invoke(RenderContext context, BoundMethod method, CallArguments arguments)
    {
        switch (method.Target)
        {
            case string text:
                context.Charge(text.Length / 16);
                return OfString(context, text, method.Name, arguments);
            case OrderedDictionary<string, object?> map:
                context.Charge(map.Count);
                return OfMap(map, method.Name, arguments);
            case TemplateList list when method.Name == "count":
                return (long)list.Items.Count(item => TemplateValues.AreEqual(context, item, arguments.Need(0, "value")));
            case TemplateList list when method.Name == "copy":
                return list;
            case TemplateList list:
                var place = Array.FindIndex(list.Items, item => TemplateValues.AreEqual(context, item, arguments.Need(0, "value")));
                return place >= 0 ? (long)place : throw new TemplateFault("the list does not have the item that index() looks for");
            default:
                return ((LoopValue)method.Target).Invoke(context, method.Name, arguments);
        }
    }

    /// <summary>Python's <c>strip</c>, <c>lstrip</c>, <c>rstrip</c>.</summary>
    public static string Strip(string text, object? characters, bool left, bool right)
    {
        var set = characters is null ? null : TemplateValues.ToText(characters);
        int start = 0, end = text.Length;
        while (left && start < end && Goes(text[start]))
            start++;
        while (right && end > start && Goes(text[end - 1]))
            end--;
        return text[start..end];

        bool Goes(char c) => set is null ? char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F' : set.Contains(c);
    }

    /// <summary>Every word with a capital first letter.</summary>
    public static string Title(string text)
    {
        var output = new StringBuilder(text.Length);
        var inWord = false;
        foreach (var c in text)
        {
            output.Append(inWord ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            inWord = char.IsLetter(c);
        }

        return output.ToString();
    }

    public static string Capitalize(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    /// <summary>Python's <c>replace</c>.</summary>
    public static string Replace(RenderContext context, string text, string old, string with, long most)
    {
        context.ChargeSearch(text.Length, old.Length);
        var output = new StringBuilder();
        var from = 0;
        if (old.Length == 0)
        {
            context.Charge((text.Length + 1L) * (with.Length + 1));
            foreach (var point in TemplateValues.CodePoints(text))
            {
                if (most-- == 0)
                    break;
                output.Append(with).Append(point);
                from += point.Length;
            }

            return output.Append(text, from, text.Length - from).Append(most != 0 && from == text.Length ? with : "").ToString();
        }

        for (int at; most != 0 && (at = text.IndexOf(old, from, StringComparison.Ordinal)) >= 0; from = at + old.Length, most--)
        {
            context.Charge(with.Length + 1);
            output.Append(text, from, at - from).Append(with);
        }

        return output.Append(text, from, text.Length - from).ToString();
    }

    private static object? OfMap(OrderedDictionary<string, object?> map, string name, CallArguments arguments) => name switch
    {
        "items" => new TemplateList([.. map.Select(pair => new TemplateList([pair.Key, pair.Value], isTuple: true))]),
        "keys" => new TemplateList([.. map.Keys]),
        "values" => new TemplateList([.. map.Values]),
        "copy" => map,
        _ => arguments.Need(0, "key") is string key && map.TryGetValue(key, out var value) ? value : arguments.Get(1, "default"),
    };

    private static object? OfString(RenderContext context, string text, string name, CallArguments arguments)
    {
        switch (name)
        {
            case "strip":
                return Strip(text, arguments.Get(0, "chars"), true, true);
            case "lstrip":
                return Strip(text, arguments.Get(0, "chars"), true, false);
            case "rstrip":
                return Strip(text, arguments.Get(0, "chars"), false, true);
            case "split" or "rsplit":
                return Split(context, text, arguments.Get(0, "sep"), TemplateValues.ToInteger(arguments.Get(1, "maxsplit", -1L)), name == "rsplit");
            case "splitlines":
                return SplitLines(context, text);
            case "startswith" or "endswith":
                return Edge(text, arguments.Need(0, "prefix"), name == "startswith");
            case "replace":
                return Replace(context, text, Text(0, "old"), Text(1, "new"), TemplateValues.ToInteger(arguments.Get(2, "count", -1L)));
            case "join":
                return Join(context, text, TemplateValues.Items(context, arguments.Need(0, "iterable")));
            case "format":
                return Format(context, text, arguments);
            case "removeprefix":
                return text.StartsWith(Text(0, "prefix"), StringComparison.Ordinal) ? text[Text(0, "prefix").Length..] : text;
            case "removesuffix":
                return text.EndsWith(Text(0, "suffix"), StringComparison.Ordinal) ? text[..^Text(0, "suffix").Length] : text;
            case "partition" or "rpartition":
                return Partition(context, text, Text(0, "sep"), name == "rpartition");
            case "zfill" or "ljust" or "rjust":
                return Pad(context, text, name, arguments);
            case "find" or "rfind" or "index" or "count":
                return Search(context, text, Text(0, "sub"), name);
            default:
                context.Charge(text.Length);
                return Case(text, name);
        }

        string Text(int index, string argument) => TemplateValues.ToText(arguments.Need(index, argument));
    }

    private static object Case(string text, string name) => name switch
    {
        "upper" => text.ToUpperInvariant(),
        "lower" => text.ToLowerInvariant(),
        "title" => Title(text),
        "capitalize" => Capitalize(text),
        "swapcase" => string.Concat(text.Select(c => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c))),
        "isdigit" or "isnumeric" => text.Length > 0 && text.All(char.IsDigit),
        "isalpha" => text.Length > 0 && text.All(char.IsLetter),
        "isalnum" => text.Length > 0 && text.All(char.IsLetterOrDigit),
        "isspace" => text.Length > 0 && text.All(char.IsWhiteSpace),
        "isupper" => text.Any(char.IsUpper) && !text.Any(char.IsLower),
        _ => text.Any(char.IsLower) && !text.Any(char.IsUpper),
    };

    private static long Search(RenderContext context, string text, string part, string name)
    {
        context.ChargeSearch(text.Length, part.Length);
        if (name == "count")
        {
            if (part.Length == 0)
                return TemplateValues.CodePointCount(text) + 1;
            var count = 0;
            for (var at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
                count++;
            return count;
        }

        var place = name == "rfind" ? text.LastIndexOf(part, StringComparison.Ordinal) : text.IndexOf(part, StringComparison.Ordinal);
        if (place < 0)
            return name == "index" ? throw new TemplateFault("the string does not have what index() looks for") : -1;
        return TemplateValues.CodePointCount(text[..place]);
    }

    private static bool Edge(string text, object? parts, bool atStart)
    {
        if (parts is TemplateList list)
            return list.Items.Any(part => Edge(text, part, atStart));
        var part = TemplateValues.ToText(parts);
        return atStart ? text.StartsWith(part, StringComparison.Ordinal) : text.EndsWith(part, StringComparison.Ordinal);
    }

    private static TemplateList Split(RenderContext context, string text, object? separator, long most, bool fromRight)
    {
        context.Charge(text.Length);
        if (separator is null)
            return SplitAtSpaces(text, most, fromRight);
        var cut = TemplateValues.ToText(separator);
        if (cut.Length == 0)
            throw new TemplateFault("the separator of split() is empty");
        context.ChargeSearch(text.Length, cut.Length);
        if (!fromRight)
            return new TemplateList(text.Split(cut, most < 0 || most >= int.MaxValue ? int.MaxValue : (int)most + 1));
        var parts = new List<object?>();
        var end = text.Length;
        for (int at; end >= 0 && most != 0 && (at = text.AsSpan(0, end).LastIndexOf(cut, StringComparison.Ordinal)) >= 0; end = at, most--)
            parts.Add(text[(at + cut.Length)..end]);
        parts.Add(text[..end]);
        parts.Reverse();
        return new TemplateList([.. parts]);
    }

    private static TemplateList SplitAtSpaces(string text, long most, bool fromRight)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (most < 0 || words.Length <= most + 1)
            return new TemplateList(words);
        if (fromRight)
        {
            var rest = text;
            var tail = words[^(int)most..];
            for (var i = tail.Length - 1; i >= 0; i--)
                rest = rest.TrimEnd()[..^tail[i].Length];
            return new TemplateList([rest.TrimEnd(), .. tail]);
        }

        var left = text.TrimStart();
        for (var i = 0; i < most; i++)
            left = left[words[i].Length..].TrimStart();
        return new TemplateList([.. words[..(int)most], left]);
    }

    private static TemplateList SplitLines(RenderContext context, string text)
    {
        context.Charge(text.Length);
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        return new TemplateList(lines[^1].Length == 0 ? lines[..^1] : lines);
    }

    private static TemplateList Partition(RenderContext context, string text, string separator, bool fromRight)
    {
        if (separator.Length == 0)
            throw new TemplateFault("the separator of partition() is empty");
        context.ChargeSearch(text.Length, separator.Length);
        context.Charge(text.Length);
        var at = fromRight ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        if (at < 0)
            return new TemplateList(fromRight ? ["", "", text] : [text, "", ""], isTuple: true);
        return new TemplateList([text[..at], separator, text[(at + separator.Length)..]], isTuple: true);
    }

    /// <summary>The items, which have to be strings, with the text between them.</summary>
    private static string Join(RenderContext context, string separator, object?[] items)
    {
        context.Charge(items.Sum(item => (item as string)?.Length ?? 0L) + ((long)separator.Length * items.Length));
        return string.Join(separator, items.Select(TemplateValues.ToText));
    }

    private static string Pad(RenderContext context, string text, string name, CallArguments arguments)
    {
        var width = (int)Math.Clamp(TemplateValues.ToInteger(arguments.Need(0, "width")), 0, int.MaxValue);
        context.Charge(width);
        var fill = name == "zfill" ? '0' : TemplateValues.ToText(arguments.Get(1, "fillchar", " ")) is [var c] ? c : throw new TemplateFault("the fill must be one character");
        if (name == "ljust")
            return text.PadRight(width, fill);
        var sign = name == "zfill" && text is ['-' or '+', ..] ? 1 : 0;
        return text[..sign] + text[sign..].PadLeft(Math.Max(0, width - sign), fill);
    }

    // "{}", "{0}" and "{name}", "{{" and "}}"; a format with a colon or an exclamation mark is not known.
    private static string Format(RenderContext context, string text, CallArguments arguments)
    {
        var output = new StringBuilder();
        var automatic = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '{' or '}' && i + 1 < text.Length && text[i + 1] == text[i])
            {
                output.Append(text[i++]);
                continue;
            }

            var end = text[i] == '{' ? text.IndexOf('}', i) : -1;
            if (end < 0)
            {
                context.Charge(1);
                output.Append(text[i] is '{' or '}' ? throw new TemplateFault("format() meets a single brace") : text[i]);
                continue;
            }

            var name = text[(i + 1)..end];
            i = end;
            var index = name.Length == 0 ? automatic++ : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given : int.MaxValue;
            TemplateWriter.Show(context, arguments.Need(index, name), output);
        }

        return output.ToString();
    }
}
