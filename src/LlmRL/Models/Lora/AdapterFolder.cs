using System.Globalization;
using LlmRL.Recipes;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Models.Lora;

/// <summary>Reads and writes adapters as Hugging Face's PEFT does: a folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> (read also as <c>.bin</c>).</summary>
public static class AdapterFolder
{
    /// <summary>Where a stage's adapters lie below its model's folder.</summary>
    public const string Name = "adapter";

    private const string ConfigName = "adapter_config.json", SafetensorsName = "adapter_model.safetensors", PyTorchName = "adapter_model.bin", ShiftKey = "score_shift";

    /// <summary>Whether a folder holds adapters, and no whole model.</summary>
    public static bool IsAdapter(string folder) => File.Exists(Path.Combine(folder, ConfigName)) && !File.Exists(Path.Combine(folder, ModelFolder.ConfigName));

    /// <summary>The folder of the model that a folder's adapters belong to: as the file names it from where it lies, from the current folder or from the program's.</summary>
    /// <exception cref="BadInputException">The file names none, or there is no such folder.</exception>
    public static string BaseOf(string folder)
    {
        var config = ReadConfig(folder);
        if (config.BaseName is not { } name)
            throw new BadInputException($"{config.Path}: base_model_name_or_path names no model; name the base's folder with --model FOLDER --adapter {folder}, or model: {{ path: FOLDER, adapter: {folder} }}.");
        foreach (var place in new[] { Path.GetFullPath(Path.Combine(folder, name)), ProgramPaths.Resolve(name) })
        {
            if (Directory.Exists(place))
                return place;
        }

        throw new BadInputException($"{config.Path}: the adapters belong to '{name}', and there is no such folder; name the base's folder with --model FOLDER --adapter {folder}, or model: {{ path: FOLDER, adapter: {folder} }}.");
    }

    /// <summary>Whether a scalar head is saved with a folder's adapters.</summary>
    public static bool HasScalarHead(string folder) => ReadConfig(folder).ScalarHead;

    /// <summary>Checks, without reading the weights, that a folder's adapters fit a model.</summary>
    /// <returns>Whether they come with a scalar head.</returns>
    /// <exception cref="BadInputException">They do not, or the files are damaged.</exception>
    public static bool Check(string folder, ModelConfig model)
    {
        var config = ReadConfig(folder);
        using var file = Open(folder, out var names);
        _ = Layout(config, model, file, names);
        return config.ScalarHead;
    }

    /// <summary>Reads a folder's adapters.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="model">The architecture of the model that they are for.</param>
    /// <param name="device">Where they go.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or does not fit the model.</exception>
    public static LoraAdapters Read(string folder, ModelConfig model, Device? device = null)
    {
        var config = ReadConfig(folder);
        using var file = Open(folder, out var names);
        var adapters = new LoraAdapters(model, config.Options, Layout(config, model, file, names), config.ScalarHead, device ?? CPU, trainable: false) { BaseName = config.BaseName };
        Load(file, adapters.Parameters);
        return adapters;
    }

    /// <summary>Merges a folder's adapters into a model, and takes over the scalar head that is saved with them.</summary>
    internal static void MergeInto(Transformer model, string folder)
    {
        using var adapters = Read(folder, model.Config, model.Device);
        if (adapters.HasScalarHead && !model.HasScalarHead)
            throw new BadInputException($"{folder}: these are a reward or value model's adapters (they come with a scalar head); a language model is needed here.");
        adapters.MergeInto(model.Parameters);
        using var reader = Open(folder, out _);
        if (reader is SafetensorsReader safetensors && safetensors.Metadata.TryGetValue(ShiftKey, out var shift))
            model.ScoreShift = double.Parse(shift, CultureInfo.InvariantCulture);
    }

    /// <summary>Reads the weights of adapters that are there already.</summary>
    internal static void Load(string folder, LoraAdapters adapters)
    {
        using var file = Open(folder, out var names);
        _ = Layout(ReadConfig(folder), adapters.Config, file, names);
        Load(file, adapters.Parameters);
    }

    /// <summary>Writes adapters: each file appears whole or not at all, the config last.</summary>
    /// <param name="adapters">The adapters.</param>
    /// <param name="folder">Where they go; created where it is absent.</param>
    /// <param name="scoreShift">What is added to the scores of a reward model.</param>
    public static void Save(LoraAdapters adapters, string folder, double scoreShift = 0)
    {
        Directory.CreateDirectory(folder);
        var metadata = new Dictionary<string, string>();
        if (scoreShift != 0)
            metadata[ShiftKey] = scoreShift.ToString("R", CultureInfo.InvariantCulture);
        WeightWriter.WriteFile(adapters.Parameters, Path.Combine(folder, SafetensorsName), metadata);
        var baseName = adapters.BaseFolder is { } place ? Path.GetRelativePath(folder, place).Replace('\\', '/') : adapters.BaseName;
        AtomicFile.WriteAllText(Path.Combine(folder, ConfigName), AdapterConfig.Write(adapters, baseName));
    }

    private static AdapterConfig ReadConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        return File.Exists(path) ? AdapterConfig.Read(path) : throw new BadInputException($"{path}: no such file. Adapters are a folder with {ConfigName} and {SafetensorsName}, as PEFT saves them.");
    }

    private static IWeightFile Open(string folder, out IReadOnlyCollection<string> names)
    {
        var (safetensors, pickle) = (Path.Combine(folder, SafetensorsName), Path.Combine(folder, PyTorchName));
        if (!File.Exists(safetensors) && File.Exists(pickle))
        {
            var reader = new PickleReader(pickle);
            names = reader.Names;
            return reader;
        }

        if (!File.Exists(safetensors))
            throw new BadInputException($"{folder}: the adapters' weights are missing; {SafetensorsName} was expected.");
        var file = new SafetensorsReader(safetensors);
        names = [.. file.Entries.Keys];
        return file;
    }

    /// <summary>Which weights a file has adapters of. Every tensor must be one of them, in its shape.</summary>
    private static IReadOnlyList<LoraLinear> Layout(AdapterConfig config, ModelConfig model, IWeightFile file, IReadOnlyCollection<string> names)
    {
        var linears = LoraLayout.Of(model, module => file.ShapeOf(LoraLayout.FileName(module, LoraLayout.AName)) is not null, withHead: true);
        var specs = LoraLayout.Specs(linears, config.Options.R, config.ScalarHead ? ParameterLayout.Of(model, scalarHead: true)[^1] : null);
        var parts = specs.SelectMany(spec => spec.Parts).ToDictionary(part => part.HuggingFaceName, StringComparer.Ordinal);
        if (names.FirstOrDefault(name => !parts.ContainsKey(name)) is { } unknown)
            throw new BadInputException($"{file.Path}: tensor {unknown} belongs to no projection of this {model.ModelType} model; the adapters are another model's, or of a kind that is not supported.");
        if (linears.Count == 0)
            throw new BadInputException($"{file.Path}: there are no adapters in this file.");
        foreach (var part in parts.Values)
        {
            var shape = file.ShapeOf(part.HuggingFaceName) ?? throw new BadInputException($"{file.Path}: tensor {part.HuggingFaceName} is missing; the file is damaged.");
            if (!shape.SequenceEqual(part.Shape))
                throw new BadInputException($"{file.Path}: tensor {part.HuggingFaceName} has shape [{string.Join(", ", shape)}] but rank {config.Options.R} of adapter_config.json and the model ask for [{string.Join(", ", part.Shape)}].");
        }

        return linears;
    }

    private static void Load(IWeightFile file, FlatParameters parameters)
    {
        using var guard = no_grad();
        foreach (var (spec, offset) in parameters.Specs.Zip(parameters.Offsets))
        {
            var start = offset;
            foreach (var part in spec.Parts)
            {
                var (values, ours) = (new float[part.Elements], new float[part.Elements]);
                file.Read(part.HuggingFaceName, values);
                part.FromFile(values, ours);
                using var scope = NewDisposeScope();
                parameters.Values.narrow(0, start, part.Elements).copy_(tensor(ours));
                start += part.Elements;
            }
        }
    }
}
