using System.Text.RegularExpressions;

namespace LlmRL.Tests;

/// <summary>What the README names must be there.</summary>
public class ReadmeTests
{
    private static string Root => Shared.Repository;

    [Fact]
    public void Every_file_of_the_equation_index_exists()
    {
        var readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        var index = readme[readme.IndexOf("## Equations", StringComparison.Ordinal)..];
        var named = Regex.Matches(index, @"`(?:(?<folder>[A-Z]\w+)/)?(?<file>\w+\.cs)`").ToArray();

        Assert.True(named.Length >= 15, "the index has lost its rows");
        var sources = Directory.GetFiles(Path.Combine(Root, "src", "LlmRL"), "*.cs", SearchOption.AllDirectories);
        Assert.All(named, match => Assert.Contains(sources, path => path.EndsWith("/" + match.Groups["file"].Value, StringComparison.Ordinal)
            && (!match.Groups["folder"].Success || path.Contains("/" + match.Groups["folder"].Value + "/"))));
    }

    [Fact]
    public void Every_recipe_is_in_the_readme_and_every_recipe_of_the_readme_exists()
    {
        var readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        var recipes = Path.Combine(Root, "recipes");
        var there = Directory.GetFiles(recipes, "*.yaml", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(recipes, path))
            .Where(path => Path.GetFileName(path)[0] != '_').ToHashSet();
        var named = Regex.Matches(readme, @"`(?:recipes/)?([a-z0-9_./-]+\.yaml)`").Select(match => match.Groups[1].Value).ToHashSet();

        Assert.Equal(there.Order(), named.Order());
    }
}
