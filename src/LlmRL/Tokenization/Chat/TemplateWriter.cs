using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>Values as text: Python's <c>str</c> and <c>repr</c>, and JSON as <c>json.dumps</c> writes it.</summary>
internal static class TemplateWriter
{
    /// <summary>Appends <c>str(value)</c>.</summary>
    public static void Show(RenderContext context, object? value, StringBuilder output)
    {
        if (value is string text)
        {
            context.Charge(text.Length);
            output.Append(text);
        }
        else if (value is not Undefined)
        {
            Repr(context, value, output);
        }
    }

    /// <summary>Appends the value as JSON.</summary>
    /// <param name="context">Pays for the characters.</param>
    /// <param name="value">The value.</param>
    /// <param name="layout">Indentation, separators and the order of keys.</param>
    /// <param name="output">Where it goes.</param>
    /// <param name="level">Depth of nesting.</param>
    public static void Json(RenderContext context, object? value, JsonForm layout, StringBuilder output, int level = 0)
    {
        context.Enter();
        switch (value)
        {
            case null:
                output.Append("null");
                break;
            case bool flag:
                output.Append(flag ? "true" : "false");
                break;
            case double number:
                output.Append(double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? (number > 0 ? "Infinity" : "-Infinity") : Float(number));
                break;
            case long number:
                output.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case string text:
                JsonString(context, text, layout.AsciiOnly, output);
                break;
            case TemplateList list:
                JsonItems(context, list.Items, layout, output, level);
                break;
            case OrderedDictionary<string, object?> map:
                JsonMembers(context, map, layout, output, level);
                break;
            default:
                throw new TemplateFault($"tojson cannot write {TemplateValues.Kind(value)}" + (value is Undefined missing ? $": {missing.What}" : ""));
        }

        context.Leave();
    }

    /// <summary>A float as Python prints it: the shortest digits that give it back, an exponent from 1e16 and below 1e-4.</summary>
    public static string Float(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        var text = value.ToString("E16", CultureInfo.InvariantCulture);
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var exponent = int.Parse(text.AsSpan(text.IndexOf('E') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var sign = shortest.StartsWith('-') ? "-" : "";
        var end = shortest.IndexOf('E');
        var digits = (end < 0 ? shortest : shortest[..end]).Replace(".", "").TrimStart('-').TrimStart('0').TrimEnd('0');
        if (digits.Length == 0)
            return sign + "0.0";
        if (exponent is < -4 or >= 16)
        {
            var mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        if (exponent < 0)
            return sign + "0." + new string('0', -exponent - 1) + digits;
        digits = digits.PadRight(exponent + 2, '0');
        return sign + digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    /// <summary>Appends <c>repr(value)</c>.</summary>
    public static void Repr(RenderContext context, object? value, StringBuilder output)
    {
        context.Enter();
        switch (value)
        {
            case null:
                output.Append("None");
                break;
            case bool flag:
                output.Append(flag ? "True" : "False");
                break;
            case long number:
                output.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                output.Append(Float(number));
                break;
            case string text:
                Quote(context, text, output);
                break;
            case Undefined:
                output.Append("Undefined");
                break;
            case TemplateList list:
                ReprItems(context, list, output);
                break;
            case OrderedDictionary<string, object?> map:
                output.Append('{');
                var between = "";
                foreach (var (key, item) in map)
                {
                    output.Append(between);
                    Quote(context, key, output);
                    output.Append(": ");
                    Repr(context, item, output);
                    between = ", ";
                }

                output.Append('}');
                break;
            default:
                throw new TemplateFault($"{TemplateValues.Kind(value)} has no text form");
        }

        context.Leave();
    }

    private static void ReprItems(RenderContext context, TemplateList list, StringBuilder output)
    {
        output.Append(list.IsTuple ? '(' : '[');
        for (var i = 0; i < list.Items.Length; i++)
        {
            output.Append(i > 0 ? ", " : "");
            Repr(context, list.Items[i], output);
        }

        output.Append(list.IsTuple ? (list.Items.Length == 1 ? ",)" : ")") : "]");
    }

    private static void Quote(RenderContext context, string text, StringBuilder output)
    {
        context.Charge(text.Length);
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        output.Append(quote);
        foreach (var c in text)
        {
            if (c == quote || c == '\\')
                output.Append('\\').Append(c);
            else if (c is '\n' or '\r' or '\t')
                output.Append(c switch { '\n' => "\\n", '\r' => "\\r", _ => "\\t" });
            else if (c < ' ' || c is >= '\x7F' and <= '\xA0' or '\xAD')
                output.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
            else
                output.Append(c);
        }

        output.Append(quote);
    }

    private static void JsonString(RenderContext context, string text, bool asciiOnly, StringBuilder output)
    {
        context.Charge(text.Length);
        output.Append('"');
        foreach (var c in text)
        {
            var escape = c switch { '"' => "\\\"", '\\' => "\\\\", '\n' => "\\n", '\r' => "\\r", '\t' => "\\t", '\b' => "\\b", '\f' => "\\f", _ => null };
            if (escape is not null)
                output.Append(escape);
            else if (c < ' ' || (asciiOnly && c > '~'))
                output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                output.Append(c);
        }

        output.Append('"');
    }

    private static void JsonItems(RenderContext context, object?[] items, JsonForm layout, StringBuilder output, int level)
    {
        output.Append('[');
        for (var i = 0; i < items.Length; i++)
        {
            layout.Begin(context, output, i, level + 1);
            Json(context, items[i], layout, output, level + 1);
        }

        layout.End(context, output, items.Length, level);
        output.Append(']');
    }

    private static void JsonMembers(RenderContext context, OrderedDictionary<string, object?> map, JsonForm layout, StringBuilder output, int level)
    {
        output.Append('{');
        var index = 0;
        foreach (var (key, value) in layout.SortKeys ? map.OrderBy(p => p.Key, StringComparer.Ordinal) : (IEnumerable<KeyValuePair<string, object?>>)map)
        {
            layout.Begin(context, output, index++, level + 1);
            JsonString(context, key, layout.AsciiOnly, output);
            output.Append(layout.KeySeparator);
            Json(context, value, layout, output, level + 1);
        }

        layout.End(context, output, index, level);
        output.Append('}');
    }
}

/// <summary>The arguments of <c>json.dumps</c> that shape its output.</summary>
/// <param name="Indent">What a level is indented by, or null for one line.</param>
/// <param name="ItemSeparator">Between items.</param>
/// <param name="KeySeparator">Between key and value.</param>
/// <param name="SortKeys">Whether members are sorted.</param>
/// <param name="AsciiOnly">Whether other characters are escaped.</param>
internal sealed record JsonForm(string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys, bool AsciiOnly)
{
    public void Begin(RenderContext context, StringBuilder output, int index, int level)
    {
        if (index > 0)
            output.Append(ItemSeparator);
        NewLine(context, output, level);
    }

    public void End(RenderContext context, StringBuilder output, int count, int level)
    {
        if (count > 0)
            NewLine(context, output, level);
    }

    private void NewLine(RenderContext context, StringBuilder output, int level)
    {
        if (Indent is null)
            return;
        context.Charge((long)level * Indent.Length);
        output.Append('\n');
        for (var i = 0; i < level; i++)
            output.Append(Indent);
    }
}
