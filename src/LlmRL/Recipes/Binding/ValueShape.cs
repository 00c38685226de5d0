using System.Reflection;

namespace LlmRL.Recipes.Binding;

/// <summary>How a value of some C# type is written in a recipe.</summary>
internal enum ValueKind
{
    Text,
    Whole,
    Real,
    Truth,
    Choice,
    List,
    Dictionary,
    Record,
    Variant,

    /// <summary>Any value, kept as it is written: an override of another recipe.</summary>
    Yaml,
}

/// <summary>A C# type as the binder sees it.</summary>
/// <param name="Type">The type, without <c>Nullable</c>.</param>
/// <param name="Kind">How it is written.</param>
/// <param name="Nullable">Whether <c>null</c> is a value.</param>
/// <param name="Element">The items' shape: lists and dictionaries only.</param>
internal sealed record ValueShape(Type Type, ValueKind Kind, bool Nullable, ValueShape? Element = null)
{
    /// <summary>Whether a list may be written as its only item.</summary>
    public bool OneWillDo { get; init; }

    private static readonly HashSet<Type> WholeTypes = [typeof(int), typeof(long), typeof(uint), typeof(ulong), typeof(short), typeof(byte)];

    private static readonly HashSet<Type> ListTypes =
    [
        typeof(IReadOnlyList<>), typeof(IReadOnlyCollection<>), typeof(IEnumerable<>), typeof(IList<>), typeof(ICollection<>), typeof(List<>),
    ];

    private static readonly HashSet<Type> DictionaryTypes = [typeof(IReadOnlyDictionary<,>), typeof(IDictionary<,>), typeof(Dictionary<,>)];

    public static ValueShape Of(Type declared, NullabilityInfo? info = null)
    {
        var type = System.Nullable.GetUnderlyingType(declared) ?? declared;
        var nullable = type != declared || (!declared.IsValueType && info?.ReadState == NullabilityState.Nullable);
        if (type.IsArray)
            return new ValueShape(type, ValueKind.List, nullable, Of(type.GetElementType()!, info?.ElementType));
        if (!type.IsGenericType)
            return new ValueShape(type, PlainKind(type), nullable);
        var definition = type.GetGenericTypeDefinition();
        var arguments = type.GetGenericArguments();
        if (ListTypes.Contains(definition))
            return new ValueShape(type, ValueKind.List, nullable, Of(arguments[0], info?.GenericTypeArguments.ElementAtOrDefault(0)));
        if (DictionaryTypes.Contains(definition) && arguments[0] == typeof(string))
            return new ValueShape(type, ValueKind.Dictionary, nullable, Of(arguments[1], info?.GenericTypeArguments.ElementAtOrDefault(1)));
        return new ValueShape(type, PlainKind(type), nullable);
    }

    private static ValueKind PlainKind(Type type) =>
        type == typeof(string) ? ValueKind.Text
        : WholeTypes.Contains(type) ? ValueKind.Whole
        : type == typeof(double) || type == typeof(float) ? ValueKind.Real
        : type == typeof(bool) ? ValueKind.Truth
        : type.IsEnum ? ValueKind.Choice
        : type == typeof(RecipeNode) ? ValueKind.Yaml
        : type == typeof(object) || type.IsPrimitive || typeof(Delegate).IsAssignableFrom(type)
            ? throw new NotSupportedException($"{type} cannot be read from a recipe")
        : type.IsAbstract || type.IsInterface ? ValueKind.Variant
        : ValueKind.Record;

    /// <summary>The items gathered into the list type that the property has.</summary>
    public object MakeList(IReadOnlyList<object?> items)
    {
        var array = Array.CreateInstance(Element!.DeclaredType, items.Count);
        for (var i = 0; i < items.Count; i++)
            array.SetValue(items[i], i);
        var isList = Type.IsGenericType && Type.GetGenericTypeDefinition() == typeof(List<>);
        return isList ? Activator.CreateInstance(Type, array)! : array;
    }

    /// <summary>The pairs gathered into a dictionary that keeps the recipe's order.</summary>
    public object MakeDictionary(IReadOnlyList<(string Key, object? Value)> pairs)
    {
        var type = typeof(Dictionary<,>).MakeGenericType(typeof(string), Element!.DeclaredType);
        var dictionary = (System.Collections.IDictionary)Activator.CreateInstance(type)!;
        foreach (var (key, value) in pairs)
            dictionary.Add(key, value);
        return dictionary;
    }

    /// <summary>What a message asks for.</summary>
    public string Expected => Kind switch
    {
        ValueKind.Text => "text",
        ValueKind.Whole => "a whole number",
        ValueKind.Real => "a number",
        ValueKind.Truth => "true or false",
        ValueKind.Choice => "one of " + string.Join(", ", Choices.Of(Type).Keys),
        ValueKind.List => "a list",
        ValueKind.Yaml => "a value",
        ValueKind.Variant => $"one of {string.Join(", ", Variants.Of(Type).Names)} with its settings",
        _ => "a mapping of keys to values",
    };

    /// <summary>How such a value is written, by example.</summary>
    public string Sample => Kind switch
    {
        ValueKind.Text => "NAME",
        ValueKind.Whole => "10",
        ValueKind.Real => "0.5",
        ValueKind.Truth => "true",
        ValueKind.Choice => Choices.Of(Type).Keys.FirstOrDefault() ?? "NAME",
        ValueKind.List => $"[{Element!.Sample}]",
        ValueKind.Yaml => "10",
        ValueKind.Variant => $"{{ {Variants.Of(Type).Names.FirstOrDefault() ?? "NAME"}: {{}} }}",
        _ => "{ key: value }",
    };

    private Type DeclaredType => Nullable && Type.IsValueType ? typeof(Nullable<>).MakeGenericType(Type) : Type;
}
