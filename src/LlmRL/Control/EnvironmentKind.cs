using LlmRL.Recipes.Binding;

namespace LlmRL.Control;

/// <summary>The environments that a recipe can name.</summary>
public enum EnvironmentKind
{
    /// <summary><see cref="LlmRL.Control.CartPole"/>.</summary>
    [RecipeKey("cartpole")]
    CartPole,

    /// <summary><see cref="LlmRL.Control.Acrobot"/>.</summary>
    Acrobot,
}

/// <summary>Makes environments.</summary>
public static class Environments
{
    /// <summary>A new environment, not yet reset.</summary>
    public static IEnvironment Create(this EnvironmentKind kind) => kind switch
    {
        EnvironmentKind.CartPole => new CartPole(),
        EnvironmentKind.Acrobot => new Acrobot(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };
}
