using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>Python's operators on numbers, strings and lists.</summary>
internal static class Arithmetic
{
    public static object? Apply(RenderContext context, string sign, object? left, object? right)
    {
        switch (sign)
        {
            case "~":
                return Join(context, TemplateValues.Show(context, left), TemplateValues.Show(context, right));
            case "+" when left is string a && right is string b:
                return Join(context, a, b);
            case "+" when left is TemplateList a && right is TemplateList b && a.IsTuple == b.IsTuple:
                context.Charge(a.Items.Length + b.Items.Length);
                return new TemplateList([.. a.Items, .. b.Items], a.IsTuple);
            case "*" when left is string or TemplateList && right is long or bool:
                return Repeat(context, left, TemplateValues.ToInteger(right));
            case "*" when right is string or TemplateList && left is long or bool:
                return Repeat(context, right, TemplateValues.ToInteger(left));
            case "%" when left is string format:
                return Format(context, format, right is TemplateList { IsTuple: true } tuple ? tuple.Items : [right]);
        }

        if (TemplateValues.AsNumber(left) is not { } x || TemplateValues.AsNumber(right) is not { } y)
        {
            var missing = left as Undefined ?? right as Undefined;
            throw new TemplateFault(missing?.What ?? $"'{sign}' does not go with {TemplateValues.Kind(left)} and {TemplateValues.Kind(right)}");
        }

        if (sign is "/" or "//" or "%" && y == 0)
            throw new TemplateFault("division by zero");
        return left is double || right is double || sign == "/" || (sign == "**" && y < 0)
            ? Floats(sign, x, y)
            : Checked(() => Integers(sign, TemplateValues.ToInteger(left), TemplateValues.ToInteger(right)));
    }

    /// <summary>Runs integer arithmetic; what leaves 64 bits is an error.</summary>
    public static object Checked(Func<long> operation)
    {
        try
        {
            return operation();
        }
        catch (OverflowException)
        {
            throw new TemplateFault("an integer is beyond 64 bits");
        }
    }

    /// <summary>Python's <c>%</c> formatting, without widths: <c>%s %r %d %i %f %%</c>.</summary>
    public static string Format(RenderContext context, string format, object?[] arguments)
    {
        context.Charge(format.Length);
        var output = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                output.Append(format[i]);
                continue;
            }

            var kind = format[++i];
            if (kind == '%')
            {
                output.Append('%');
                continue;
            }

            if (next >= arguments.Length)
                throw new TemplateFault("a format has more fields than values");
            AppendField(context, kind, arguments[next++], output);
        }

        return output.ToString();
    }

    private static void AppendField(RenderContext context, char kind, object? value, StringBuilder output)
    {
        switch (kind)
        {
            case 's':
                TemplateWriter.Show(context, value, output);
                break;
            case 'r':
                TemplateWriter.Repr(context, value, output);
                break;
            case 'd' or 'i':
                output.Append((value is double number ? (long)number : TemplateValues.ToInteger(value)).ToString(CultureInfo.InvariantCulture));
                break;
            case 'f':
                output.Append((TemplateValues.AsNumber(value) ?? throw new TemplateFault("%f wants a number")).ToString("F6", CultureInfo.InvariantCulture));
                break;
            default:
                throw new TemplateFault($"'%{kind}' is no field that is known; %s, %d, %f and %% are");
        }
    }

    private static string Join(RenderContext context, string left, string right)
    {
        context.Charge((long)left.Length + right.Length);
        return left + right;
    }

    private static object Repeat(RenderContext context, object? value, long count)
    {
        count = Math.Clamp(count, 0, int.MaxValue);
        if (value is string text)
        {
            context.Charge(count * text.Length);
            return new StringBuilder().Insert(0, text, (int)count).ToString();
        }

        var list = (TemplateList)value!;
        context.Charge(count * list.Items.Length);
        var items = new object?[count * list.Items.Length];
        for (var i = 0; i < items.Length; i++)
            items[i] = list.Items[i % list.Items.Length];
        return new TemplateList(items, list.IsTuple);
    }

    private static double Floats(string sign, double x, double y) => sign switch
    {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "//" => Math.Floor(x / y),
        "%" => x - (y * Math.Floor(x / y)),
        _ => Math.Pow(x, y),
    };

    private static long Integers(string sign, long x, long y) => sign switch
    {
        "+" => checked(x + y),
        "-" => checked(x - y),
        "*" => checked(x * y),
        "//" => FloorDivide(x, y),
        "%" => FloorRemainder(x, y),
        _ => Power(x, y),
    };

    private static long FloorDivide(long x, long y)
    {
        var quotient = y == -1 ? checked(-x) : x / y;
        return y != -1 && x % y != 0 && (x < 0) != (y < 0) ? quotient - 1 : quotient;
    }

    private static long FloorRemainder(long x, long y)
    {
        var remainder = y == -1 ? 0 : x % y;
        return remainder != 0 && (remainder < 0) != (y < 0) ? remainder + y : remainder;
    }

    private static long Power(long x, long y)
    {
        var result = 1L;
        if (x is 0 or 1)
            return y == 0 ? 1 : x;
        if (x == -1)
            return y % 2 == 0 ? 1 : -1;
        for (; y > 0; y--)
            result = checked(result * x);
        return result;
    }
}
