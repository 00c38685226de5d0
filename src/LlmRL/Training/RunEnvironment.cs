using System.Diagnostics.CodeAnalysis;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Runs;
using LlmRL.Tokenization;
using TorchSharp;

namespace LlmRL.Training;

/// <summary>What all stages of a run share.</summary>
public sealed class RunEnvironment
{
    private readonly Dictionary<DataSource, IExampleSource> opened = [];

    /// <summary>The recipe.</summary>
    public required Recipe Recipe { get; init; }

    /// <summary>Text ↔ ids. Not there where the recipe has no language model.</summary>
    [AllowNull]
    public required Tokenizer Tokenizer
    {
        get => field ?? throw new InvalidOperationException("the recipe has no language model, and so no tokenizer");
        init;
    }

    /// <summary>Where models live.</summary>
    public required torch.Device Device { get; init; }

    /// <summary>Everything on disk. Not there while a recipe is only checked.</summary>
    public RunDirectory Directory
    {
        get => field ?? throw new InvalidOperationException("the recipe is only being checked; there is no run directory yet");
        set;
    }

    /// <summary>Metrics and samples. Not there while a recipe is only checked.</summary>
    public RunLog Log
    {
        get => field ?? throw new InvalidOperationException("the recipe is only being checked; there are no logs yet");
        set;
    }

    /// <summary>What the user sees.</summary>
    public required RunConsole Console { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Asks the run to stop.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Whether a stage continues from its newest checkpoint.</summary>
    public bool Resume { get; init; }

    /// <summary>Whether completions run on to their full length whatever is sampled, for measuring speed.</summary>
    public bool IgnoresStops { get; init; }

    /// <summary>Opens a data set; the same source gives the same object.</summary>
    public IExampleSource Open(DataSource source)
    {
        if (!opened.TryGetValue(source, out var examples))
            opened[source] = examples = (source.Stage is { } stage ? source with { Stage = null, Path = Label.FileOf(Directory, stage) } : source).Open(Tokenizer, Console.Warn);
        return examples;
    }

    /// <summary>Loads a model; see <see cref="StageContext.LoadModel"/>.</summary>
    public Transformer LoadModel(string reference, bool scalarHead, bool trainable, ulong initKey, torch.ScalarType dtype, bool masters)
    {
        if (FolderOf(reference) is { } folder)
        {
            CheckVocabulary(ModelFolder.ReadConfig(folder), folder);
            return AdapterOf(reference) is { } adapter
                ? ModelFolder.LoadMerged(folder, adapter, scalarHead, trainable, Device, initKey, dtype, masters)
                : ModelFolder.Load(folder, scalarHead, trainable, Device, initKey, dtype, masters);
        }

        if (reference == Recipe.BaseModel && Recipe.Model?.Config is { } config)
        {
            var architecture = Recipe.Model.Architecture(config, Tokenizer);
            var model = new Transformer(architecture, scalarHead, trainable, Device, dtype, masters);
            // The recipe's seed alone decides the base weights, so that every stage that starts from them sees the same.
            model.Parameters.Initialize(architecture, CounterRandom.Key(Recipe.Seed, CounterRandom.Hash("base")));
            return model;
        }

        throw new BadInputException($"'{reference}' is neither a stage before this one nor a model folder. Stages: {string.Join(", ", Recipe.Stages.Select(stage => stage.Name))}.");
    }

    /// <summary>The folder that a reference means, or null for a freshly drawn base model.</summary>
    public string? FolderOf(string reference)
    {
        if (Recipe.Stages.Any(stage => stage.Name == reference && stage.HasModel))
            return Directory.Final(reference);
        if (reference == Recipe.BaseModel)
            return Recipe.Model?.Path is { } path ? ProgramPaths.Resolve(path) : null;
        var folder = ProgramPaths.Resolve(reference);
        return System.IO.Directory.Exists(folder) ? folder : null;
    }

    /// <summary>The folder of the adapters that are merged into the recipe's model, or null.</summary>
    public string? AdapterOf(string reference) => reference == Recipe.BaseModel && Recipe.Model?.Adapter is { } path ? ProgramPaths.Resolve(path) : null;

    /// <summary>Whether a stage's or folder's model comes with a trained scalar head.</summary>
    public bool HasScalarHead(string reference) => FolderOf(reference) is { } folder && CheckFiles(reference, folder);

    /// <summary>Checks the files of a model; see <see cref="ModelFolder.Check"/>.</summary>
    /// <returns>Whether it comes with a scalar head.</returns>
    internal bool CheckFiles(string reference, string folder) =>
        ModelFolder.Check(folder) | (AdapterOf(reference) is { } adapter && AdapterFolder.Check(adapter, ModelFolder.ReadConfig(folder)));

    /// <summary>Refuses a model that knows fewer ids than the tokenizer has.</summary>
    internal void CheckVocabulary(ModelConfig model, string folder)
    {
        if (model.VocabSize < Tokenizer.VocabularySize)
            throw new BadInputException($"{folder}: the model knows {model.VocabSize} token ids but the tokenizer has {Tokenizer.VocabularySize}; they do not belong together. Name the right one under model.tokenizer.");
    }
}
