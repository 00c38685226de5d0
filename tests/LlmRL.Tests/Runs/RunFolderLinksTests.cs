using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

/// <summary>Nothing that a recipe names makes a run write outside its folder.</summary>
public class RunFolderLinksTests
{
    [Fact]
    public void A_link_that_leads_out_of_the_folder_is_refused()
    {
        using var folder = new TemporaryFolder();
        var run = RunDirectory.Create(folder["run"]);
        Directory.CreateDirectory(folder["elsewhere"]);
        Directory.CreateDirectory(Path.Combine(run.Root, "final", "real"));
        Directory.CreateSymbolicLink(Path.Combine(run.Root, "final", "inside"), Path.Combine(run.Root, "final", "real"));
        _ = RunDirectory.Create(run.Root);
        Directory.CreateSymbolicLink(Path.Combine(run.Root, "final", "sft"), folder["elsewhere"]);
        var message = Assert.Throws<BadInputException>(() => RunDirectory.Create(run.Root)).Message;
        Assert.Contains(Path.Combine("final", "sft"), message);
        Assert.Contains(folder["elsewhere"], message);
    }

    [Theory]
    [InlineData("name", "../out")]
    [InlineData("name", "/absolute")]
    [InlineData("name", "..")]
    [InlineData("stages.s.name", "../../out")]
    [InlineData("stages.s.name", "/absolute")]
    [InlineData("stages.s.name", "..")]
    [InlineData("stages.s.name", ".hidden")]
    public void Names_are_no_paths(string key, string value)
    {
        const string recipe = """
            name: n
            model: { config: models/nano.json, tokenizer: bytes }
            stages:
              - sft: { name: s, data: { generator: arithmetic, count: 8 }, steps: 1 }
            """;
        Assert.Contains(value, Assert.Throws<BadInputException>(() => RecipeBinder.Parse<Recipe>(recipe, "recipe.yaml", [$"{key}={value}"])).Message);
        _ = RecipeBinder.Parse<Recipe>(recipe, "recipe.yaml", [$"{key}=fine"]);
    }
}
