using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Models.Lora;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Layers that are computed again in the backward pass: the same gradients to the last bit, from less memory.</summary>
[Collection(TensorCollection.Name)]
public class GradientCheckpointingTests
{
    private static readonly string[] Shapes =
        ["llama-grouped", "llama-registers", "llama-panels", "gpt2", "gpt2-panels", "qwen2", "qwen3", "qwen3-panels", "mistral", "gpt_neox", "gpt_neox-panels", "no-final-norm", "dynamic"];

    public static TheoryData<string, bool> Cases()
    {
        var cases = new TheoryData<string, bool>();
        foreach (var shape in Shapes)
        {
            cases.Add(shape, true);
            cases.Add(shape, false);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_are_the_same_to_the_last_bit(string shape, bool kernels)
    {
        var config = TestShapes.Of(shape);
        using var model = new Transformer(config);
        model.Parameters.Initialize(config, 7);
        model.UsesKernels = kernels;
        Assert.Equal(kernels, model.UsesKernels);
        var random = new RandomStream(CounterRandom.Key(13));
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(0, config.VocabSize))];
        var prompt = Tokens(9);
        // Several tiles of rows, of which some sequences share their beginning.
        int[][] sequences = [[.. prompt, .. Tokens(30)], [.. prompt, .. Tokens(4)], [.. prompt, .. Tokens(101)], Tokens(1), Tokens(67), Tokens(90)];
        var weights = new Dictionary<int, float[]>();
        var (plain, hidden) = Run(false);
        var (again, same) = Run(true);
        Assert.Equal(hidden, same);
        Assert.Equal(plain, again);
        Assert.True(plain.Max(Math.Abs) > 1e-3, "the gradient is zero: the test shows nothing");

        (float[] Gradient, float[] Hidden) Run(bool checkpoints)
        {
            model.GradientCheckpointing = checkpoints;
            var states = Array.Empty<float>();
            var gradient = Tiny.Gradient(model, () =>
            {
                Tensor output;
                // What the backward pass reads must not hang on the batch.
                using (var batch = new TokenBatch(sequences, groups: [0, 0, 0, 1, 2, 3]))
                    output = model.Hidden(batch);
                states = output.detach().contiguous().data<float>().ToArray();
                if (!weights.TryGetValue(states.Length, out var factors))
                    weights[states.Length] = factors = [.. Enumerable.Range(0, states.Length).Select(_ => (float)random.NextNormal())];
                output.backward([tensor(factors).view(output.shape)]);
            });
            return (gradient, states);
        }
    }

    [Theory]
    [InlineData("llama-grouped", 0, true)]
    [InlineData("llama-panels", 0.3, true)]
    [InlineData("llama-panels", 0.3, false)]
    [InlineData("gpt2", 0.3, true)]
    [InlineData("gpt2", 0.3, false)]
    [InlineData("qwen3-panels", 0.5, true)]
    [InlineData("gpt_neox", 0.2, true)]
    [InlineData("gpt_neox", 0, false)]
    public void Adapters_too_and_dropout_drops_the_same(string shape, double dropout, bool kernels)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 4, Alpha = 6, Dropout = dropout });
        test.Model.UsesKernels = kernels;
        var r = test.Weights();
        var expected = test.Gradient(r);
        test.Model.GradientCheckpointing = true;
        Assert.Equal(expected, test.Gradient(r));
        if (dropout == 0)
            return;
        test.Adapters.DropoutKey++;
        Assert.NotEqual(expected, test.Gradient(r));
    }

    [Fact]
    public void Kernels_keep_the_input_of_each_layer_alone()
    {
        var shape = new LlmRL.Models.Kernels.BlockShape(TestShapes.Of("llama-panels") with { NumLayers = 16 });
        using var all = new LlmRL.Models.Kernels.Activations(shape, rows: 500, keep: true);
        using var inputs = new LlmRL.Models.Kernels.Activations(shape, rows: 500, keep: true, inputsOnly: true);
        // X and r of each layer and of the last norm, and one layer's rest: (H + 2K)·E, log Σ e^score, H·E, D, r, 2F.
        var layer = 500L * (shape.Qkv + shape.Config.NumHeads + shape.Mixed + shape.Width + 1 + shape.Up);
        Assert.InRange(inputs.Floats, 17 * 500L * (shape.Width + 1) + layer, (17 * 500L * (shape.Width + 1) + layer) * 1.01);
        Assert.InRange(all.Floats, 17 * 500L * (shape.Width + 1) + 16 * layer - 500 * 17, (17 * 500L * (shape.Width + 1) + 16 * layer) * 1.01);
    }

    [Fact]
    public void Without_gradients_it_changes_nothing()
    {
        var config = TestShapes.Of("llama-panels");
        using var model = new Transformer(config, trainable: false) { GradientCheckpointing = true };
        model.Parameters.Initialize(config, 7);
        var logits = LoraCase.Logits(model);
        model.GradientCheckpointing = false;
        Assert.Equal(logits, LoraCase.Logits(model));
        model.UsesKernels = false;
        logits = LoraCase.Logits(model);
        model.GradientCheckpointing = true;
        Assert.Equal(logits, LoraCase.Logits(model));
    }
}
