using System.Text.Json;
using LlmRL.Runs;
using LlmRL.Tokenization;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>Reads and writes models as folders in Hugging Face layout: <c>config.json</c>, <c>model.safetensors</c> (or shards with an index), tokenizer files.</summary>
public static class ModelFolder
{
    internal const string WeightsName = "model.safetensors", IndexName = "model.safetensors.index.json";
    private const string ConfigName = "config.json", ShiftKey = "score_shift";

    /// <summary>Whether a path looks like a model folder.</summary>
    public static bool IsModel(string path) => File.Exists(Path.Combine(path, ConfigName));

    /// <summary>The architecture of the model in a folder.</summary>
    /// <exception cref="BadInputException">There is none, or its config cannot be read.</exception>
    public static ModelConfig ReadConfig(string folder) => Directory.Exists(folder)
        ? ModelConfigFile.Read(Path.Combine(folder, ConfigName))
        : throw new BadInputException($"{folder}: no such model folder. It must hold config.json and model.safetensors in Hugging Face layout.");

    /// <summary>Checks, without reading the weights, that a folder's files are whole and that every tensor is there in the right shape.</summary>
    /// <returns>Whether it is a reward or value model: whether it has a scalar head.</returns>
    /// <exception cref="BadInputException">They are not.</exception>
    public static bool Check(string folder)
    {
        var config = ReadConfig(folder);
        var hasScore = ModelConfigFile.HasScalarHead(Path.Combine(folder, ConfigName));
        using var files = OpenWeights(folder);
        foreach (var part in ParameterLayout.Of(config, hasScore).SelectMany(spec => spec.Parts))
            files.Find(part);
        return hasScore;
    }

    /// <summary>Loads a model.</summary>
    /// <param name="folder">A folder in Hugging Face layout.</param>
    /// <param name="scalarHead">Whether a scalar head is wanted. Where the folder holds a language model, its body is loaded and a fresh head is drawn from <paramref name="seed"/>.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="device">Where it goes.</param>
    /// <param name="seed">Seed of a fresh scalar head.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or a tensor is missing or of another shape.</exception>
    public static Transformer Load(string folder, bool scalarHead = false, bool trainable = true, Device? device = null, ulong seed = 0)
    {
        var configPath = Path.Combine(folder, ConfigName);
        var config = ReadConfig(folder);
        var hasScore = ModelConfigFile.HasScalarHead(configPath);
        if (hasScore && !scalarHead)
            throw new BadInputException($"{folder}: this is a reward or value model (it has a scalar head); a language model is needed here.");
        var model = new Transformer(config, scalarHead, trainable, device);
        try
        {
            if (scalarHead && !hasScore)
                model.Parameters.Initialize(config, seed);
            model.ScoreShift = ModelConfigFile.Extra(configPath, ShiftKey) ?? 0;
            using var files = OpenWeights(folder);
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

    /// <summary>
    /// Writes a model into a folder: each file appears whole or not at all.
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
        WeightWriter.Write(model.Parameters, folder, maxShardBytes);
        tokenizer?.Save(folder);
        if (!model.HasScalarHead)
            AtomicFile.WriteAllText(Path.Combine(folder, "generation_config.json"), GenerationConfig(model.Config));
        // The config comes last: a folder with one is complete.
        AtomicFile.WriteAllText(Path.Combine(folder, ConfigName), ModelConfigFile.Write(model.Config, model.HasScalarHead, extra));
    }

    private static string GenerationConfig(ModelConfig config) => JsonSerializer.Serialize(
        new Dictionary<string, object?> { ["bos_token_id"] = config.BosTokenId, ["eos_token_id"] = config.EosTokenId, ["pad_token_id"] = config.PadTokenId, ["do_sample"] = true },
        JsonLayout.Indented) + "\n";

    private static void LoadParameter(WeightFiles files, FlatParameters parameters, ParameterSpec spec, long start)
    {
        foreach (var part in spec.Parts)
        {
            var (reader, entry) = files.Find(part);
            var values = new float[part.Elements];
            reader.Read(entry, values);
            if (part.Transposed)
            {
                var turned = new float[values.Length];
                Transpose(values, turned, part.FileShape[0], part.FileShape[1]);
                values = turned;
            }

            using var guard = no_grad();
            using var scope = NewDisposeScope();
            parameters.Values.narrow(0, start, part.Elements).copy_(tensor(values));
            start += part.Elements;
        }
    }

    internal static void Transpose(ReadOnlySpan<float> source, Span<float> destination, long rows, long columns)
    {
        for (var r = 0; r < rows; r++)
        {
            for (var c = 0; c < columns; c++)
                destination[(int)(c * rows + r)] = source[(int)(r * columns + c)];
        }
    }

    private static WeightFiles OpenWeights(string folder)
    {
        var single = Path.Combine(folder, WeightsName);
        if (File.Exists(single))
            return new WeightFiles([single]);
        var index = Path.Combine(folder, IndexName);
        if (!File.Exists(index))
            throw new BadInputException($"{folder}: neither {WeightsName} nor {IndexName} is there; the weights are missing.");
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(index));
            var names = json.RootElement.GetProperty("weight_map").EnumerateObject().Select(pair => pair.Value.GetString() ?? "").Distinct();
            return new WeightFiles([.. names.Order(StringComparer.Ordinal).Select(name => Path.Combine(folder, Path.GetFileName(name)))]);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new BadInputException($"{index}: no valid index: {fault.Message}", fault);
        }
    }

    /// <summary>The open weight files of a folder.</summary>
    private sealed class WeightFiles : IDisposable
    {
        private readonly List<SafetensorsReader> readers = [];

        public WeightFiles(IReadOnlyList<string> paths)
        {
            try
            {
                foreach (var path in paths)
                    readers.Add(new SafetensorsReader(path));
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public (SafetensorsReader Reader, SafetensorsEntry Entry) Find(ParameterPart part)
        {
            var (reader, entry) = Find(part.HuggingFaceName);
            return entry.Shape.SequenceEqual(part.FileShape)
                ? (reader, entry)
                : throw new BadInputException($"{reader.Path}: tensor {entry.Name} has shape [{string.Join(", ", entry.Shape)}] but config.json asks for [{string.Join(", ", part.FileShape)}].");
        }

        private (SafetensorsReader Reader, SafetensorsEntry Entry) Find(string name)
        {
            // GPT-2's own files and some sequence classifiers leave the prefix of the body out.
            foreach (var spelling in new[] { name, name[(name.IndexOf('.') + 1)..] })
            {
                foreach (var reader in readers)
                {
                    if (reader.Entries.TryGetValue(spelling, out var entry))
                        return (reader, entry);
                }
            }

            throw new BadInputException($"{readers[0].Path}: tensor {name} is missing; the weights do not belong to this config.json.");
        }

        public void Dispose() => readers.ForEach(reader => reader.Dispose());
    }
}
