using System.Text.Json;
using LlmRL.Runs;

namespace LlmRL.Models;

/// <summary>Writes a model's weights under their Hugging Face names: one file, or shards with an index where they are large.</summary>
internal static class WeightWriter
{
    public static void Write(FlatParameters parameters, string folder, long maxShardBytes)
    {
        using var host = parameters.Values.detach().cpu();
        var items = Items(parameters, host);
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

    private static List<SafetensorsWriter.Item> Items(FlatParameters parameters, TorchSharp.torch.Tensor host)
    {
        var items = new List<SafetensorsWriter.Item>();
        foreach (var (spec, start) in parameters.Specs.Zip(parameters.Offsets))
        {
            var offset = start;
            foreach (var part in spec.Parts)
            {
                var begin = offset;
                items.Add(new SafetensorsWriter.Item(part.HuggingFaceName, part.FileShape, destination =>
                {
                    using var slice = host.narrow(0, begin, part.Elements);
                    part.ToFile(Native.NativeTorch.AsSpan<float>(slice), destination);
                }));
                offset += part.Elements;
            }
        }

        return items;
    }
}
