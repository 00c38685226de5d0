using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Tests.Recipes;

public class StageTitleTests
{
    /// <summary>The report introduces every kind of stage by its title and a sentence.</summary>
    [Fact]
    public void Every_kind_of_stage_says_what_it_is() => Assert.All(Variants.Of(typeof(Stage)).Names, kind =>
    {
        Assert.NotEqual(kind, StageKinds.Title(kind));
        Assert.EndsWith(".", StageKinds.Explanation(kind), StringComparison.Ordinal);
    });
}
