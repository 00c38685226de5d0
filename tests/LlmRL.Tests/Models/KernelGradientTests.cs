using LlmRL.Models;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>The CPU's fused passes against the same network in tensor operations, whose gradients are autograd's.</summary>
[Collection(TensorCollection.Name)]
public class KernelGradientTests
{
    private static readonly Dictionary<string, ModelConfig> Shapes = new()
    {
        ["llama, grouped heads"] = TestShapes.Of("llama-grouped"),
        ["llama, all biases, tied"] = TestShapes.Of("llama-grouped") with { QkvBias = true, OutputBias = true, MlpBias = true, TieWordEmbeddings = true, NumKeyValueHeads = 6 },
        ["qwen2"] = TestShapes.Of("qwen2"),
        ["gpt2"] = TestShapes.Of("gpt2"),
        ["gpt2, exact gelu"] = TestShapes.Of("gpt2") with { Mlp = MlpKind.Gelu, TieWordEmbeddings = false },
        ["qwen3"] = TestShapes.Of("qwen3"),
        ["mistral"] = TestShapes.Of("mistral"),
        ["gpt_neox"] = TestShapes.Of("gpt_neox"),
        ["tiny"] = Tiny.Llama,
    };

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var shape in Shapes.Keys)
        {
            // One token attends to itself whatever its query and key are: weights of theirs alone have no gradient.
            cases.Add(shape, Shapes[shape].QkNorm ? "2" : "1");
            cases.Add(shape, "9 1 17 3 2 30 1");
            cases.Add(shape, "8 8 8 8");
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void FusedPassesAreTheTensorOnes(string shape, string lengths)
    {
        var config = Shapes[shape];
        using var model = new Transformer(config);
        var random = new RandomStream(CounterRandom.Key(31));
        using (no_grad())
        using (var values = tensor(Enumerable.Range(0, (int)model.Parameters.Count).Select(_ => (float)(0.2 * random.NextNormal())).ToArray()))
        {
            model.Parameters.Values.copy_(values);
            foreach (var spec in model.Parameters.Specs.Where(spec => spec.Init == ParameterInit.One))
                model.Parameters[spec.Name].add_(1.0);
        }

        Assert.True(model.UsesKernels, "this machine has no kernels: the test shows nothing");
        int[][] sequences = [.. lengths.Split(' ').Select(length => Enumerable.Range(0, int.Parse(length)).Select(_ => (int)(random.NextDouble() * config.VocabSize)).ToArray())];
        var rows = sequences.Sum(sequence => sequence.Length);
        var weights = Enumerable.Range(0, rows * config.HiddenSize).Select(_ => (float)random.NextNormal()).ToArray();
        var (expectedHidden, expected) = Run(NaiveLosses.Hidden);
        var (hidden, actual) = Run((transformer, batch) => transformer.Hidden(batch));
        Tiny.AssertClose(expectedHidden, hidden, 1e-5);
        // Each parameter by itself, so that a small one's error does not hide behind a large one.
        foreach (var (spec, offset) in model.Parameters.Specs.Zip(model.Parameters.Offsets).Where(pair => pair.First.Name != "head"))
        {
            var range = (int)offset..(int)(offset + spec.Elements);
            var scale = expected[range].Max(Math.Abs);
            Assert.True(scale > 0, spec.Name);
            for (var i = range.Start.Value; i < range.End.Value; i++)
                Assert.True(Math.Abs(expected[i] - actual[i]) <= 3e-5 * scale, $"{spec.Name}[{i - range.Start.Value}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}");
        }

        (float[] Hidden, float[] Gradient) Run(Func<Transformer, TokenBatch, Tensor> forward)
        {
            var states = Array.Empty<float>();
            var gradient = Tiny.Gradient(model, () =>
            {
                using var batch = new TokenBatch(sequences);
                var output = forward(model, batch);
                states = output.detach().contiguous().data<float>().ToArray();
                output.backward([tensor(weights).view(rows, -1)]);
            });
            return (states, gradient);
        }
    }
}
