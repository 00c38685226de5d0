using System.Text.Json;
using LlmRL.Models.Lora;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>Writes a model's weights under their Hugging Face names: one file, or shards with an index where they are large.</summary>
internal static class WeightWriter
{
    /// <summary>Writes a model's weights into a folder, its adapters merged into them matrix by matrix.</summary>
    public static void Write(FlatParameters parameters, LoraAdapters? adapters, string folder, long maxShardBytes)
    {
        using var host = parameters.Values.detach().cpu().to_type(ScalarType.Float32);
        var items = Items(parameters, host, adapters);
        var shards = Shards(items, maxShardBytes);
        if (shards.Count == 1)
        {
            AtomicFile.Write(Path.Combine(folder, WeightFiles.SafetensorsName), stream => SafetensorsWriter.Write(stream, items));
            return;
        }

        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < shards.Count; i++)
        {
            var name = $"model-{i + 1:00000}-of-{shards.Count:00000}.safetensors";
            var shard = shards[i];
            AtomicFile.Write(Path.Combine(folder, name), stream => SafetensorsWriter.Write(stream, shard));
            shard.ForEach(item => map[item.Name] = name);
        }

        AtomicFile.WriteAllText(Path.Combine(folder, WeightFiles.SafetensorsIndex), JsonSerializer.Serialize(
            new { metadata = new { total_size = items.Sum(Bytes) }, weight_map = map }, JsonLayout.Indented) + "\n");
        // A reader takes the single file first: one that an earlier save left would hide the shards.
        File.Delete(Path.Combine(folder, WeightFiles.SafetensorsName));
    }

    /// <summary>Writes parameters into one file.</summary>
    public static void WriteFile(FlatParameters parameters, string path, IReadOnlyDictionary<string, string> metadata)
    {
        using var host = parameters.Values.detach().cpu().to_type(ScalarType.Float32);
        var items = Items(parameters, host, adapters: null);
        AtomicFile.Write(path, stream => SafetensorsWriter.Write(stream, items, metadata));
    }

    /// <summary>Consecutive items up to the limit; one that is larger has a shard of its own.</summary>
    private static List<List<SafetensorsWriter.Item>> Shards(List<SafetensorsWriter.Item> items, long limit)
    {
        var shards = new List<List<SafetensorsWriter.Item>>();
        var size = 0L;
        foreach (var item in items)
        {
            if (shards.Count == 0 || size + Bytes(item) > limit)
            {
                shards.Add([]);
                size = 0;
            }

            shards[^1].Add(item);
            size += Bytes(item);
        }

        return shards;
    }

    private static long Bytes(SafetensorsWriter.Item item) => item.Shape.Aggregate((long)sizeof(float), (product, length) => product * length);

    private static List<SafetensorsWriter.Item> Items(FlatParameters parameters, Tensor host, LoraAdapters? adapters)
    {
        var items = new List<SafetensorsWriter.Item>();
        foreach (var (spec, start) in parameters.Specs.Zip(parameters.Offsets))
        {
            var offset = start;
            foreach (var part in spec.Parts)
            {
                var begin = offset;
                items.Add(new SafetensorsWriter.Item(part.HuggingFaceName, part.FileShape, () => Elements(host, begin, spec, part, adapters)));
                offset += part.Elements;
            }
        }

        return items;
    }

    /// <summary>A part as the file has it: where it lies, if that is so, or an array of its own.</summary>
    private static ReadOnlySpan<float> Elements(Tensor host, long begin, ParameterSpec spec, ParameterPart part, LoraAdapters? adapters)
    {
        // Shares the weights' memory.
        using var slice = host.narrow(0, begin, part.Elements);
        using var merged = Merged(adapters, spec, part, slice);
        var values = Native.NativeTorch.AsSpan<float>(merged ?? slice);
        if (merged is null && part.Order == PartOrder.Same)
            return values;
        var file = new float[part.Elements];
        part.ToFile(values, file);
        return file;
    }

    /// <summary>A part with its adapter merged into it, or the trained one in its place; null where it is as it was.</summary>
    private static Tensor? Merged(LoraAdapters? adapters, ParameterSpec spec, ParameterPart part, Tensor slice)
    {
        if (adapters is not null && spec.Name == ParameterLayout.ScoreName)
            return adapters.Parameters[spec.Name].detach().cpu();
        if (adapters?.Find(spec.Name) is not { } linear || linear.Blocks.ToList().FindIndex(block => block.Base.HuggingFaceName == part.HuggingFaceName) is not (>= 0 and var index))
            return null;
        var rows = slice.view(part.Shape).clone();
        adapters.AddTo(linear, index, rows);
        return rows;
    }
}
