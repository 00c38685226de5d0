using LlmRL.Models.Lora;
using LlmRL.Runs;
using LlmRL.Tokenization;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// Reads and writes models as folders in Hugging Face layout: <c>config.json</c>, weights (<c>model.safetensors</c>, or shards with an index; read also from PyTorch's
/// <c>.bin</c>, <c>.pt</c>, <c>.pth</c>), tokenizer files.
/// </summary>
public static class ModelFolder
{
    internal const string ConfigName = "config.json";
    private const string GenerationName = "generation_config.json", ShiftKey = "score_shift";

    /// <summary>Whether a path looks like a model folder; a folder with adapters alone stands for their base with them merged into it.</summary>
    public static bool IsModel(string path) => File.Exists(Path.Combine(path, ConfigName)) || AdapterFolder.IsAdapter(path);

    /// <summary>The architecture of the model in a folder.</summary>
    /// <exception cref="BadInputException">There is none, or its config cannot be read.</exception>
    public static ModelConfig ReadConfig(string folder) => AdapterFolder.IsAdapter(folder)
        ? ReadConfig(AdapterFolder.BaseOf(folder))
        : Directory.Exists(folder)
        ? ModelConfigFile.WithGeneration(ModelConfigFile.Read(Path.Combine(folder, ConfigName)), Path.Combine(folder, GenerationName))
        : throw new BadInputException($"{folder}: no such model folder. It must hold config.json and model.safetensors in Hugging Face layout.");

    /// <summary>Where the tokenizer of a model folder is looked for: adapters without one have their base's.</summary>
    public static string TokenizerFolder(string folder) =>
        AdapterFolder.IsAdapter(folder) && !TokenizerLoader.Has(folder) ? TokenizerFolder(AdapterFolder.BaseOf(folder)) : folder;

    /// <summary>Checks, without reading the weights, that a folder's files are whole and that every tensor is there in the right shape.</summary>
    /// <returns>Whether it is a reward or value model: whether it has a scalar head.</returns>
    /// <exception cref="BadInputException">They are not.</exception>
    public static bool Check(string folder)
    {
        var config = ReadConfig(folder);
        if (AdapterFolder.IsAdapter(folder))
            return Check(AdapterFolder.BaseOf(folder)) | AdapterFolder.Check(folder, config);
        var hasScore = ModelConfigFile.HasScalarHead(Path.Combine(folder, ConfigName));
        using var files = WeightFiles.Open(folder, ModelConfigFile.WeightNames(Path.Combine(folder, ConfigName)));
        foreach (var part in ParameterLayout.Of(config, hasScore).SelectMany(spec => spec.Parts))
            files.Check(part);
        return hasScore;
    }

    /// <summary>Loads a model.</summary>
    /// <param name="folder">A folder in Hugging Face layout.</param>
    /// <param name="scalarHead">Whether a scalar head is wanted. Where the folder holds a language model, its body is loaded and a fresh head is drawn from <paramref name="seed"/>.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="device">Where it goes.</param>
    /// <param name="seed">Seed of a fresh scalar head.</param>
    /// <param name="dtype">What passes read; see <see cref="Transformer"/>.</param>
    /// <param name="masters">Likewise.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or a tensor is missing or of another shape.</exception>
    public static Transformer Load(
        string folder, bool scalarHead = false, bool trainable = true, Device? device = null, ulong seed = 0, ScalarType dtype = ScalarType.Float32, bool masters = true)
    {
        if (AdapterFolder.IsAdapter(folder))
            return LoadMerged(AdapterFolder.BaseOf(folder), folder, scalarHead, trainable, device, seed, dtype, masters);
        var configPath = Path.Combine(folder, ConfigName);
        var config = ReadConfig(folder);
        var hasScore = ModelConfigFile.HasScalarHead(configPath);
        if (hasScore && !scalarHead)
            throw new BadInputException($"{folder}: this is a reward or value model (it has a scalar head); a language model is needed here.");
        using var files = WeightFiles.Open(folder, ModelConfigFile.WeightNames(configPath));
        CheckSize(folder, config);
        var model = new Transformer(config, scalarHead, trainable, device, dtype, masters);
        try
        {
            if (scalarHead && !hasScore)
                model.Parameters.Initialize(config, seed, ParameterLayout.ScoreName);
            model.ScoreShift = ModelConfigFile.Extra(configPath, ShiftKey) ?? 0;
            foreach (var (spec, offset) in model.Parameters.Specs.Zip(model.Parameters.Offsets))
            {
                if (spec.Name != ParameterLayout.ScoreName || hasScore)
                    LoadParameter(files, model.Parameters, spec, offset);
            }
        }
        catch
        {
            model.Dispose();
            throw;
        }

        return model;
    }

    /// <summary>Loads a model and merges adapters into it.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="adapter">A folder with adapters in PEFT's layout.</param>
    /// <param name="scalarHead">As of <see cref="Load"/>.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="device">Where it goes.</param>
    /// <param name="seed">Seed of a fresh scalar head.</param>
    /// <param name="dtype">As of <see cref="Load"/>.</param>
    /// <param name="masters">As of <see cref="Load"/>.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or the adapters do not fit the model.</exception>
    public static Transformer LoadMerged(
        string folder, string adapter, bool scalarHead = false, bool trainable = true, Device? device = null, ulong seed = 0, ScalarType dtype = ScalarType.Float32, bool masters = true)
    {
        var model = Load(folder, scalarHead, trainable, device, seed, dtype, masters);
        try
        {
            AdapterFolder.MergeInto(model, adapter);
        }
        catch
        {
            model.Dispose();
            throw;
        }

        return model;
    }

    /// <summary>Memory is reserved for what the weight files can hold, not for what a damaged config says. A byte holds one number at most, in a deflated archive a thousand.</summary>
    private static void CheckSize(string folder, ModelConfig config)
    {
        var most = Directory.GetFiles(folder).Sum(path => Path.GetExtension(path) switch { ".safetensors" => 1.0, ".bin" or ".pt" or ".pth" => 1100, _ => 0 } * new FileInfo(path).Length);
        var least = (double)config.VocabSize * config.HiddenSize + (double)config.NumLayers * config.HiddenSize * (2.0 * config.HeadDim * config.NumHeads + config.IntermediateSize);
        if (most > 0 && least > most)
            throw new BadInputException($"{Path.Combine(folder, ConfigName)}: it describes a model of more than {least:N0} numbers, but the weight files hold fewer. One of them belongs to another model, or is damaged.");
    }

    /// <summary>
    /// Writes a model into a folder, adapters merged into its weights: each file appears whole or not at all.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">Where it goes; created where it is absent.</param>
    /// <param name="tokenizer">Its tokenizer, whose files are written beside it.</param>
    /// <param name="maxShardBytes">Weights beyond this size are cut into shards with an index; 5 GB as in Hugging Face's <c>save_pretrained</c>.</param>
    public static void Save(Transformer model, string folder, Tokenizer? tokenizer, long maxShardBytes = 5_000_000_000)
    {
        Directory.CreateDirectory(folder);
        var extra = new Dictionary<string, double>();
        if (model.ScoreShift != 0)
            extra[ShiftKey] = model.ScoreShift;
        WeightWriter.Write(model.Parameters, model.Adapters, folder, maxShardBytes);
        tokenizer?.Save(folder);
        if (!model.HasScalarHead)
            AtomicFile.WriteAllText(Path.Combine(folder, GenerationName), ModelConfigFile.WriteGeneration(model.Config));
        // The config comes last: a folder with one is complete.
        AtomicFile.WriteAllText(Path.Combine(folder, ConfigName), ModelConfigFile.Write(model.Config, model.HasScalarHead, extra));
    }

    private static void LoadParameter(WeightFiles files, FlatParameters parameters, ParameterSpec spec, long start)
    {
        foreach (var part in spec.Parts)
        {
            var values = files.Read(part);
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            parameters.Values.narrow(0, start, part.Elements).copy_(tensor(values));
            start += part.Elements;
        }
    }
}
