namespace LlmRL.Tokenization.Chat;

/// <summary>What may follow <c>is</c>.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Func<RenderContext, object?, CallArguments, bool>> Known = new(StringComparer.Ordinal)
    {
        ["defined"] = (_, value, _) => value is not Undefined,
        ["undefined"] = (_, value, _) => value is Undefined,
        ["none"] = (_, value, _) => value is null,
        ["boolean"] = (_, value, _) => value is bool,
        ["true"] = (_, value, _) => value is true,
        ["false"] = (_, value, _) => value is false,
        ["string"] = (_, value, _) => value is string,
        ["mapping"] = (_, value, _) => value is OrderedDictionary<string, object?>,
        ["sequence"] = (_, value, _) => value is string or TemplateList or OrderedDictionary<string, object?> or Undefined,
        ["iterable"] = (_, value, _) => value is string or TemplateList or OrderedDictionary<string, object?> or Undefined,
        ["number"] = (_, value, _) => value is long or double or bool,
        ["integer"] = (_, value, _) => value is long,
        ["float"] = (_, value, _) => value is double,
        ["callable"] = (_, value, _) => value is TemplateFunction or BoundMethod,
        ["odd"] = (_, value, _) => TemplateValues.ToInteger(value) % 2 != 0,
        ["even"] = (_, value, _) => TemplateValues.ToInteger(value) % 2 == 0,
        ["divisibleby"] = (context, value, given) => Arithmetic.Apply(context, "%", value, given.Need(0, "num")) is 0L,
        ["eq"] = (context, value, given) => TemplateValues.AreEqual(context, value, given.Need(0, "other")),
        ["ne"] = (context, value, given) => !TemplateValues.AreEqual(context, value, given.Need(0, "other")),
        ["lt"] = (context, value, given) => TemplateValues.Compare(context, value, given.Need(0, "other")) < 0,
        ["le"] = (context, value, given) => TemplateValues.Compare(context, value, given.Need(0, "other")) <= 0,
        ["gt"] = (context, value, given) => TemplateValues.Compare(context, value, given.Need(0, "other")) > 0,
        ["ge"] = (context, value, given) => TemplateValues.Compare(context, value, given.Need(0, "other")) >= 0,
        ["in"] = (context, value, given) => TemplateValues.Contains(context, given.Need(0, "seq"), value),
        ["sameas"] = (context, value, given) => value?.GetType() == given.Need(0, "other")?.GetType() && (value is null || TemplateValues.AreEqual(context, value, given.Need(0, "other"))),
        ["lower"] = (_, value, _) => value is string text && text.Any(char.IsLower) && !text.Any(char.IsUpper),
        ["upper"] = (_, value, _) => value is string text && text.Any(char.IsUpper) && !text.Any(char.IsLower),
    };

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["equalto"] = "eq",
        ["=="] = "eq",
        ["!="] = "ne",
        ["<"] = "lt",
        ["lessthan"] = "lt",
        ["<="] = "le",
        [">"] = "gt",
        ["greaterthan"] = "gt",
        [">="] = "ge",
    };

    public static bool Apply(RenderContext context, string name, object? value, CallArguments arguments) =>
        Known.TryGetValue(Aliases.GetValueOrDefault(name, name), out var test)
            ? test(context, value, arguments)
            : throw new TemplateFault($"there is no test '{name}'; known are {string.Join(", ", Known.Keys)}");
}
