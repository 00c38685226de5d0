using System.Diagnostics;
using LlmRL.Models;
using LlmRL.Numerics;
using LlmRL.Rollouts;
using LlmRL.Rollouts.Device;

namespace LlmRL.Tests.Rollouts;

/// <summary>Sampling speed beside the speed of the bare matrix product on the same machine in the same minute. Run by hand with LLMRL_BENCH=1.</summary>
internal static class RolloutBench
{
    public static ModelConfig ModelA { get; } = Llama(512, 256, 4, 4, 688);

    public static ModelConfig ModelB { get; } = Llama(4096, 512, 8, 8, 1376);

    /// <summary>Median tokens/s of sampling one completion of 128 tokens per prompt of 32 at temperature 1.</summary>
    public static string Measure(string name, ModelConfig config, int prompts, int samples, int maxSlots = 0, int repeats = 7)
    {
        using var model = TestModel.Random(config, 0.02);
        using var engine = new RolloutEngine(model.Weights, maxSlots);
        var (rate, spread) = Rate(engine, config, prompts, samples, repeats);
        double head = (double)config.VocabSize * config.HiddenSize, width = config.HiddenSize, inner = config.IntermediateSize;
        var weights = config.NumLayers * (4 * width * width + 3 * width * inner) + head;
        return $"{name}: {prompts} prompts x {samples}, slots {engine.MaxSlots}: {rate:F0} tok/s ({spread}), "
            + $"{2 * weights * rate / 1e9:F0} GFLOP/s in products; bare product {ProductSpeed(config, Math.Min(prompts * samples, engine.MaxSlots)):F0} GFLOP/s";
    }

    /// <summary>The same in tensor operators, as on a GPU.</summary>
    public static string MeasureOnDevice(string name, ModelConfig config, int prompts, int samples, int repeats = 5)
    {
        using var model = new Transformer(config, trainable: false);
        model.Parameters.Initialize(config, 1);
        using var engine = new DeviceRolloutEngine(model);
        var (rate, spread) = Rate(engine, config, prompts, samples, repeats);
        return $"{name}: {prompts} prompts x {samples} in tensor operators: {rate:F0} tok/s ({spread})";
    }

    private static (double Median, string Spread) Rate(IRolloutEngine engine, ModelConfig config, int prompts, int samples, int repeats)
    {
        var random = new RandomStream(1);
        int[][] ids = [.. Enumerable.Range(0, prompts).Select(_ => Enumerable.Range(0, 32).Select(_ => random.Next(0, config.VocabSize)).ToArray())];
        var options = new SamplingOptions { MaxNewTokens = 128 };
        var rates = new List<double>();
        for (var i = 0; i <= repeats; i++)
        {
            var watch = Stopwatch.StartNew();
            var tokens = engine.Generate(ids, samples, options, new SampleKey(1, (ulong)i)).Sum(completion => completion.Tokens.Length);
            if (i > 0)
                rates.Add(tokens / watch.Elapsed.TotalSeconds);
        }

        rates.Sort();
        return (rates[rates.Count / 2], $"min {rates[0]:F0}, max {rates[^1]:F0}");
    }

    // The MLP's up product alone, on all threads, weights in a cache.
    private static unsafe double ProductSpeed(ModelConfig config, int columns)
    {
        int rows = 2 * config.IntermediateSize / 16 * 8, k = config.HiddenSize, groups = (columns + 15) / 16;
        var best = double.MaxValue;
        using var w = new NativeBuffer<float>((long)Environment.ProcessorCount * rows * k);
        using var x = new NativeBuffer<float>((long)groups * 16 * k);
        using var y = new NativeBuffer<float>((long)Environment.ProcessorCount * groups * 16 * rows);
        nint pw = (nint)w.Pointer, px = (nint)x.Pointer, py = (nint)y.Pointer;
        for (var i = 0; i < 60; i++)
        {
            var watch = Stopwatch.StartNew();
            Parallel.For(0, Environment.ProcessorCount, t =>
            {
                for (var j = 0; j < 40; j++)
                    PanelProduct.Multiply(
                        (float*)pw + (nint)t * rows * k, k, rows, null, (float*)px, k * 16, (float*)py + (nint)t * groups * 16 * rows, rows * 16, groups, false);
            });
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        return 40.0 * Environment.ProcessorCount * 2 * rows * k * groups * 16 / best / 1e9;
    }

    private static ModelConfig Llama(int vocabulary, int width, int layers, int heads, int inner) => new()
    {
        ModelType = "llama",
        VocabSize = vocabulary,
        HiddenSize = width,
        NumLayers = layers,
        NumHeads = heads,
        NumKeyValueHeads = heads,
        HeadDim = width / heads,
        IntermediateSize = inner,
        MaxPositions = 1024,
    };
}
