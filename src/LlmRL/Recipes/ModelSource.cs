using System.ComponentModel.DataAnnotations;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes.Binding;
using LlmRL.Tokenization;

namespace LlmRL.Recipes;

/// <summary>Where a recipe's model comes from: a folder with weights, or an architecture that starts from random ones.</summary>
public sealed record ModelSource : IValidated
{
    /// <summary>A folder in Hugging Face layout: config, weights, tokenizer.</summary>
    public string? Path { get; init; }

    /// <summary>A folder with adapters in PEFT's layout, which are merged into the weights of <see cref="Path"/>.</summary>
    public string? Adapter { get; init; }

    /// <summary>A <c>config.json</c> of an architecture: weights are drawn from the recipe's seed. Its vocabulary size becomes the tokenizer's.</summary>
    public string? Config { get; init; }

    /// <summary>
    /// <c>bytes</c>; <c>characters</c> or <c>words</c>, built from <see cref="VocabularyData"/>; or a tokenizer's file or folder. With
    /// <see cref="Path"/> the model's own by default.
    /// </summary>
    public string? Tokenizer { get; init; }

    /// <summary>Texts from which a vocabulary of characters or words is built.</summary>
    public DataSource? VocabularyData { get; init; }

    /// <summary>Most entries of a vocabulary that is built.</summary>
    [Range(16, 1 << 20)]
    public int VocabularySize { get; init; } = 4096;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Path is null == Config is null)
            yield return (Path is null ? nameof(Config) : nameof(Path), "name either path (a folder with weights) or config (an architecture for random weights), and not both");
        if (Config is not null && Tokenizer is null)
            yield return (nameof(Config), "a model without weights needs a tokenizer: bytes, characters, words, or a path");
        if (Tokenizer is "characters" or "words" && VocabularyData is null)
            yield return (nameof(Tokenizer), $"a vocabulary of {Tokenizer} is built from texts; name them under vocabulary_data");
        if (VocabularyData is not null && Tokenizer is not ("characters" or "words"))
            yield return (nameof(VocabularyData), "texts are only used with tokenizer: characters or tokenizer: words");
        if (Path is not null && !ModelFolder.IsModel(ProgramPaths.Resolve(Path)))
        {
            yield return (nameof(Path), Directory.Exists(ProgramPaths.Resolve(Path))
                ? $"{Path}: this folder has no config.json; a model is a folder in Hugging Face layout"
                : $"{Path}: no such folder; name one with --set model.path=FOLDER, relative to the current folder");
        }

        if (Adapter is not null && Path is null)
            yield return (nameof(Adapter), "adapters belong to a model with weights; name its folder under path");
        else if (Adapter is not null && !AdapterFolder.IsAdapter(ProgramPaths.Resolve(Adapter)))
            yield return (nameof(Adapter), $"{Adapter}: no adapters here; a folder with adapter_config.json and adapter_model.safetensors was expected");
        if (Config is not null && !File.Exists(ProgramPaths.Resolve(Config)))
            yield return (nameof(Config), $"{Config}: no such file; name a config.json, such as one in models/");
        if (Tokenizer is not null and not ("bytes" or "characters" or "words") && ProgramPaths.Resolve(Tokenizer) is var place && !File.Exists(place) && !Directory.Exists(place))
            yield return (nameof(Tokenizer), $"{Tokenizer}: no such file or folder; write bytes, characters, words, or a tokenizer's path");
    }

    /// <summary>Builds or loads the tokenizer.</summary>
    public Tokenizer OpenTokenizer()
    {
        if (Tokenizer is not ("characters" or "words"))
            return TokenizerLoader.Load(Tokenizer is null ? ModelFolder.TokenizerFolder(ProgramPaths.Resolve(Path!)) : ProgramPaths.Resolve(Tokenizer));
        var data = VocabularyData!.Open();
        var texts = Enumerable.Range(0, data.Count).Select(i => data[i]).SelectMany(example =>
            new[] { example.Prompt + example.Completion, example.Chosen, example.Rejected }.OfType<string>());
        return VocabularyTokenizer.Build(texts, Tokenizer == "words" ? VocabularyKind.Words : VocabularyKind.Characters, VocabularySize);
    }

    /// <summary>The architecture of a model without weights, with the tokenizer's vocabulary and special tokens.</summary>
    public ModelConfig Architecture(string config, Tokenizer tokenizer) => ModelConfigFile.Read(ProgramPaths.Resolve(config)) with
    {
        VocabSize = tokenizer.VocabularySize,
        BosTokenId = tokenizer.BosId,
        EosTokenId = tokenizer.EosId,
        PadTokenId = tokenizer.PadId,
    };
}
