using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

/// <summary><c>extends</c>: a recipe goes on where another ends.</summary>
public sealed class RecipeInheritanceTests : IDisposable
{
    private const string Below = """
        name: below
        scale: small
        vars: { steps: 5, rows: 3 }
        scales: { small: {}, full: { steps: 50 } }
        model: { config: models/nano.json, tokenizer: bytes }
        stages:
          - sft: { name: sft, data: { generator: arithmetic, count: "${rows}" }, steps: "${steps}" }
          - evaluate: { name: eval, policies: [sft], data: { generator: arithmetic, count: 7 } }
        """;

    private const string Above = """
        extends: below.yaml
        name: above
        vars: { rows: 4, prompts: 6 }
        scales: { full: { prompts: 60 } }
        stages:
          - rloo: { name: rloo, policy: sft, data: { generator: arithmetic, count: "${prompts}" }, reward: { math: {} }, steps: 2 }
          - evaluate: { name: eval, policies: [sft, rloo], data: { generator: arithmetic, count: 8 } }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("llmrl-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Stages_come_behind_and_one_of_the_same_name_takes_the_place_at_the_end()
    {
        Write("below.yaml", Below);
        var recipe = RecipeBinder.Load<Recipe>(Write("above.yaml", Above));
        Assert.Equal("above", recipe.Name);
        Assert.Equal(["sft", "rloo", "eval"], recipe.Stages.Select(stage => stage.Name));
        Assert.Equal(["sft", "rloo"], ((Evaluate)recipe.Stages[2]).Policies);
    }

    [Fact]
    public void Variables_and_scales_are_joined_by_name()
    {
        Write("below.yaml", Below);
        var path = Write("above.yaml", Above);
        var (small, full) = (RecipeBinder.Load<Recipe>(path), RecipeBinder.Load<Recipe>(path, "scale=full"));
        Assert.Equal((5, 4, 6), Sizes(small));
        Assert.Equal((50, 4, 60), Sizes(full));

        static (int, int?, int?) Sizes(Recipe recipe) => (((Sft)recipe.Stages[0]).Steps, ((Sft)recipe.Stages[0]).Data.Count, ((Rloo)recipe.Stages[1]).Data.Count);
    }

    [Fact]
    public void Faults_name_the_file_that_they_are_in()
    {
        Write("below.yaml", Below.Replace("steps: \"", "stepps: \""));
        var path = Write("above.yaml", Above);
        Assert.Contains($"{Path.Combine(folder, "below.yaml")}:7", Assert.Throws<BadInputException>(() => RecipeBinder.Load<Recipe>(path)).Message);
        Assert.Equal($"{Path.Combine(folder, "below.yaml")}:5", RecipeBinder.Locate<Recipe>(path, "model", []));
    }

    [Theory]
    [InlineData("extends: none.yaml", "above.yaml:1: extends: there is no file")]
    [InlineData("extends: above.yaml", "above.yaml:1: extends: above.yaml extends this recipe in turn")]
    [InlineData("extends: [below.yaml]", "above.yaml:1: extends: expected a recipe's file, found a list of 1.")]
    [InlineData("extends: list.yaml", "list.yaml is a list of 1, which is no recipe.")]
    public void What_cannot_be_extended_is_a_fault(string extends, string message)
    {
        Write("below.yaml", Below);
        Write("list.yaml", "- a");
        var path = Write("above.yaml", Above.Replace("extends: below.yaml", extends));
        Assert.Contains(message, Assert.Throws<BadInputException>(() => RecipeBinder.Load<Recipe>(path)).Message);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
