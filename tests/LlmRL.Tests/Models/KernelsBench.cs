using System.Diagnostics;
using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Training;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Speed of a training step, kernels and ATen composition in turns. Run by hand with LLMRL_BENCH=1.</summary>
[Trait("Category", "Bench")]
public sealed class KernelsBench(ITestOutputHelper output)
{
    [BenchFact]
    public void TrainingStep()
    {
        Measure("nano, 64 sequences of 30 to 50 tokens", Llama(259, 128, 352), 64, 30, 50, 15);
        Measure("4 layers of 256, 16 sequences of 256 tokens", Llama(512, 256, 688), 16, 256, 257, 6);
    }

    private void Measure(string name, ModelConfig config, int count, int shortest, int beyondLongest, int repeats)
    {
        // By itself libtorch may take one thread only.
        NativeTorch.Threads = Environment.ProcessorCount;
        var random = new RandomStream(1);
        using var model = new Transformer(config);
        model.Parameters.Initialize(config, 1);
        using var optimizer = new AdamW(model.Parameters, new AdamWOptions());
        int[][] sequences = [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, random.Next(shortest, beyondLongest) + 1).Select(_ => random.Next(0, config.VocabSize)).ToArray())];
        var parts = new SortedDictionary<string, List<double>>(StringComparer.Ordinal);
        for (var i = -2; i < repeats; i++)
            foreach (var kernels in new[] { false, true })
                Step(model, optimizer, sequences, kernels, i < 0 ? [] : parts);
        var tokens = sequences.Sum(sequence => sequence.Length - 1);
        output.WriteLine($"{name}: {tokens} tokens");
        foreach (var (part, milliseconds) in parts)
        {
            milliseconds.Sort();
            var median = milliseconds[milliseconds.Count / 2];
            output.WriteLine($"  {part}: median {median:F2} ms, best {milliseconds[0]:F2} ms" + (part.EndsWith("step") ? $", {tokens / median * 1000:F0} tokens/s" : ""));
        }
    }

    private static void Step(Transformer model, AdamW optimizer, int[][] sequences, bool kernels, SortedDictionary<string, List<double>> parts)
    {
        model.UsesKernels = kernels;
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch([.. sequences.Select(sequence => sequence[..^1])]);
        var targets = tensor(sequences.SelectMany(sequence => sequence[1..]).Select(id => (long)id).ToArray());
        var processor = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        var last = 0.0;
        void Add(string part, double milliseconds)
        {
            var key = (kernels ? "kernels " : "ATen ") + part;
            if (!parts.TryGetValue(key, out var list))
                parts.Add(key, list = []);
            list.Add(milliseconds);
        }

        void Lap(string part)
        {
            var now = watch.Elapsed.TotalMilliseconds;
            Add(part, now - last);
            last = now;
        }

        var hidden = model.Hidden(batch);
        Lap("1 forward");
        using var scores = TokenScores.Compute(model, hidden.detach(), targets, 1, entropy: false, trainable: true, accuracy: true);
        Lap("2 head forward");
        (-scores.LogProbs.mean()).backward();
        using var gradient = scores.Backward();
        Lap("3 head backward");
        hidden.backward([gradient]);
        Lap("4 backward");
        optimizer.Step(1e-4);
        Lap("5 optimizer");
        Add("6 processor time", (Environment.CpuUsage.TotalTime - processor).TotalMilliseconds);
        Add("7 step", watch.Elapsed.TotalMilliseconds);
    }

    private static ModelConfig Llama(int vocabulary, int width, int inner) => new()
    {
        ModelType = "llama",
        VocabSize = vocabulary,
        HiddenSize = width,
        NumLayers = 4,
        NumHeads = 4,
        NumKeyValueHeads = 4,
        HeadDim = width / 4,
        IntermediateSize = inner,
        MaxPositions = 512,
    };

    private sealed class BenchFactAttribute : FactAttribute
    {
        public BenchFactAttribute() => Skip = Environment.GetEnvironmentVariable("LLMRL_BENCH") == "1" ? null : "needs LLMRL_BENCH=1";
    }
}
