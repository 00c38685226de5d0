using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>The functions that templates find defined.</summary>
internal static class Globals
{
    public static Scope Create()
    {
        var scope = new Scope(null);
        Define("raise_exception", (context, given) => throw new TemplateFault("the template refuses these messages: " + TemplateValues.Show(context, given.Get(0, "message", ""))));
        Define("namespace", Namespace);
        Define("dict", (context, given) => Namespace(context, given).Fields);
        Define("range", (context, given) => Range(context, given.Positional));
        Define("strftime_now", (context, given) => Strftime.Format(context, context.Clock.GetLocalNow(), TemplateValues.ToText(given.Need(0, "format"))));
        return scope;

        void Define(string name, Func<RenderContext, CallArguments, object?> invoke) => scope.Set(name, new TemplateFunction(name, invoke));
    }

    private static TemplateNamespace Namespace(RenderContext context, CallArguments given)
    {
        var result = new TemplateNamespace();
        foreach (var source in given.Positional)
        {
            if (source is not OrderedDictionary<string, object?> map)
                throw new TemplateFault($"a mapping was expected, found {TemplateValues.Kind(source)}");
            Copy(map);
        }

        if (given.Named is not null)
            Copy(given.Named);
        return result;

        void Copy(OrderedDictionary<string, object?> map)
        {
            context.Charge(map.Count);
            foreach (var (key, value) in map)
                result.Fields[key] = value;
        }
    }

    private static TemplateList Range(RenderContext context, object?[] given)
    {
        if (given.Length is 0 or > 3)
            throw new TemplateFault("range() takes one to three integers");
        var bounds = Array.ConvertAll(given, TemplateValues.ToInteger);
        var (start, stop, step) = bounds.Length == 1 ? (0, bounds[0], 1) : (bounds[0], bounds[1], bounds.Length == 3 ? bounds[2] : 1);
        if (step == 0)
            throw new TemplateFault("the step of range() cannot be 0");
        var distance = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var size = Int128.Abs(step);
        var count = distance <= 0 ? 0 : (distance + size - 1) / size;
        context.Charge((long)Int128.Min(count, int.MaxValue));
        var items = new object?[(int)count];
        for (var i = 0; i < items.Length; i++)
            items[i] = start + (i * step);
        return new TemplateList(items);
    }
}

/// <summary>C's date formats, as Python's <c>strftime</c> writes them in English.</summary>
internal static class Strftime
{
    public static string Format(RenderContext context, DateTimeOffset time, string format)
    {
        context.Charge(10L * format.Length);
        var output = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                output.Append(format[i]);
                continue;
            }

            i++;
            var isUnpadded = format[i] == '-' && i + 1 < format.Length;
            var field = Field(time, isUnpadded ? format[++i] : format[i]);
            output.Append(isUnpadded && field.Length > 1 ? field.TrimStart('0') is { Length: > 0 } rest ? rest : "0" : field);
        }

        return output.ToString();
    }

    private static string Field(DateTimeOffset time, char code)
    {
        if (code == 'j')
            return time.DayOfYear.ToString("000", CultureInfo.InvariantCulture);
        if (code is 'w' or 'u')
            return (code == 'u' && time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture);
        if (code is '%')
            return "%";
        var pattern = code switch
        {
            'd' => "dd",
            'e' => "%d",
            'm' => "MM",
            'y' => "yy",
            'Y' => "yyyy",
            'b' or 'h' => "MMM",
            'B' => "MMMM",
            'a' => "ddd",
            'A' => "dddd",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'f' => "ffffff",
            'p' => "tt",
            'F' => "yyyy-MM-dd",
            'D' or 'x' => "MM/dd/yy",
            'T' or 'X' => "HH:mm:ss",
            'R' => "HH:mm",
            'c' => "ddd MMM dd HH:mm:ss yyyy",
            _ => throw new TemplateFault($"'%{code}' is no date format that is known"),
        };
        return time.ToString(pattern, CultureInfo.InvariantCulture);
    }
}
