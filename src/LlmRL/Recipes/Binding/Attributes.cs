namespace LlmRL.Recipes.Binding;

/// <summary>
/// Names a concrete record among those that a recipe may put where an abstract type is expected. In YAML it is the single key of a mapping,
/// <c>{ math: { tolerance: 1e-6 } }</c>, or plain text, <c>math</c>, where it takes no settings.
/// </summary>
/// <param name="name">The key, in snake case.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class VariantAttribute(string name) : Attribute
{
    /// <summary>The key, in snake case.</summary>
    public string Name => name;

    /// <summary>What people call it, for reports; the key by default.</summary>
    public string? Title { get; init; }

    /// <summary>One sentence for a newcomer, for reports.</summary>
    public string? About { get; init; }
}

/// <summary>Gives a property or an enum member another recipe key than its own name in snake case.</summary>
/// <param name="key">The key as recipes write it.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class RecipeKeyAttribute(string key) : Attribute
{
    /// <summary>The key as recipes write it.</summary>
    public string Key => key;
}

/// <summary>
/// A record that a recipe may also write as <c>off</c> or <c>on</c>, which sets its <c>enabled</c>: <c>alarms: off</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SwitchableAttribute : Attribute
{
    /// <summary>The key that the word sets.</summary>
    public const string Key = "enabled";

    /// <summary>Whether a word turns a record off or on; null where it does neither.</summary>
    internal static bool? Read(string? word) => word switch { "off" or "false" => false, "on" or "true" => true, _ => null };
}

/// <summary>A list that a recipe may also write as a single value: <c>all-linear</c> for <c>[all-linear]</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OneOrMoreAttribute : Attribute;

/// <summary>A record whose settings depend on each other. It is asked once all of its own settings have been read without fault.</summary>
public interface IValidated
{
    /// <summary>
    /// What is wrong, if anything: the key to blame (a property's name or its recipe key) and one or two sentences without a final full stop that name the
    /// value and the remedy.
    /// </summary>
    IEnumerable<(string Key, string Problem)> Validate();
}
