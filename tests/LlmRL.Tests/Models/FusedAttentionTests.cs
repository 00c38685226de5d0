using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Attention in ATen operators: libtorch's fused one and the formula, against the CPU's kernels, and how much memory it takes.</summary>
[Collection(TensorCollection.Name)]
public class FusedAttentionTests
{
    private static readonly string[] Shapes = ["llama-grouped", "gpt2", "qwen2", "qwen2-window", "mistral", "qwen3-window", "gpt_neox"];

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var shape in Shapes)
        {
            cases.Add(shape, "9 1 17 3 2 30 1");
            cases.Add(shape, "40 40 40");
            cases.Add(shape, "5 11");
        }

        return cases;
    }

    [LibTorchTheory("2.0")]
    [MemberData(nameof(Cases))]
    public void The_fused_operator_is_the_kernels(string shape, string lengths) => Compare(shape, lengths, fused: true);

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_formula_is_the_kernels(string shape, string lengths) => Compare(shape, lengths, fused: false);

    [LibTorchFact("2.1")]
    public void Memory_does_not_grow_with_the_square_of_the_length()
    {
        const int length = 4096, layers = 4;
        var config = TestShapes.Of("gpt2") with { NumLayers = layers, MaxPositions = length, Positions = PositionKind.Rotary };
        // T × T weights of all heads and layers, float32: 1.1 GB, and as much for their gradients.
        var whole = 4.0 * length * length * config.NumHeads * layers / 1e6;
        var peak = Peak(fused: true);
        Assert.True(peak < whole / 5, $"{peak:N0} MB were taken, where the weights of attention alone would have {whole:N0}");

        double Peak(bool fused)
        {
            using var model = new Transformer(config) { UsesKernels = false };
            model.UsesFusedAttention = fused;
            model.Parameters.Initialize(config, 3);
            using var batch = new TokenBatch([[.. Enumerable.Range(0, length).Select(i => i * i % config.VocabSize)]]);
            ProcessMemory.ForgetPeak();
            var before = ProcessMemory.PeakMegabytes()!.Value;
            using (NewDisposeScope())
                model.Hidden(batch).sum().backward();
            return ProcessMemory.PeakMegabytes()!.Value - before;
        }
    }

    /// <summary>Heads in groups are handed over as they are on a GPU alone; here it is shown that the operator means the same by it.</summary>
    [LibTorchFact("2.5")]
    public void Grouped_heads_serve_neighbouring_query_heads()
    {
        var attention = Operator.Get("aten::scaled_dot_product_attention");
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (query, key, value) = (randn(2, 6, 9, 8), randn(2, 2, 9, 8), randn(2, 2, 9, 8));
        Tensor Share(Tensor x) => x.unsqueeze(2).expand(2, 2, 3, 9, 8).reshape(2, 6, 9, 8);
        var expected = attention.Call(query, Share(key), Share(value), Argument.Default, 0.0, true);
        var actual = attention.Call(query, key, value, Argument.Default, 0.0, true, Argument.Default, true);
        Assert.True((expected - actual).abs().max().item<float>() < 1e-6);
    }

    private static void Compare(string shape, string lengths, bool fused)
    {
        var config = TestShapes.Of(shape);
        using var model = new Transformer(config);
        model.Parameters.Initialize(config with { InitializerRange = 0.2 }, 5);
        var random = new RandomStream(CounterRandom.Key(3));
        int[][] sequences = [.. lengths.Split(' ').Select(count => Enumerable.Range(0, int.Parse(count)).Select(_ => random.Next(0, config.VocabSize)).ToArray())];
        model.UsesFusedAttention = fused;
        Assert.Equal(fused, model.UsesFusedAttention);
        var rows = sequences.Sum(sequence => sequence.Length);
        var weights = Enumerable.Range(0, rows * config.VocabSize).Select(_ => (float)random.NextNormal()).ToArray();
        var (logits, gradient) = Run(kernels: false);
        using (no_grad())
        using (var longer = new TokenBatch([[.. Enumerable.Range(0, 150).Select(i => i % config.VocabSize)]]))
        {
            // A longer batch, of whose tables the next one takes a part.
            using var hidden = model.Hidden(longer);
        }

        var (again, _) = Run(kernels: false);
        var (expectedLogits, expected) = Run(kernels: true);
        Assert.Equal(logits, again);
        Tiny.AssertClose(expectedLogits, logits, 1e-5);
        Tiny.AssertClose(expected, gradient, 5e-5);

        (float[] Logits, float[] Gradient) Run(bool kernels)
        {
            model.UsesKernels = kernels;
            var found = Array.Empty<float>();
            var slope = Tiny.Gradient(model, () =>
            {
                using var batch = new TokenBatch(sequences);
                var output = model.Logits(model.Hidden(batch));
                found = output.detach().contiguous().data<float>().ToArray();
                output.backward([tensor(weights).view(output.shape)]);
            });
            return (found, slope);
        }
    }
}
