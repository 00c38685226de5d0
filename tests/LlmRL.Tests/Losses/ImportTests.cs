using System.Text.RegularExpressions;

namespace LlmRL.Tests.Losses;

public partial class ImportTests
{
    /// <summary>Equations take tensors: no models, configurations, loops or logs.</summary>
    [Fact]
    public void LossesKnowNothingOfTheRestOfTheProgram()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "LlmRL.sln")))
            folder = folder.Parent;
        Assert.NotNull(folder);
        var files = Directory.GetFiles(Path.Combine(folder.FullName, "src/LlmRL/Losses"), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var file in files)
            Assert.DoesNotMatch(Foreign(), File.ReadAllText(file).Replace("namespace LlmRL.Losses;", "", StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\b(LlmRL|Algorithms|Advantages|Data|Evaluation|Models|Recipes|Rewards|Rollouts|Runs|Tokenization|Training|YamlDotNet)\.")]
    private static partial Regex Foreign();
}
