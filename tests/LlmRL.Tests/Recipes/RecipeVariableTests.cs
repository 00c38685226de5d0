using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

/// <summary>What many settings share stands once, under <c>vars</c>.</summary>
public class RecipeVariableTests
{
    private const string Yaml = """
        vars: { folder: a/b, rows: 7, source: { path: x.jsonl, count: 3 } }
        name: in ${folder} now
        first: { path: "${folder}/train.jsonl", count: "${rows}" }
        second: ${source}
        """;

    [Fact]
    public void References_take_the_variables_value()
    {
        var recipe = Parse(Yaml);
        Assert.Equal("in a/b now", recipe.Name);
        Assert.Equal(new Source { Path = "a/b/train.jsonl", Count = 7 }, recipe.First);
        Assert.Equal(new Source { Path = "x.jsonl", Count = 3 }, recipe.Second);
    }

    [Fact]
    public void An_override_changes_the_variable_for_all_and_others_reach_into_what_it_holds()
    {
        Assert.Equal(new Source { Path = "x.jsonl", Count = 8 }, Parse(Yaml, "vars.source.count=8").Second);
        var recipe = Parse(Yaml, "vars.folder=c", "second.count=9");
        Assert.Equal("in c now", recipe.Name);
        Assert.Equal("c/train.jsonl", recipe.First.Path);
        Assert.Equal(new Source { Path = "x.jsonl", Count = 9 }, recipe.Second);
    }

    [Theory]
    [InlineData("name: x", "name: ${fodler}", "r.yaml:2: name: ${fodler} is not among the recipe's vars. There are folder, rows, source.")]
    [InlineData("name: x", "name: a ${source}", "r.yaml:2: name: ${source} is a mapping with path, count and cannot stand inside a text.")]
    [InlineData("vars: { folder", "vars: { spare: 1, folder", "r.yaml:1: vars.spare: no setting uses it.")]
    [InlineData("rows: 7", "rows: many", "count: expected a whole number")]
    public void Faults_name_line_and_remedy(string old, string changed, string message)
    {
        var yaml = Yaml.Replace("name: in ${folder} now", "name: x").Replace(old, changed);
        Assert.Contains(message, Assert.Throws<BadInputException>(() => Parse(yaml)).Message);
    }

    [Fact]
    public void An_override_of_no_variable_is_a_fault()
    {
        Assert.Contains("--set vars.x=1: the recipe has no variable x. There are folder, rows, source.", Assert.Throws<BadInputException>(() => Parse(Yaml, "vars.x=1")).Message);
        Assert.Contains("no vars at all", Assert.Throws<BadInputException>(() => Parse("name: x\nfirst: { path: a }\nsecond: { path: b }", "vars.x=1")).Message);
    }

    [Fact]
    public void Variables_may_stand_in_others_but_not_in_themselves()
    {
        const string nested = """
            vars: { folder: a, file: "${folder}/train.jsonl", source: { path: "${file}", count: 3 } }
            name: x
            first: ${source}
            second: { path: "${file}" }
            """;
        Assert.Equal(new Source { Path = "a/train.jsonl", Count = 3 }, Parse(nested).First);
        Assert.Equal("b/train.jsonl", Parse(nested, "vars.folder=b").Second.Path);
        Assert.Contains("vars.file: ${file} stands in its own value", Assert.Throws<BadInputException>(() => Parse(nested.Replace("${folder}/", "${file}/"))).Message);
    }

    [Fact]
    public void A_scale_is_other_values_of_some_variables()
    {
        var scaled = "scale: small\nscales: { small: {}, full: { rows: 90 } }\n" + Yaml;
        Assert.Equal(7, Parse(scaled).First.Count);
        Assert.Equal(90, Parse(scaled, "scale=full").First.Count);
        Assert.Equal(5, Parse(scaled, "vars.rows=5", "scale=full").First.Count);
        Assert.Contains("--set scale=huge: \"huge\" is no scale of the recipe. There are small, full.", Assert.Throws<BadInputException>(() => Parse(scaled, "scale=huge")).Message);
        Assert.Contains("r.yaml:2: scales.full.row: the recipe has no variable row.", Assert.Throws<BadInputException>(() => Parse(scaled.Replace("rows: 90", "row: 90"), "scale=full")).Message);
        Assert.Contains("does not say which is meant. Add scale: small", Assert.Throws<BadInputException>(() => Parse(scaled.Replace("scale: small\n", ""))).Message);
        Assert.Contains("one size only", Assert.Throws<BadInputException>(() => Parse(Yaml, "scale=full")).Message);
    }

    private static Shared Parse(string yaml, params string[] overrides) => RecipeBinder.Parse<Shared>(yaml, "r.yaml", overrides);

    public sealed record Shared
    {
        public required string Name { get; init; }

        public required Source First { get; init; }

        public required Source Second { get; init; }
    }

    public sealed record Source
    {
        public required string Path { get; init; }

        [Range(1, 100)]
        public int Count { get; init; } = 1;
    }
}
