using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace LlmRL.Recipes.Binding;

/// <summary>One key of a record.</summary>
internal sealed record RecordMember(
    string Key, PropertyInfo Property, ValueShape Shape, bool Required, RangeAttribute? Range, int MinLength, ParameterInfo? Parameter)
{
    public object? Get(object record) => Property.GetValue(record);
}

/// <summary>The keys of a record type: its public properties that can be set, and its constructor's parameters.</summary>
internal sealed class RecordShape
{
    private static readonly ConcurrentDictionary<Type, RecordShape> Cache = new();

    private readonly Type type;
    private readonly ConstructorInfo? constructor;
    private readonly ParameterInfo[] parameters;

    private RecordShape(Type type)
    {
        this.type = type;
        var constructors = type.GetConstructors().Where(c => !IsCopy(c)).OrderBy(c => c.GetParameters().Length).ToArray();
        constructor = constructors.FirstOrDefault();
        if (constructor is null && !type.IsValueType)
            throw new NotSupportedException($"{type} has no public constructor, so a recipe cannot make one");
        parameters = constructor?.GetParameters() ?? [];
        var nullability = new NullabilityInfoContext();
        Members = [.. Properties(type).Select(property => Member(property, nullability)).OfType<RecordMember>()];
        Keys = [.. Members.Select(member => member.Key)];
    }

    /// <summary>In declaration order, a base type's first.</summary>
    public IReadOnlyList<RecordMember> Members { get; }

    public IReadOnlyCollection<string> Keys { get; }

    public static RecordShape Of(Type type) => Cache.GetOrAdd(type, static type => new RecordShape(type));

    /// <summary>The member with this key or property name.</summary>
    public RecordMember? Find(string name) =>
        Members.FirstOrDefault(member => member.Key == name) ?? Members.FirstOrDefault(member => member.Property.Name == name);

    /// <summary>The record made by its constructor from the given values, defaults for the rest; other members are set later.</summary>
    public object Create(IReadOnlyDictionary<RecordMember, object?> values)
    {
        var arguments = new object?[parameters.Length];
        for (var i = 0; i < arguments.Length; i++)
        {
            var member = Members.FirstOrDefault(m => m.Parameter == parameters[i]);
            arguments[i] = member is not null && values.TryGetValue(member, out var value) ? value
                : parameters[i].DefaultValue ?? Default(parameters[i].ParameterType);
        }

        return constructor is null ? Activator.CreateInstance(type)! : constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, arguments, null);
    }

    private static object? Default(Type type) =>
        type.IsValueType && Nullable.GetUnderlyingType(type) is null ? RuntimeHelpers.GetUninitializedObject(type) : null;

    private bool IsCopy(ConstructorInfo candidate) => candidate.GetParameters() is [{ } only] && only.ParameterType == type;

    private static IEnumerable<PropertyInfo> Properties(Type type)
    {
        var levels = new Stack<Type>();
        for (var level = type; level is not null && level != typeof(object); level = level.BaseType)
            levels.Push(level);
        var found = new OrderedDictionary<string, PropertyInfo>();
        foreach (var property in levels.SelectMany(level => level.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                     .OrderBy(property => property.MetadataToken)))
        {
            // The most derived declaration counts, at the place of the one that it overrides or hides.
            if (property.GetIndexParameters().Length == 0)
                found[property.Name] = property;
        }

        return found.Values;
    }

    private RecordMember? Member(PropertyInfo property, NullabilityInfoContext nullability)
    {
        var parameter = parameters.FirstOrDefault(p =>
            string.Equals(p.Name, property.Name, StringComparison.OrdinalIgnoreCase) && p.ParameterType == property.PropertyType);
        if (parameter is null && property.SetMethod is not { IsPublic: true })
            return null;
        var key = property.GetCustomAttribute<RecipeKeyAttribute>()?.Key ?? KeyNames.Snake(property.Name);
        var range = property.GetCustomAttribute<RangeAttribute>() ?? parameter?.GetCustomAttribute<RangeAttribute>();
        var minLength = property.GetCustomAttribute<MinLengthAttribute>() ?? parameter?.GetCustomAttribute<MinLengthAttribute>();
        var required = property.IsDefined(typeof(RequiredMemberAttribute)) || parameter is { HasDefaultValue: false };
        var shape = ValueShape.Of(property.PropertyType, nullability.Create(property)) with { OneWillDo = property.IsDefined(typeof(OneOrMoreAttribute)) };
        return new RecordMember(key, property, shape, required, range, minLength?.Length ?? 0, parameter);
    }
}
