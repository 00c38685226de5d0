using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Recipes;

/// <summary>A label stage whose pairs a stage reads.</summary>
/// <param name="Key">The setting that names it, dotted, below the stage's own key.</param>
/// <param name="Name">The label stage.</param>
internal sealed record DataReference(string Key, string Name)
{
    /// <summary>The label stages that a stage reads: of every data set that it names, and those whose pairs come before its own.</summary>
    public static IEnumerable<DataReference> Of(Stage stage)
    {
        foreach (var member in RecordShape.Of(stage.GetType()).Members)
        {
            if (member.Get(stage) is DataSource { Stage: { } name })
                yield return new DataReference($"{member.Key}.stage", name);
        }

        if (stage is Label { After: { } earlier })
            yield return new DataReference("after", earlier);
    }
}
