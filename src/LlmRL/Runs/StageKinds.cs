using System.Reflection;
using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Runs;

/// <summary>What the kinds of stages are called and do, for people who see them for the first time: each record says it of itself, in its <see cref="VariantAttribute"/>.</summary>
internal static class StageKinds
{
    /// <summary>True where the model learns from its own samples.</summary>
    public static bool IsOnline(string kind) => typeof(OnlineStage).IsAssignableFrom(TypeOf(kind));

    public static string Title(string kind) => About(kind)?.Title ?? kind;

    public static string Explanation(string kind) => About(kind)?.About ?? "";

    private static VariantAttribute? About(string kind) => TypeOf(kind)?.GetCustomAttribute<VariantAttribute>(false);

    private static Type? TypeOf(string kind) => Variants.Of(typeof(Stage)).ByName.GetValueOrDefault(kind);
}
