using System.Text.Json;

namespace LlmRL.Models;

/// <summary>An open file with named tensors.</summary>
public interface IWeightFile : IDisposable
{
    /// <summary>The file.</summary>
    string Path { get; }

    /// <summary>A tensor's shape, or null where the file has none of this name.</summary>
    long[]? ShapeOf(string name);

    /// <summary>Copies a floating-point tensor, row-major, into float32 memory of its size.</summary>
    void Read(string name, Span<float> destination);
}

/// <summary>The open weight files of a model folder: safetensors or PyTorch's, one file or shards with an index.</summary>
internal sealed class WeightFiles : IDisposable
{
    public const string SafetensorsName = "model.safetensors", SafetensorsIndex = "model.safetensors.index.json";
    private const string PyTorchName = "pytorch_model.bin", PyTorchIndex = "pytorch_model.bin.index.json";
    private readonly List<IWeightFile> files = [];
    private readonly IReadOnlyList<KeyValuePair<string, string>> spellings;
    private bool? linear;

    private WeightFiles(IReadOnlyList<string> paths, IReadOnlyList<KeyValuePair<string, string>> spellings)
    {
        this.spellings = spellings;
        try
        {
            foreach (var path in paths)
                files.Add(System.IO.Path.GetExtension(path) == ".safetensors" ? new SafetensorsReader(path) : new PickleReader(path));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Opens a folder's weights: safetensors before PyTorch's, one file before shards, and otherwise the only file with an extension of either.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="spellings">See <see cref="ModelConfigFile.WeightNames"/>.</param>
    /// <exception cref="BadInputException">There are none, or they are damaged.</exception>
    public static WeightFiles Open(string folder, IReadOnlyList<KeyValuePair<string, string>> spellings)
    {
        foreach (var (single, index) in new[] { (SafetensorsName, SafetensorsIndex), (PyTorchName, PyTorchIndex) })
        {
            if (File.Exists(Path.Combine(folder, single)))
                return new WeightFiles([Path.Combine(folder, single)], spellings);
            if (File.Exists(Path.Combine(folder, index)))
                return new WeightFiles(Shards(Path.Combine(folder, index)), spellings);
        }

        var others = Directory.GetFiles(folder).Where(path => Path.GetExtension(path) is ".safetensors" or ".pt" or ".pth" or ".bin").Order(StringComparer.Ordinal).ToList();
        return others.Count == 1
            ? new WeightFiles(others, spellings)
            : throw new BadInputException(others.Count == 0
                ? $"{folder}: the weights are missing; {SafetensorsName}, {PyTorchName}, an index of shards, or one .pt or .pth file was expected."
                : $"{folder}: which file holds the weights? {string.Join(", ", others.Select(Path.GetFileName))} are there; name one {SafetensorsName} or {PyTorchName}.");
    }

    /// <summary>Checks that a part is there in the right shape.</summary>
    public void Check(ParameterPart part) => Locate(part);

    /// <summary>A part's elements in our order.</summary>
    public float[] Read(ParameterPart part)
    {
        var (file, name, asOurs) = Locate(part);
        var values = new float[part.Elements];
        file.Read(name, values);
        if (asOurs || part.Order == PartOrder.Same)
            return values;
        var ours = new float[values.Length];
        part.FromFile(values, ours);
        return ours;
    }

    public void Dispose() => files.ForEach(file => file.Dispose());

    private (IWeightFile File, string Name, bool AsOurs) Locate(ParameterPart part)
    {
        var (file, name, shape) = Find(part.HuggingFaceName);
        var asOurs = part.Order == PartOrder.Transposed && IsLinear();
        var expected = asOurs ? part.Shape : part.FileShape;
        return shape.SequenceEqual(expected)
            ? (file, name, asOurs)
            : throw new BadInputException($"{file.Path}: tensor {name} has shape [{string.Join(", ", shape)}] but config.json asks for [{string.Join(", ", expected)}].");
    }

    /// <summary>
    /// GPT-2 as trained by nanoGPT and its kin holds projections as (outputs, inputs), Hugging Face's the other way round. The fused projection, which is never square,
    /// tells which; the square ones could not.
    /// </summary>
    private bool IsLinear()
    {
        if (linear is null)
        {
            var shape = Find("transformer.h.0.attn.c_attn.weight").Shape;
            linear = shape.Length == 2 && shape[0] > shape[1];
        }

        return linear.Value;
    }

    private (IWeightFile File, string Name, long[] Shape) Find(string name)
    {
        var respelt = spellings.Aggregate(name, (text, pair) => text.Replace(pair.Key, pair.Value, StringComparison.Ordinal));
        // GPT-2's own files and some sequence classifiers leave the prefix of the body out; a compiled or distributed module adds one.
        var bare = respelt[(respelt.IndexOf('.') + 1)..];
        foreach (var spelling in new[] { respelt, bare, "_orig_mod." + respelt, "module." + respelt }.Where(text => text.Contains('.')))
        {
            foreach (var file in files)
            {
                if (file.ShapeOf(spelling) is { } shape)
                    return (file, spelling, shape);
            }
        }

        throw new BadInputException($"{files[0].Path}: tensor {respelt} is missing; the weights do not belong to this config.json.");
    }

    private static IReadOnlyList<string> Shards(string index)
    {
        var folder = Path.GetDirectoryName(index)!;
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(index));
            var names = json.RootElement.GetProperty("weight_map").EnumerateObject().Select(pair => pair.Value.GetString() ?? "").Distinct().Order(StringComparer.Ordinal).ToList();
            return names.Count > 0
                ? [.. names.Select(name => Path.Combine(folder, Path.GetFileName(name)))]
                : throw new BadInputException($"{index}: the weight_map is empty; fetch the file again.");
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new BadInputException($"{index}: no valid index: {fault.Message}", fault);
        }
    }
}
