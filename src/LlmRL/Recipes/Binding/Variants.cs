using System.Collections.Concurrent;
using System.Reflection;

namespace LlmRL.Recipes.Binding;

/// <summary>The concrete types that a recipe may name where <paramref name="BaseType"/> is expected, found in that type's assembly.</summary>
internal sealed record Variants(Type BaseType, IReadOnlyDictionary<string, Type> ByName)
{
    private static readonly ConcurrentDictionary<Type, Variants> Cache = new();

    public IReadOnlyCollection<string> Names { get; } = [.. ByName.Keys.Order(StringComparer.Ordinal)];

    public static Variants Of(Type baseType) => Cache.GetOrAdd(baseType, Find);

    /// <summary>The name that a concrete type is written under, or null where it has none.</summary>
    public static string? NameOf(Type type) => type.GetCustomAttribute<VariantAttribute>(false)?.Name;

    private static Variants Find(Type baseType)
    {
        var found = new Dictionary<string, Type>();
        foreach (var type in baseType.Assembly.GetTypes())
        {
            if (type.IsAbstract || !baseType.IsAssignableFrom(type) || NameOf(type) is not { } name)
                continue;
            if (!found.TryAdd(name, type))
                throw new InvalidOperationException($"{type} and {found[name]} are both the variant \"{name}\" of {baseType}");
        }

        return new Variants(baseType, found);
    }
}

/// <summary>An enum's members under their recipe names, in declaration order.</summary>
internal static class Choices
{
    private static readonly ConcurrentDictionary<Type, OrderedDictionary<string, object>> Cache = new();

    public static OrderedDictionary<string, object> Of(Type type) => Cache.GetOrAdd(type, static type =>
    {
        var members = new OrderedDictionary<string, object>();
        foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static).OrderBy(field => field.MetadataToken))
            members.Add(field.GetCustomAttribute<RecipeKeyAttribute>()?.Key ?? KeyNames.Snake(field.Name), field.GetValue(null)!);
        return members;
    });

    public static string NameOf(object value)
    {
        foreach (var (name, member) in Of(value.GetType()))
        {
            if (member.Equals(value))
                return name;
        }

        throw new ArgumentOutOfRangeException(nameof(value), value, $"not a member of {value.GetType()}");
    }
}
