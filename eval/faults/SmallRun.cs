using LlmRL.Native;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Faults;

/// <summary>A recipe with a model of one layer and width 32, run in this process and in a folder of its own: a step takes milliseconds.</summary>
internal sealed class SmallRun
{
    /// <summary>The architecture.</summary>
    public const string TinyConfig = """
        {
          "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 160
        }
        """;

    private readonly string folder;

    /// <summary>Writes the recipe.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="stages">The items of the recipe's list of stages.</param>
    public SmallRun(string folder, string stages)
    {
        Startup.Prepare();
        this.folder = folder;
        var config = Path.Combine(folder, "tiny.json");
        File.WriteAllText(config, TinyConfig);
        RecipeFile = Path.Combine(folder, "recipe.yaml");
        File.WriteAllText(RecipeFile, $"name: small\nseed: 5\nmodel: {{ config: {config}, tokenizer: bytes }}\nstages:\n{stages}\n");
    }

    /// <summary>The recipe.</summary>
    public string RecipeFile { get; }

    /// <summary>The run's folder.</summary>
    public string Root => Path.Combine(folder, "run");

    /// <summary>The run's folder, opened.</summary>
    public RunDirectory Directory => RunDirectory.Create(Root);

    /// <summary>Runs the recipe.</summary>
    /// <param name="resume">Whether it goes on from checkpoints.</param>
    /// <param name="set">Settings that differ from the file's.</param>
    /// <param name="cancellation">Asks it to stop.</param>
    /// <param name="time">The clock; the system's unless given.</param>
    /// <param name="decodesOnDevice">Whether tensor operators sample, as they do on a GPU.</param>
    /// <returns>What the user saw.</returns>
    public string Run(bool resume = false, string[]? set = null, CancellationToken cancellation = default, TimeProvider? time = null, bool decodesOnDevice = false)
    {
        using var output = new StringWriter();
        time ??= TimeProvider.System;
        using var console = RunConsole.Create(output, time, live: false);
        var options = new PipelineOptions { Out = Root, Device = CPU, DeviceText = "cpu", RecipeFile = RecipeFile, Resume = resume, ShowResults = false, DecodesOnDevice = decodesOnDevice };
        new Pipeline(RecipeBinder.Load<Recipe>(RecipeFile, set ?? []), options, console, time).Run(cancellation);
        return output.ToString();
    }
}
