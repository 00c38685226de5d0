using System.Text.Json;
using LlmRL.Models;
using LlmRL.Tests.Advantages;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>The optimizer and the schedules against PyTorch and transformers.</summary>
[Collection(TensorCollection.Name)]
public class AdamWTests
{
    /// <summary>PyTorch decays every parameter it is given; so that ours decays b, too, b is a matrix of one row here.</summary>
    [SharedFact("fixtures/adamw.json")]
    public void StepsAreThoseOfPyTorch()
    {
        var file = Fixture.Read("adamw.json");
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
            Run(file, setting, vectorShape: [1, 4], step => step);
    }

    /// <summary>Biases and norms do not decay, as in Hugging Face's Trainer: their steps are those without weight decay.</summary>
    [SharedFact("fixtures/adamw.json")]
    public void VectorsDoNotDecay()
    {
        var file = Fixture.Read("adamw.json");
        var cases = file.GetProperty("cases").EnumerateArray().ToList();
        var decaying = cases.Where(setting => setting.GetProperty("weight_decay").GetDouble() > 0).ToList();
        Assert.NotEmpty(decaying);
        foreach (var setting in decaying)
        {
            var plain = cases.Single(other => other.GetProperty("weight_decay").GetDouble() == 0
                && other.GetProperty("max_grad_norm").ToString() == setting.GetProperty("max_grad_norm").ToString());
            Run(file, setting, vectorShape: [4], step => plain.GetProperty("steps")[step.Index]);
        }
    }

    [Fact]
    public void AGradientThatIsNotFiniteChangesNothing()
    {
        using var parameters = new FlatParameters([new ParameterSpec("w", [2, 3], ParameterInit.One, [])], CPU, trainable: true);
        using var optimizer = new AdamW(parameters, new AdamWOptions());
        using (no_grad())
            parameters.Gradients!.fill_(float.NaN);
        Assert.Throws<NonFiniteException>(() => optimizer.Step(0.1));
        Assert.Equal(0, optimizer.StepCount);
        Assert.All(parameters.Values.data<float>().ToArray().Concat(optimizer.Moment.data<float>().ToArray()), value => Assert.Equal(0, value));
    }

    /// <summary>A buffer longer than a chunk and no multiple of the vector width takes the steps that its elements would take alone.</summary>
    [Fact]
    public void EveryElementOfALongBufferIsUpdatedAlike()
    {
        const int length = (1 << 16) + 37;
        using var parameters = new FlatParameters([new ParameterSpec("w", [length, 1], ParameterInit.One, [])], CPU, trainable: true);
        using var optimizer = new AdamW(parameters, new AdamWOptions { MaxGradNorm = 0.5, WeightDecay = 0.1 });
        for (var step = 0; step < 3; step++)
        {
            using (no_grad())
                parameters.Gradients!.fill_(2 - step);
            Assert.Equal((2 - step) * Math.Sqrt(length), optimizer.Step(0.01), 1e-6 * Math.Sqrt(length));
        }

        var values = parameters.Values.data<float>().ToArray();
        Assert.NotEqual(0, values[0]);
        Assert.All(values, value => Assert.Equal(values[0], value, 1e-7));
    }

    [Fact]
    public void OperatorsTakeTheKernelsSteps() => AssertAsKernels(optimizer => optimizer.UsesFusedOperator = false, fused: false);

    [LibTorchFact("2.4")]
    public void SoDoesTheFusedOperator() => AssertAsKernels(optimizer => optimizer.UsesFusedOperator = true, fused: true);

    /// <summary>Steps with clipping, weight decay on matrices and parameters between them that do not decay.</summary>
    private static void AssertAsKernels(Action<AdamW> prepare, bool fused)
    {
        const double learningRate = 1e-2;
        var (expected, actual) = (Steps(kernels: true), Steps(kernels: false));
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-4 * learningRate));
        Assert.True(expected.Max(Math.Abs) > learningRate, "nothing moves: the test shows nothing");

        float[] Steps(bool kernels)
        {
            using var scope = NewDisposeScope();
            using var parameters = new FlatParameters(
                [new ParameterSpec("a", [7], ParameterInit.One, []), new ParameterSpec("b", [40, 3], ParameterInit.One, []), new ParameterSpec("c", [5, 11], ParameterInit.One, []), new ParameterSpec("d", [9], ParameterInit.One, [])],
                CPU, trainable: true);
            using var optimizer = new AdamW(parameters, new AdamWOptions { WeightDecay = 0.3, MaxGradNorm = 1 }) { UsesKernels = kernels };
            prepare(optimizer);
            Assert.Equal(fused, optimizer.UsesFusedOperator);
            var random = new RandomStream(CounterRandom.Key(5));
            float[] Normal(double scale) => [.. Enumerable.Range(0, (int)parameters.Count).Select(_ => (float)(scale * random.NextNormal()))];
            using var guard = no_grad();
            parameters.Values.copy_(tensor(Normal(1)));
            for (var step = 0; step < 6; step++)
            {
                // Clipped and not.
                parameters.Gradients!.copy_(tensor(Normal(step % 2 == 0 ? 1 : 0.01)));
                optimizer.Step(learningRate);
            }

            Assert.All(parameters.Gradients!.data<float>().ToArray(), gradient => Assert.Equal(0, gradient));
            return [.. parameters.Values.data<float>().ToArray(), .. optimizer.Moment.data<float>().ToArray(), .. optimizer.SquaredMoment.data<float>().ToArray()];
        }
    }

    [SharedFact("fixtures/adamw.json")]
    public void SchedulesAreThoseOfTransformers()
    {
        var schedules = Fixture.Read("adamw.json").GetProperty("schedules");
        var (warmup, total) = (schedules.GetProperty("num_warmup_steps").GetInt32(), schedules.GetProperty("num_training_steps").GetInt32());
        foreach (var (name, schedule, rising) in new[]
        {
            ("linear", LearningRateSchedule.Linear, warmup), ("cosine", LearningRateSchedule.Cosine, warmup),
            ("constant_with_warmup", LearningRateSchedule.Constant, warmup), ("constant", LearningRateSchedule.Constant, 0),
        })
        {
            // Past the last step a cosine would rise again; ours is only asked for the steps there are.
            var expected = Fixture.Numbers(schedules.GetProperty("lr_of_step").GetProperty(name));
            for (var step = 0; step < total; step++)
                Assert.Equal(expected[step], schedule.At(1, step, total, rising), 1e-8);
        }
    }

    private static void Run(JsonElement file, JsonElement setting, long[] vectorShape, Func<(int Index, JsonElement Own), object> expectedVector)
    {
        var inputs = file.GetProperty("inputs");
        using var scope = NewDisposeScope();
        using var parameters = new FlatParameters([new ParameterSpec("w", [3, 4], ParameterInit.One, []), new ParameterSpec("b", vectorShape, ParameterInit.One, [])], CPU, trainable: true);
        void Fill(Tensor target, JsonElement from)
        {
            using var guard = no_grad();
            target.copy_(tensor(Fixture.Floats([.. Fixture.Rows(from.GetProperty("w")).SelectMany(row => row), .. Fixture.Numbers(from.GetProperty("b"))])));
        }

        Fill(parameters.Values, inputs);
        var limit = setting.GetProperty("max_grad_norm");
        using var optimizer = new AdamW(parameters, new AdamWOptions
        {
            Beta1 = setting.GetProperty("betas")[0].GetDouble(),
            Beta2 = setting.GetProperty("betas")[1].GetDouble(),
            Epsilon = setting.GetProperty("eps").GetDouble(),
            WeightDecay = setting.GetProperty("weight_decay").GetDouble(),
            MaxGradNorm = limit.ValueKind == JsonValueKind.Null ? 0 : limit.GetDouble(),
        });
        foreach (var (expected, i) in setting.GetProperty("steps").EnumerateArray().Select((step, i) => (step, i)))
        {
            Fill(parameters.Gradients!, inputs.GetProperty("grads")[i]);
            Assert.Equal(expected.GetProperty("grad_norm").GetDouble(), optimizer.Step(setting.GetProperty("lr").GetDouble()), 1e-5);
            var vector = expectedVector((i, expected)) is JsonElement other ? other : expected;
            AssertEqual([.. Fixture.Rows(expected.GetProperty("w")).SelectMany(row => row)], parameters["w"]);
            AssertEqual(Fixture.Numbers(vector.GetProperty("b")), parameters["b"]);
        }
    }

    private static void AssertEqual(double[] expected, Tensor actual) =>
        Assert.All(expected.Zip(actual.detach().data<float>().ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
}
