using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>How the execution goes on after a statement.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A statement of a template.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    public Flow Execute(RenderContext context, Scope scope)
    {
        context.Enter(line);
        var flow = Run(context, scope);
        context.Leave();
        return flow;
    }

    protected abstract Flow Run(RenderContext context, Scope scope);
}

/// <summary>Statements one after the other.</summary>
internal sealed class Block(Statement[] statements)
{
    public Flow Execute(RenderContext context, Scope scope)
    {
        foreach (var statement in statements)
        {
            if (statement.Execute(context, scope) is not Flow.Next and var flow)
                return flow;
        }

        return Flow.Next;
    }

    /// <summary>The output of the statements, kept apart from the rendering's.</summary>
    public string Capture(RenderContext context, Scope scope)
    {
        var output = context.Output;
        context.Output = new StringBuilder();
        Execute(context, scope);
        (output, context.Output) = (context.Output, output);
        return output.ToString();
    }
}

/// <summary>Text between the tags.</summary>
internal sealed class DataStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        context.Charge(text.Length);
        context.Output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ a }}</c>.</summary>
internal sealed class PrintStatement(int line, Expression value) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        TemplateWriter.Show(context, value.Evaluate(context, scope), context.Output);
        return Flow.Next;
    }
}

/// <summary><c>{% if %}</c> with its <c>elif</c> and <c>else</c>.</summary>
internal sealed class IfStatement(int line, List<(Expression Condition, Block Body)> branches, Block? otherwise) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        foreach (var (condition, body) in branches)
        {
            if (TemplateValues.IsTrue(condition.Evaluate(context, scope)))
                return body.Execute(context, scope);
        }

        return otherwise?.Execute(context, scope) ?? Flow.Next;
    }
}

/// <summary><c>{% for a in b if c %}</c>: every round has its own names, and <c>loop</c>.</summary>
internal sealed class ForStatement(int line, string[] targets, Expression source, Expression? condition, Block body, Block? otherwise) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var items = TemplateValues.Items(context, source.Evaluate(context, scope));
        if (condition is not null)
            items = Array.FindAll(items, item => TemplateValues.IsTrue(condition.Evaluate(context, Assignment.Unpack(context, targets, item, new Scope(scope)))));
        if (items.Length == 0)
            return otherwise?.Execute(context, new Scope(scope)) ?? Flow.Next;
        var loop = new LoopValue(items, Depth(scope));
        for (; loop.Index < items.Length; loop.Index++)
        {
            context.Charge(1);
            var round = new Scope(scope);
            round.Set("loop", loop);
            Assignment.Unpack(context, targets, items[loop.Index], round);
            if (body.Execute(context, round) == Flow.Break)
                break;
        }

        return Flow.Next;
    }

    private static int Depth(Scope scope) => scope.TryGet("loop", out var outer) && outer is LoopValue loop ? loop.Depth + 1 : 0;
}

/// <summary><c>{% set a = b %}</c>, <c>{% set a.b = c %}</c> and <c>{% set a %}…{% endset %}</c>.</summary>
internal sealed class SetStatement(int line, string[] targets, string? field, Expression? value, Block? body) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var result = value is not null ? value.Evaluate(context, scope) : body!.Capture(context, new Scope(scope));
        context.Line = Line;
        if (field is null)
        {
            Assignment.Unpack(context, targets, result, scope);
            return Flow.Next;
        }

        if (!scope.TryGet(targets[0], out var target) || target is not TemplateNamespace space)
            throw new TemplateFault($"'{targets[0]}' is no namespace(): only the fields of one can be set");
        space.Fields[field] = result;
        return Flow.Next;
    }
}

/// <summary><c>{% macro name(a, b=c) %}</c>.</summary>
internal sealed class MacroStatement(int line, string name, (string Name, Expression? Fallback)[] parameters, Block body) : Statement(line)
{
    private const string Caller = "caller";

    /// <summary>The macro as a function that sees the names around its definition.</summary>
    public TemplateFunction Define(Scope scope) => new(name, (context, given) => Call(context, scope, given));

    protected override Flow Run(RenderContext context, Scope scope)
    {
        scope.Set(name, Define(scope));
        return Flow.Next;
    }

    private string Call(RenderContext context, Scope definition, CallArguments given)
    {
        if (given.Positional.Length > parameters.Length)
            throw new TemplateFault($"the macro '{name}' takes {parameters.Length} arguments and is given {given.Positional.Length}");
        foreach (var argument in given.Named?.Keys ?? Enumerable.Empty<string>())
        {
            if (argument != Caller && !Array.Exists(parameters, p => p.Name == argument))
                throw new TemplateFault($"the macro '{name}' has no argument '{argument}'");
        }

        var scope = new Scope(definition);
        if (given.Named?.TryGetValue(Caller, out var caller) == true)
            scope.Set(Caller, caller);
        for (var i = 0; i < parameters.Length; i++)
        {
            var (parameter, fallback) = parameters[i];
            var isGiven = i < given.Positional.Length || given.Named?.ContainsKey(parameter) == true;
            scope.Set(parameter, isGiven ? given.Get(i, parameter)
                : fallback is null ? new Undefined($"the argument '{parameter}' of the macro '{name}' is not given") : fallback.Evaluate(context, scope));
        }

        return body.Capture(context, scope);
    }
}

/// <summary><c>{% call macro() %}…{% endcall %}</c>: the macro finds the body as the function <c>caller</c>.</summary>
internal sealed class CallStatement(int line, CallExpression call, MacroStatement body) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        TemplateWriter.Show(context, call.Invoke(context, scope, body.Define(scope)), context.Output);
        return Flow.Next;
    }
}

/// <summary>What statements print, as a string.</summary>
internal sealed class CaptureExpression(int line, Block body) : Expression(line)
{
    protected override object? Value(RenderContext context, Scope scope) => body.Capture(context, new Scope(scope));
}

/// <summary><c>{% generation %}</c>, which marks what the assistant wrote.</summary>
internal sealed class GenerationStatement(int line, Block body) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var (output, start) = (context.Output, context.Output.Length);
        var flow = body.Execute(context, new Scope(scope));
        // Within a macro or a {% set %} block the text is not yet where it will stand.
        if (ReferenceEquals(output, context.Whole))
            context.Generated.Add(start..output.Length);
        return flow;
    }
}

/// <summary>A block with names of its own: <c>{% with %}</c>.</summary>
internal sealed class ScopeStatement(int line, (string Name, Expression Value)[] names, Block body) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var inner = new Scope(scope);
        foreach (var (name, value) in names)
            inner.Set(name, value.Evaluate(context, scope));
        return body.Execute(context, inner);
    }
}

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
internal sealed class JumpStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(RenderContext context, Scope scope) => flow;
}

/// <summary>Values to names.</summary>
internal static class Assignment
{
    /// <summary>Sets one name to the value, or several to its items.</summary>
    public static Scope Unpack(RenderContext context, string[] targets, object? value, Scope scope)
    {
        if (targets is [var only])
        {
            scope.Set(only, value);
            return scope;
        }

        var items = TemplateValues.Items(context, value);
        if (items.Length != targets.Length)
            throw new TemplateFault($"{items.Length} values cannot be given to {targets.Length} names");
        for (var i = 0; i < items.Length; i++)
            scope.Set(targets[i], items[i]);
        return scope;
    }
}
