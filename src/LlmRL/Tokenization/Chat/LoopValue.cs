namespace LlmRL.Tokenization.Chat;

/// <summary>The name <c>loop</c> inside a <c>for</c>.</summary>
internal sealed class LoopValue(object?[] items, int depth)
{
    private object?[]? _last;

    public int Index { get; set; }

    /// <summary>How many loops there are around this one.</summary>
    public int Depth => depth;

    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "index0" => (long)Index,
            "index" => Index + 1L,
            "revindex" => (long)(items.Length - Index),
            "revindex0" => items.Length - Index - 1L,
            "first" => Index == 0,
            "last" => Index == items.Length - 1,
            "length" => (long)items.Length,
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no item before the first"),
            "nextitem" => Index + 1 < items.Length ? items[Index + 1] : new Undefined("there is no item after the last"),
            _ => this,
        };
        return !ReferenceEquals(value, this);
    }

    /// <summary><c>loop.cycle(a, b)</c> and <c>loop.changed(a)</c>.</summary>
    public object? Invoke(RenderContext context, string name, CallArguments arguments)
    {
        if (name == "cycle")
            return arguments.Positional is { Length: > 0 } choices ? choices[Index % choices.Length] : throw new TemplateFault("cycle() has nothing to choose from");
        var before = _last;
        _last = arguments.Positional;
        return before is null || !TemplateValues.AreEqual(context, new TemplateList(before), new TemplateList(_last));
    }
}
