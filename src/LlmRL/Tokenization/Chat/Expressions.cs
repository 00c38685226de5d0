namespace LlmRL.Tokenization.Chat;

/// <summary>An expression of a template.</summary>
internal abstract class Expression(int line)
{
    public int Line => line;

    public object? Evaluate(RenderContext context, Scope scope)
    {
        context.Enter(line);
        var value = Value(context, scope);
        context.Leave();
        return value;
    }

    protected abstract object? Value(RenderContext context, Scope scope);
}

/// <summary>A constant.</summary>
internal sealed class Constant(int line, object? value) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => value;
}

/// <summary>A name, or <see cref="Undefined"/> where it stands for nothing.</summary>
internal sealed class NameExpression(int line, string name) : Expression(line)
{
    public string Name => name;

    protected override object? Value(RenderContext context, Scope scope) =>
        scope.TryGet(name, out var value) ? value : new Undefined($"'{name}' is undefined");
}

/// <summary><c>[a, b]</c> or <c>(a, b)</c>.</summary>
internal sealed class ListExpression(int line, Expression[] items, bool isTuple) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) =>
        new TemplateList(Array.ConvertAll(items, item => item.Evaluate(context, scope)), isTuple);
}

/// <summary><c>{'a': b}</c>.</summary>
internal sealed class MapExpression(int line, (Expression Key, Expression Value)[] members) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var map = new OrderedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (key, value) in members)
        {
            if (key.Evaluate(context, scope) is not string name)
                throw new TemplateFault("the keys of a mapping must be strings");
            map[name] = value.Evaluate(context, scope);
        }

        return map;
    }
}

/// <summary><c>a.name</c>: a method or field first, then an item.</summary>
internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => Access.Attribute(target.Evaluate(context, scope), name);
}

/// <summary><c>a[b]</c>: an item first, then a method or field.</summary>
internal sealed class IndexExpression(int line, Expression target, Expression index) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) =>
        Access.Item(target.Evaluate(context, scope), index.Evaluate(context, scope));
}

/// <summary><c>a[start:stop:step]</c>.</summary>
internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var value = target.Evaluate(context, scope);
        return Access.Slice(context, value, Bound(start, context, scope), Bound(stop, context, scope), Bound(step, context, scope));
    }

    private static long? Bound(Expression? bound, RenderContext context, Scope scope) =>
        bound?.Evaluate(context, scope) is { } value ? TemplateValues.ToInteger(value) : null;
}

/// <summary>The arguments of a call, filter or test as they stand in the template.</summary>
/// <param name="Positional">By place.</param>
/// <param name="Named">By name.</param>
/// <param name="Spread">What follows <c>*</c>: a list of further ones by place.</param>
/// <param name="SpreadNamed">What follows <c>**</c>: a mapping of further ones by name.</param>
internal sealed record ArgumentList(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? Spread = null, Expression? SpreadNamed = null)
{
    public static readonly ArgumentList None = new([], []);

    public CallArguments Evaluate(RenderContext context, Scope scope)
    {
        if (this == None)
            return CallArguments.None;
        var positional = Array.ConvertAll(Positional, item => item.Evaluate(context, scope));
        if (Spread is not null)
            positional = [.. positional, .. TemplateValues.Items(context, Spread.Evaluate(context, scope))];
        if (Named.Length == 0 && SpreadNamed is null)
            return new CallArguments(positional, null);
        var named = new OrderedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, value) in Named)
            named[name] = value.Evaluate(context, scope);
        if (SpreadNamed?.Evaluate(context, scope) is { } further)
        {
            foreach (var (name, value) in further as OrderedDictionary<string, object?> ?? throw new TemplateFault("'**' wants a mapping"))
                named[name] = value;
        }

        return new CallArguments(positional, named);
    }
}

/// <summary>A function, macro or method at work.</summary>
internal sealed class CallExpression(int line, Expression callee, ArgumentList arguments) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => Invoke(context, scope, caller: null);

    /// <summary>Calls it; <paramref name="caller"/> is what the macro finds under that name.</summary>
    public object? Invoke(RenderContext context, Scope scope, TemplateFunction? caller)
    {
        var function = callee.Evaluate(context, scope);
        var given = arguments.Evaluate(context, scope);
        if (caller is not null)
            given = new CallArguments(given.Positional, new(given.Named ?? [], StringComparer.Ordinal) { ["caller"] = caller });
        context.Line = Line;
        return function switch
        {
            TemplateFunction known => known.Invoke(context, given),
            BoundMethod method => Methods.Invoke(context, method, given),
            Undefined missing => throw new TemplateFault(missing.What),
            _ => throw new TemplateFault($"{TemplateValues.Kind(function)} cannot be called"),
        };
    }
}

/// <summary>What is known by a name and applied to a value: a filter or a test.</summary>
internal abstract class NamedExpression(int line, Expression target, ArgumentList arguments) : Expression(line)
{
    protected sealed override object? Value(RenderContext context, Scope scope)
    {
        var value = target.Evaluate(context, scope);
        var given = arguments.Evaluate(context, scope);
        context.Line = Line;
        return Apply(context, value, given);
    }

    protected abstract object? Apply(RenderContext context, object? value, CallArguments given);
}

/// <summary><c>a | name(…)</c>.</summary>
internal sealed class FilterExpression(int line, Expression target, string name, ArgumentList arguments) : NamedExpression(line, target, arguments)
{
    protected override object? Apply(RenderContext context, object? value, CallArguments given) => Filters.Apply(context, name, value, given);
}

/// <summary><c>a is name(…)</c>.</summary>
internal sealed class TestExpression(int line, Expression target, string name, ArgumentList arguments) : NamedExpression(line, target, arguments)
{
    protected override object? Apply(RenderContext context, object? value, CallArguments given) => Tests.Apply(context, name, value, given);
}

/// <summary><c>not a</c>.</summary>
internal sealed class NotExpression(int line, Expression operand) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => !TemplateValues.IsTrue(operand.Evaluate(context, scope));
}

/// <summary><c>a and b</c>, <c>a or b</c>: the operand that decides.</summary>
internal sealed class LogicalExpression(int line, Expression left, Expression right, bool isAnd) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var value = left.Evaluate(context, scope);
        return TemplateValues.IsTrue(value) == isAnd ? right.Evaluate(context, scope) : value;
    }
}

/// <summary><c>a if condition else b</c>.</summary>
internal sealed class ConditionalExpression(int line, Expression condition, Expression yes, Expression? no) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => TemplateValues.IsTrue(condition.Evaluate(context, scope))
        ? yes.Evaluate(context, scope)
        : no is null ? new Undefined("the condition does not hold and there is no 'else'") : no.Evaluate(context, scope);
}

/// <summary><c>-a</c>, <c>+a</c>.</summary>
internal sealed class SignExpression(int line, Expression operand, bool isMinus) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var value = operand.Evaluate(context, scope);
        return value is double number ? (isMinus ? -number : number) : Arithmetic.Checked(() => isMinus ? checked(-TemplateValues.ToInteger(value)) : TemplateValues.ToInteger(value));
    }
}

/// <summary>Arithmetic and <c>~</c>.</summary>
internal sealed class BinaryExpression(int line, string sign, Expression left, Expression right) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var a = left.Evaluate(context, scope);
        var b = right.Evaluate(context, scope);
        context.Line = Line;
        return Arithmetic.Apply(context, sign, a, b);
    }
}

/// <summary>A chain of comparisons: <c>a &lt; b &lt;= c</c>, <c>a in b</c>.</summary>
internal sealed class CompareExpression(int line, Expression first, (string Sign, Expression Operand)[] rest) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var left = first.Evaluate(context, scope);
        foreach (var (sign, operand) in rest)
        {
            var right = operand.Evaluate(context, scope);
            context.Line = Line;
            var holds = sign switch
            {
                "==" => TemplateValues.AreEqual(context, left, right),
                "!=" => !TemplateValues.AreEqual(context, left, right),
                "in" => TemplateValues.Contains(context, right, left),
                "not in" => !TemplateValues.Contains(context, right, left),
                "<" => TemplateValues.Compare(context, left, right) < 0,
                "<=" => TemplateValues.Compare(context, left, right) <= 0,
                ">" => TemplateValues.Compare(context, left, right) > 0,
                _ => TemplateValues.Compare(context, left, right) >= 0,
            };
            if (!holds)
                return false;
            left = right;
        }

        return true;
    }
}
