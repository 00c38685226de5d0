using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>Runs a recipe's stages with a model of one layer and width 32 in a temporary folder, and reads what was logged.</summary>
internal sealed class TinyRun : IDisposable
{
    public const string Config = """
        {
          "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 160
        }
        """;

    private readonly TemporaryFolder folder = new();

    /// <summary>Runs the stages, given as the items of the recipe's list; <c>DATA</c> in them is a file of the given JSON lines.</summary>
    public TinyRun(string stages, string jsonLines = "")
    {
        _ = Tiny.Llama;
        var config = Path.Combine(folder.Path, "tiny.json");
        File.WriteAllText(config, Config);
        var data = Path.Combine(folder.Path, "data.jsonl");
        File.WriteAllText(data, jsonLines);
        stages = stages.Replace("DATA", data, StringComparison.Ordinal);
        var file = Path.Combine(folder.Path, "recipe.yaml");
        File.WriteAllText(file, $"name: tiny\nseed: 5\nmodel: {{ config: {config}, tokenizer: bytes }}\nstages:\n{stages}\n");
        var root = Path.Combine(folder.Path, "run");
        var options = new PipelineOptions { Out = root, Device = CPU, DeviceText = "cpu", RecipeFile = file };
        using var console = RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false);
        Summary = new Pipeline(RecipeBinder.Load<Recipe>(file), options, console, TimeProvider.System).Run(CancellationToken.None);
        Directory = RunDirectory.Create(root);
    }

    public RunSummary Summary { get; }

    public RunDirectory Directory { get; }

    /// <summary>A metric of a stage, step by step; steps that lack it are left out.</summary>
    public double[] Metric(string stage, string name) =>
        [.. MetricsReader.Read(Directory.MetricsPath).Where(row => row.Stage == stage && row.Values.ContainsKey(name)).Select(row => row.Values[name])];

    public void Dispose() => folder.Dispose();
}
