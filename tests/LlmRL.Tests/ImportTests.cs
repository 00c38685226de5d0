using System.Text.RegularExpressions;

namespace LlmRL.Tests;

/// <summary>Which way the folders look: a folder's files name nothing of what is built upon it.</summary>
public class ImportTests
{
    /// <summary>Equations take numbers and tensors: no models, devices, configurations, loops or logs. Sampling knows models, and neither who trains them nor what for.</summary>
    [Theory]
    [InlineData("Advantages", "LlmRL|TorchSharp|Algorithms|Data|Evaluation|Losses|Models|Recipes|Rewards|Rollouts|Runs|Tokenization|Training|YamlDotNet")]
    [InlineData("Losses", "LlmRL|Algorithms|Advantages|Data|Evaluation|Models|Recipes|Rewards|Rollouts|Runs|Tokenization|Training|YamlDotNet")]
    [InlineData("Rollouts", "Advantages|Alarms|Algorithms|Benchmarks|Control|Evaluation|Losses|Recipes|Rewards|Runs|Sweeps|Training|YamlDotNet")]
    public void AFolderKnowsNothingOfWhatIsBuiltUponIt(string folder, string others)
    {
        var files = Directory.GetFiles(Path.Combine(Shared.Repository, "src/LlmRL", folder), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        var foreign = new Regex($@"\b({others})[.;]");
        foreach (var file in files)
            Assert.DoesNotMatch(foreign, File.ReadAllText(file).Replace($"namespace LlmRL.{folder};", "", StringComparison.Ordinal));
    }
}
