using System.Runtime.CompilerServices;
using System.Text;

namespace LlmRL.Tokenization.Chat;

/// <summary>A fault in a template or in what it does with the messages; the public methods turn it into a <see cref="BadInputException"/> with file and line.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="line">The template's line where that is known.</param>
internal sealed class TemplateFault(string message, int line = 0) : Exception(message)
{
    public int Line => line;
}

/// <summary>One rendering: its output, its clock, and what is left of the work that it may do.</summary>
/// <remarks>
/// A template comes from outside. Every step, every character and every item that it produces is paid for out of one budget, so that loops within loops and
/// strings that double end with an error, in bounded time and memory.
/// </remarks>
internal sealed class RenderContext
{
    private const int MaxDepth = 1000;

    private long _left;
    private int _depth;

    public RenderContext(long budget, TimeProvider clock)
    {
        (_left, Clock) = (budget, clock);
        Output = Whole;
    }

    public TimeProvider Clock { get; }

    /// <summary>What the template has written.</summary>
    public StringBuilder Whole { get; } = new();

    /// <summary>Where it writes now: <see cref="Whole"/>, or a text within a macro or a block that is kept as a value.</summary>
    public StringBuilder Output { get; set; }

    /// <summary>Where <c>{% generation %}</c> blocks wrote into the output: what the assistant said.</summary>
    public List<Range> Generated { get; } = [];

    /// <summary>The line of the node that is at work, for messages.</summary>
    public int Line { get; set; }

    /// <summary>Goes into a node and pays for it.</summary>
    public void Enter(int line)
    {
        Line = line;
        Enter();
    }

    /// <summary>Goes one level down and pays for it. No caller needs to leave when a fault ends the rendering.</summary>
    public void Enter()
    {
        Charge(1);
        if (++_depth > MaxDepth)
            throw TooDeep();
        EnsureStack();
    }

    /// <summary>Comes back from <see cref="Enter()"/>.</summary>
    public void Leave() => _depth--;

    /// <summary>Pays for work or memory.</summary>
    public void Charge(long units)
    {
        _left -= units;
        if (_left < 0)
            throw new TemplateFault("the template does more work than any conversation needs, or never ends");
    }

    /// <summary>Pays for looking for a part in a text.</summary>
    public void ChargeSearch(long length, long part) => Charge((length / 16) + (length * part / 256));

    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw TooDeep();
    }

    public static TemplateFault TooDeep(int line = 0) => new("the template or its values are nested too deeply", line);
}

/// <summary>Names and their values: a block's own over those around it.</summary>
internal sealed class Scope(Scope? parent)
{
    private Dictionary<string, object?>? _values;

    public void Set(string name, object? value) => (_values ??= new(StringComparer.Ordinal))[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._values is { } values && values.TryGetValue(name, out value))
                return true;
        }

        value = null;
        return false;
    }

    private Scope? Parent => parent;
}

/// <summary>The arguments of a call.</summary>
internal sealed class CallArguments(object?[] positional, OrderedDictionary<string, object?>? named)
{
    public static readonly CallArguments None = new([], null);

    public object?[] Positional => positional;

    public OrderedDictionary<string, object?>? Named => named;

    /// <summary>An argument by place or name, or <paramref name="fallback"/>.</summary>
    public object? Get(int index, string name, object? fallback = null) =>
        index < positional.Length ? positional[index] : named is not null && named.TryGetValue(name, out var value) ? value : fallback;

    /// <summary>An argument that has to be there.</summary>
    public object? Need(int index, string name) =>
        index < positional.Length || named?.ContainsKey(name) == true ? Get(index, name) : throw new TemplateFault($"the argument '{name}' is missing");

    /// <summary>The arguments from a place on.</summary>
    public CallArguments From(int index) => new(positional.Length > index ? positional[index..] : [], named);
}
