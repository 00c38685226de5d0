using LlmRL.Algorithms;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Sweeps;
using LlmRL.Tests.Runs;

namespace LlmRL.Tests.Sweeps;

/// <summary>A temporary folder with a recipe in it, whose sweeps are planned but never trained.</summary>
internal sealed class SweepFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public SweepFolder()
    {
        Write("tiny.json", """{ "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 160 }""");
        Base = Write("base.yaml", $$"""
            name: base
            seed: 9
            model: { config: {{folder["tiny.json"]}}, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 4, batch_size: 4 }
              - reinforce: { name: rl, policy: sft, data: { generator: arithmetic, split: rl, count: 50 }, reward: { length: { target: 4 } }, steps: 3, prompts_per_step: 4 }
              - evaluate: { name: eval, policies: [sft, rl], data: { generator: arithmetic, split: test, count: 10 }, pass_at_k: [1, 8] }
            """);
    }

    /// <summary>The recipe's file.</summary>
    public string Base { get; }

    public string this[string name] => folder[name];

    public string Write(string name, string text)
    {
        File.WriteAllText(folder[name], text);
        return folder[name];
    }

    /// <summary>The plan of a sweep whose settings are given as YAML; BASE in it is the recipe.</summary>
    public SweepPlan Plan(string settings, params string[] more)
    {
        var file = Write("sweep.yaml", $"name: test\nsweep:\n  {settings.ReplaceLineEndings("\n  ")}\n".Replace("BASE", Base, StringComparison.Ordinal));
        return SweepPlan.Make(RecipeBinder.Load<SweepRecipe>(file), folder["out"], [.. more.Select(text => RecipeOverride.Parse(text))]);
    }

    public string Fault(string settings, params string[] more) =>
        Assert.Throws<BadInputException>(() => Plan(settings, more)).Message.Replace(folder.Path + "/", "", StringComparison.Ordinal);

    /// <summary>Leaves what a finished stage leaves.</summary>
    public static void Finish(SweepRun run, Stage stage, OrderedDictionary<string, double>? metrics = null)
    {
        var directory = RunDirectory.Create(run.Folder);
        var summary = RunSummary.Read(directory.SummaryPath) ?? new RunSummary { Name = run.Recipe.Name, Seed = run.Seed };
        if (stage.HasModel)
        {
            Directory.CreateDirectory(directory.Final(stage.Name));
            File.WriteAllText(Path.Combine(directory.Final(stage.Name), "config.json"), "{}");
        }

        summary.With(new StageSummary(stage.Name, Variants.NameOf(stage.GetType())!, (stage as TrainingStage)?.Steps ?? 0, 2, metrics ?? [])).Write(directory.SummaryPath);
        new StageLedger(directory, run.Recipe).Finish(stage);
    }

    /// <summary>Leaves what a finished run leaves.</summary>
    public static void Finish(SweepRun run, OrderedDictionary<string, double>? evaluation = null)
    {
        foreach (var stage in run.Recipe.Stages)
            Finish(run, stage, stage.HasModel ? null : evaluation);
    }

    public void Dispose() => folder.Dispose();
}
