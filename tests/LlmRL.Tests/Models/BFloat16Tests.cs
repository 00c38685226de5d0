using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Native;
using LlmRL.Tests.Models.Lora;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Passes in bfloat16 over float32 master weights, against float32 on the same numbers. On the CPU in ATen operators, as on a GPU.</summary>
[Collection(TensorCollection.Name)]
public class BFloat16Tests
{
    // Half a unit in the last of 8 bits; a pass of some layers rounds some dozen times in a row, at random.
    private const double Rounding = 1.0 / 512, Passes = 16 * Rounding;

    [Theory]
    [InlineData("llama-grouped", false)]
    [InlineData("llama-grouped", true)]
    [InlineData("qwen3", false)]
    [InlineData("mistral", false)]
    [InlineData("gpt2", true)]
    [InlineData("gpt_neox", false)]
    public void Loss_and_gradient_are_float32s_up_to_rounding(string shape, bool checkpoints)
    {
        var config = TestShapes.Of(shape);
        var (loss, gradient) = Run(ScalarType.BFloat16);
        var (expectedLoss, expected) = Run(ScalarType.Float32);
        Assert.InRange(Math.Abs(loss - expectedLoss) / expectedLoss, 1e-9, Rounding);
        var error = Math.Sqrt(expected.Zip(gradient, (e, g) => Math.Pow(e - g, 2)).Sum() / expected.Sum(e => (double)e * e));
        // Not zero either: then it would not be bfloat16.
        Assert.InRange(error, Rounding / 8, Passes);

        (double Loss, float[] Gradient) Run(ScalarType dtype)
        {
            using var model = Rounded(config, dtype);
            model.GradientCheckpointing = checkpoints && dtype == ScalarType.BFloat16;
            var loss = 0.0;
            var gradient = Tiny.Gradient(model, () => loss = OfflineLoop.Accumulate(Sft(), model, Rows(config.VocabSize), train: true)["loss"]);
            return (loss, gradient);
        }
    }

    [Fact]
    public void Gradients_are_added_up_in_float32()
    {
        const int times = 400;
        var config = TestShapes.Of("gpt2");
        using var model = Rounded(config, ScalarType.BFloat16);
        var rows = Rows(config.VocabSize);
        float[] Sum(int count) => Tiny.Gradient(model, () =>
        {
            for (var i = 0; i < count; i++)
                OfflineLoop.Accumulate(Sft(), model, rows, train: true);
        });
        // A bfloat16 sum would not grow any more from 256 times one of its terms on.
        Tiny.AssertClose([.. Sum(1).Select(g => times * g)], Sum(times), 1e-5);
    }

    [Fact]
    public void A_row_that_is_read_often_has_the_float32_sum_of_its_gradients()
    {
        const int times = 1000;
        using var parameters = new FlatParameters([new ParameterSpec("w", [3, 2], ParameterInit.One, [])], CPU, trainable: true, ScalarType.BFloat16);
        using (NewDisposeScope())
            parameters.Rows("w", tensor(Enumerable.Repeat(2L, times).ToArray())).backward([ones([times, 2], dtype: ScalarType.BFloat16)]);
        Assert.Equal([0, 0, 0, 0, times, times], parameters.Gradients!.data<float>().ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_update_below_the_resolution_of_bfloat16_is_not_lost(bool kernels)
    {
        const double learningRate = 1e-4;
        using var parameters = new FlatParameters([new ParameterSpec("w", [1], ParameterInit.One, [])], CPU, trainable: true, ScalarType.BFloat16);
        using var optimizer = new AdamW(parameters, new AdamWOptions { MaxGradNorm = 0, Epsilon = 1e-12 }) { UsesKernels = kernels };
        using (no_grad())
            parameters.Values.fill_(1.5f);
        // Neighbours of 1.5 are 2⁻⁷ away: after 30 steps the copy is still 1.5, after 50 it is not.
        for (var step = 1; step <= 50; step++)
        {
            parameters.Gradients!.fill_(1f);
            optimizer.Step(learningRate);
            Assert.Equal(1.5 - step * learningRate, parameters.Values[0].item<float>(), 1e-6);
            using var guard = no_grad();
            using var copy = parameters.Weight("w").to_type(ScalarType.Float32);
            Assert.Equal(step < 39 ? 1.5f : step > 40 ? 1.5f - 1f / 128 : copy.item<float>(), copy.item<float>());
        }
    }

    [Fact]
    public void The_copy_follows_whatever_changes_the_weights()
    {
        var config = TestShapes.Of("gpt2");
        using var model = new Transformer(config, dtype: ScalarType.BFloat16);
        using var other = new Transformer(config);
        other.Parameters.Initialize(config, 4);
        model.Parameters.Initialize(config, 3);
        AssertCurrent();
        model.Parameters.CopyFrom(other.Parameters);
        AssertCurrent();
        using (no_grad())
            model.Parameters["embed"].mul_(2f);
        AssertCurrent();
        using (no_grad())
            NativeTorch.AsSpan<float>(model.Parameters.Values)[0] = 77;
        model.Parameters.MarkChanged();
        AssertCurrent();

        void AssertCurrent()
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            foreach (var spec in model.Parameters.Specs)
                Assert.True(model.Weight(spec.Name).equal(model.Parameters[spec.Name].to_type(ScalarType.BFloat16)), spec.Name);
            var address = AddressOf(model.Weight("embed"));
            Assert.Equal(address, AddressOf(model.Weight("embed")));
        }

        static unsafe nint AddressOf(Tensor tensor) => (nint)NativeTorch.DataPointer(tensor);
    }

    [Fact]
    public void A_frozen_model_holds_half_the_bytes_and_gives_the_same_numbers()
    {
        var config = TestShapes.Of("llama-grouped");
        using var with = new Transformer(config, scalarHead: true, trainable: false, dtype: ScalarType.BFloat16);
        using var without = new Transformer(config, scalarHead: true, trainable: false, dtype: ScalarType.BFloat16, masters: false);
        with.Parameters.Initialize(config, 3);
        without.Parameters.Initialize(config, 3);
        Assert.Equal((ScalarType.Float32, ScalarType.BFloat16), (with.Parameters.Values.dtype, without.Parameters.Values.dtype));
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch(LoraCase.Sequences);
        var (expected, actual) = (with.Hidden(batch), without.Hidden(batch));
        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        Assert.True(expected.equal(actual));
        var scores = without.Scores(actual);
        Assert.Equal(ScalarType.Float32, scores.dtype);
        Assert.True(with.Scores(expected).sub(scores).abs().max().item<float>() < 0.05);
        // Only float32 weights can be sampled from on the CPU.
        Assert.Throws<InvalidOperationException>(() => without.DecoderWeights());
    }

    [Fact]
    public void A_frozen_model_is_saved_as_it_is()
    {
        var config = TestShapes.Of("llama-grouped");
        using var model = new Transformer(config, trainable: false, dtype: ScalarType.BFloat16, masters: false);
        model.Parameters.Initialize(config, 3);
        var folder = Directory.CreateTempSubdirectory("llmrl-test-");
        try
        {
            ModelFolder.Save(model, folder.FullName, null);
            using var back = ModelFolder.Load(folder.FullName, trainable: false);
            using var expected = model.Parameters.Values.to_type(ScalarType.Float32);
            Assert.Equal(expected.data<float>().ToArray(), back.Parameters.Values.data<float>().ToArray());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Adapters_are_trained_in_float32_beside_a_base_of_bfloat16()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 4, Alpha = 6, Dropout = 0.3 });
        using var model = new Transformer(test.Model.Config, trainable: false, dtype: ScalarType.BFloat16, masters: false);
        using var plain = LoraCase.Frozen(test.Plain);
        model.Parameters.CopyFrom(plain.Parameters);
        var adapters = new LoraAdapters(model.Config, test.Adapters.Options, dtype: ScalarType.BFloat16);
        adapters.Parameters.CopyFrom(test.Adapters.Parameters);
        (adapters.DropoutKey, model.UsesKernels, test.Model.UsesKernels) = (test.Adapters.DropoutKey, false, false);
        model.Attach(adapters);
        var r = test.Weights();
        using (NewDisposeScope())
        {
            using var batch = new TokenBatch(LoraCase.Sequences);
            var logits = model.Logits(model.Hidden(batch));
            (logits * tensor(r).view(logits.shape)).sum().backward();
        }

        var (expected, actual) = (test.Gradient(r), adapters.Parameters.Gradients!.data<float>().ToArray());
        Assert.Equal(ScalarType.Float32, adapters.Parameters.Values.dtype);
        var error = Math.Sqrt(expected.Zip(actual, (e, g) => Math.Pow(e - g, 2)).Sum() / expected.Sum(e => (double)e * e));
        // The base is rounded here, too, which it is not in what it is compared with.
        Assert.InRange(error, Rounding / 8, 2 * Passes);
    }

    [Fact]
    public void It_learns_and_leaves_no_tensor_behind()
    {
        var config = TestShapes.Of("llama-grouped");
        using var model = new Transformer(config, dtype: ScalarType.BFloat16) { GradientCheckpointing = true };
        model.Parameters.Initialize(config, 3);
        using var optimizer = new AdamW(model.Parameters, new AdamWOptions());
        var (rows, losses, alive) = (Rows(config.VocabSize), new List<double>(), 0L);
        for (var step = 0; step < 120; step++)
        {
            if (step == 5)
                alive = Tensor.TotalCount;
            losses.Add(OfflineLoop.Accumulate(Sft(), model, rows, train: true)["loss"]);
            optimizer.Step(3e-3);
        }

        Assert.Equal(alive, Tensor.TotalCount);
        Assert.InRange(losses[0], 4, 5.5);
        Assert.InRange(losses[^1], 0, 0.3);
    }

    [Fact]
    public void On_the_cpu_it_is_refused_for_the_kernels()
    {
        Assert.Equal(ScalarType.Float32, WeightTypes.Choose(WeightType.Auto, CPU));
        Assert.Equal(ScalarType.BFloat16, WeightTypes.Choose(WeightType.Auto, CUDA));
        Assert.Equal(ScalarType.Float32, WeightTypes.Choose(WeightType.Float32, CUDA));
        Assert.Equal(ScalarType.BFloat16, WeightTypes.Choose(WeightType.Bfloat16, CUDA));
        var message = Assert.Throws<BadInputException>(() => WeightTypes.Choose(WeightType.Bfloat16, CPU)).Message;
        Assert.Contains("CUDA", message);
        Assert.Contains("LLMRL_OPERATORS=1", message);
    }

    /// <summary>A model whose weights are numbers of bfloat16 in either type.</summary>
    private static Transformer Rounded(ModelConfig config, ScalarType dtype)
    {
        var model = new Transformer(config, dtype: dtype) { UsesKernels = false };
        model.Parameters.Initialize(config with { InitializerRange = 0.1 }, 3);
        using var guard = no_grad();
        using var rounded = model.Parameters.Values.to_type(ScalarType.BFloat16);
        model.Parameters.Values.copy_(rounded);
        return model;
    }

    private static Sft Sft() => new() { Name = "s", Steps = 1, Data = null! };

    private static List<EncodedExample> Rows(int vocabulary) => [.. Enumerable.Range(0, 6).Select(i =>
    {
        var random = new RandomStream(CounterRandom.Key(40, (ulong)i));
        int[] tokens = [.. Enumerable.Range(0, 5 + 7 * i).Select(_ => random.Next(0, vocabulary))];
        return new EncodedExample([tokens], 2, new Example { Prompt = "" });
    })];
}
