using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>What may follow <c>|</c>: filters of strings and numbers here, of lists in <see cref="ListFilters"/>.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Func<RenderContext, object?, CallArguments, object?>> Known = new(StringComparer.Ordinal)
    {
        ["trim"] = (context, value, given) => Methods.Strip(TemplateValues.Show(context, value), given.Get(0, "chars"), true, true),
        ["upper"] = (context, value, _) => TemplateValues.Show(context, value).ToUpperInvariant(),
        ["lower"] = (context, value, _) => TemplateValues.Show(context, value).ToLowerInvariant(),
        ["title"] = (context, value, _) => Methods.Title(TemplateValues.Show(context, value)),
        ["capitalize"] = (context, value, _) => Methods.Capitalize(TemplateValues.Show(context, value)),
        ["string"] = (context, value, _) => TemplateValues.Show(context, value),
        ["safe"] = (_, value, _) => value,
        ["escape"] = (context, value, _) => Escape(context, TemplateValues.Show(context, value)),
        ["replace"] = (context, value, given) => Methods.Replace(context, TemplateValues.Show(context, value), TemplateValues.ToText(given.Need(0, "old")),
            TemplateValues.ToText(given.Need(1, "new")), given.Get(2, "count") is { } most ? TemplateValues.ToInteger(most) : -1),
        ["format"] = (context, value, given) => Arithmetic.Format(context, TemplateValues.ToText(value), given.Positional),
        ["indent"] = (context, value, given) => Indent(context, TemplateValues.Show(context, value), given),
        ["tojson"] = Json,
        ["default"] = (_, value, given) =>
            value is Undefined || (!TemplateValues.IsTrue(value) && TemplateValues.IsTrue(given.Get(1, "boolean"))) ? given.Get(0, "default_value", "") : value,
        ["length"] = (_, value, _) => TemplateValues.Length(value),
        ["wordcount"] = (context, value, _) => (long)TemplateValues.Show(context, value).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length,
        ["int"] = Integer,
        ["float"] = (_, value, given) => value is string text
            ? double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : given.Get(0, "default", 0.0)
            : TemplateValues.AsNumber(value) ?? given.Get(0, "default", 0.0),
        ["abs"] = (_, value, _) => value is double number ? Math.Abs(number) : Arithmetic.Checked(() => Math.Abs(TemplateValues.ToInteger(value))),
        ["round"] = (_, value, given) => Round(value, given),
    };

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal) { ["d"] = "default", ["count"] = "length", ["e"] = "escape" };

    public static object? Apply(RenderContext context, string name, object? value, CallArguments arguments)
    {
        if (value is string text)
            context.Charge(text.Length);
        name = Aliases.GetValueOrDefault(name, name);
        if (Known.TryGetValue(name, out var filter) || ListFilters.Known.TryGetValue(name, out filter))
            return filter(context, value, arguments);
        throw new TemplateFault($"there is no filter '{name}'; known are {string.Join(", ", Known.Keys.Concat(ListFilters.Known.Keys))}");
    }

    // As transformers defines it: json.dumps with ensure_ascii=False and no escaping for HTML.
    private static object Json(RenderContext context, object? value, CallArguments given)
    {
        var indent = given.Get(1, "indent") switch
        {
            null => null,
            string text => text,
            var width => new string(' ', (int)Math.Clamp(TemplateValues.ToInteger(width), 0, 1000)),
        };
        var separators = given.Get(2, "separators") is TemplateList { Items: [string item, string key] } ? (item, key) : (indent is null ? ", " : ",", ": ");
        var layout = new JsonForm(indent, separators.Item1, separators.Item2, TemplateValues.IsTrue(given.Get(3, "sort_keys")), TemplateValues.IsTrue(given.Get(0, "ensure_ascii")));
        var output = new StringBuilder();
        TemplateWriter.Json(context, value, layout, output);
        return output.ToString();
    }

    private static object? Integer(RenderContext context, object? value, CallArguments given)
    {
        switch (value)
        {
            case string text when long.TryParse(text.Trim().Replace("_", ""), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number):
                return number;
            case string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 1e18:
                return (long)number;
            case double number when Math.Abs(number) < 1e18:
                return (long)number;
            case long or bool:
                return TemplateValues.ToInteger(value);
            default:
                return given.Get(0, "default", 0L);
        }
    }

    private static double Round(object? value, CallArguments given)
    {
        var number = TemplateValues.AsNumber(value) ?? throw new TemplateFault($"round wants a number, found {TemplateValues.Kind(value)}");
        var digits = (int)Math.Clamp(TemplateValues.ToInteger(given.Get(0, "precision", 0L)), 0, 15);
        var scale = Math.Pow(10, digits);
        return given.Get(1, "method", "common") switch
        {
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => Math.Round(number, digits, MidpointRounding.ToEven),
        };
    }

    private static string Escape(RenderContext context, string text)
    {
        context.Charge(5L * text.Length);
        return text.Replace("&", "&amp;").Replace(">", "&gt;").Replace("<", "&lt;").Replace("'", "&#39;").Replace("\"", "&#34;");
    }

    private static string Indent(RenderContext context, string text, CallArguments given)
    {
        var margin = given.Get(0, "width", 4L) is string prefix ? prefix : new string(' ', (int)Math.Clamp(TemplateValues.ToInteger(given.Get(0, "width", 4L)), 0, 1000));
        var lines = text.Split('\n');
        context.Charge((long)margin.Length * lines.Length);
        for (var i = 0; i < lines.Length; i++)
        {
            if (i == 0 ? TemplateValues.IsTrue(given.Get(1, "first")) : lines[i].Length > 0 || TemplateValues.IsTrue(given.Get(2, "blank")))
                lines[i] = margin + lines[i];
        }

        return string.Join('\n', lines);
    }
}
