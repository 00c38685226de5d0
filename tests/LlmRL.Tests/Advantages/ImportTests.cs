using System.Text.RegularExpressions;

namespace LlmRL.Tests.Advantages;

public partial class ImportTests
{
    /// <summary>Equations take numbers: no models, devices, configurations or logs.</summary>
    [Fact]
    public void AdvantagesKnowNothingOfTheRestOfTheProgram()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "LlmRL.sln")))
            folder = folder.Parent;
        Assert.NotNull(folder);
        var files = Directory.GetFiles(Path.Combine(folder.FullName, "src/LlmRL/Advantages"), "*.cs");
        Assert.NotEmpty(files);
        foreach (var file in files)
            Assert.DoesNotMatch(Foreign(), File.ReadAllText(file).Replace("namespace LlmRL.Advantages;", "", StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\b(LlmRL|TorchSharp|Algorithms|Data|Evaluation|Losses|Models|Recipes|Rewards|Rollouts|Runs|Tokenization|Training|YamlDotNet)\.")]
    private static partial Regex Foreign();
}
