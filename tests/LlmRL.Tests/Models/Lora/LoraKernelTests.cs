using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Rollouts;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models.Lora;

/// <summary>Adapters in the CPU's passes: against the definition in double precision, against autograd, and merged.</summary>
[Collection(TensorCollection.Name)]
public class LoraKernelTests
{
    public static TheoryData<string> Shapes() => [.. LoraCase.Shapes];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_gradient_is_the_slope_of_the_definition(string shape)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 3, Alpha = 5 });
        int[][] sequences = [LoraCase.Sequences[0], LoraCase.Sequences[2]];
        var (r, at) = (test.Weights(sequences), LoraCase.Values(test.Adapters.Parameters));
        var gradient = test.Gradient(r, sequences);
        var random = new RandomStream(CounterRandom.Key(23));
        // All adapters, then those of one parameter each, so that a small one's error does not hide behind a large one.
        foreach (var range in Ranges(test.Adapters.Parameters))
        {
            var direction = new double[at.Length];
            for (var i = range.Start.Value; i < range.End.Value; i++)
                direction[i] = random.NextNormal();
            var length = Math.Sqrt(direction.Sum(x => x * x));
            var expected = (Value(1) - Value(-1)) / (2 * Step);
            var actual = gradient.Zip(direction, (g, d) => g * d / length).Sum();
            Assert.True(Math.Abs(expected - actual) <= 2e-3 * Math.Max(1, Math.Abs(expected)), $"{range}: the slope is {expected}, the gradient says {actual}");

            double Value(int sign)
            {
                using var merged = test.Merged([.. at.Zip(direction, (x, d) => (float)(x + sign * Step * d / length))]);
                var reference = new ReferenceTransformer(merged);
                return sequences.SelectMany(sequence => reference.Logits(sequence).SelectMany(row => row)).Zip(r, (x, w) => x * w).Sum();
            }
        }
    }

    private const double Step = 0.01;

    private static IEnumerable<Range> Ranges(FlatParameters parameters)
    {
        yield return 0..(int)parameters.Count;
        var last = parameters.Specs.Count;
        // Of the first and the last block: A and B of each weight.
        foreach (var i in Enumerable.Range(0, 8).Concat(Enumerable.Range(last - 2, 2)).Where(i => i < last))
            yield return (int)parameters.Offsets[i]..(int)(parameters.Offsets[i] + parameters.Specs[i].Elements);
    }

    [Theory]
    [InlineData("llama-grouped", "all-linear", 0)]
    [InlineData("llama-grouped", "all-linear", 0.3)]
    [InlineData("llama-grouped", "q_proj v_proj up_proj", 0.3)]
    [InlineData("llama-grouped", "down_proj layers.1.self_attn.k_proj", 0)]
    [InlineData("qwen3", "k_proj o_proj gate_proj", 0.5)]
    [InlineData("gpt2", "all-linear", 0.2)]
    [InlineData("gpt2", "attn.c_proj", 0.2)]
    [InlineData("gpt_neox", "all-linear", 0.3)]
    [InlineData("gpt_neox", "dense_h_to_4h", 0)]
    public void The_passes_are_the_tensor_ones(string shape, string targets, double dropout)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 4, Alpha = 6, Dropout = dropout, TargetModules = targets.Split(' '), UseRslora = true });
        Assert.True(test.Model.UsesKernels, "this machine has no kernels: the test shows nothing");
        var r = test.Weights();
        var (actual, logits) = (test.Gradient(r), LoraCase.Logits(test.Model));
        test.Model.UsesKernels = false;
        var (expected, expectedLogits) = (test.Gradient(r), LoraCase.Logits(test.Model));
        Tiny.AssertClose(expectedLogits, logits, 1e-5);
        foreach (var (spec, offset) in test.Adapters.Parameters.Specs.Zip(test.Adapters.Parameters.Offsets))
            Tiny.AssertClose(expected[(int)offset..(int)(offset + spec.Elements)], actual[(int)offset..(int)(offset + spec.Elements)], 5e-5);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Merged_weights_give_the_same_logits(string shape)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 5, Alpha = 4 });
        using var plain = LoraCase.Frozen(test.Plain);
        var (adapted, untouched) = (LoraCase.Logits(test.Model), LoraCase.Logits(plain));
        test.Adapters.MergeInto(plain.Parameters);
        var merged = LoraCase.Logits(plain);
        Tiny.AssertClose(adapted, merged, 1e-5);
        Assert.True(adapted.Zip(untouched, (a, b) => Math.Abs(a - b)).Max() > 0.1, "the adapters change nothing: the test shows nothing");
        using var definition = test.Merged(LoraCase.Values(test.Adapters.Parameters));
        var reference = new ReferenceTransformer(definition);
        Tiny.AssertClose([.. LoraCase.Sequences.SelectMany(sequence => reference.Logits(sequence).SelectMany(row => row.Select(x => (float)x)))], merged, 1e-4);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Fresh_adapters_change_nothing_and_without_them_the_model_is_the_base(string shape)
    {
        using var test = new LoraCase(shape, new LoraOptions { Dropout = 0.4 }, random: false);
        using var plain = LoraCase.Frozen(test.Plain);
        var expected = LoraCase.Logits(plain);
        Assert.Equal(expected, LoraCase.Logits(test.Model));
        LoraCase.Shake(test.Adapters, 2);
        Assert.NotEqual(expected, LoraCase.Logits(test.Model));
        using (test.Model.WithoutAdapters())
        {
            Assert.False(test.Model.IsTrainable);
            Assert.Equal(expected, LoraCase.Logits(test.Model));
        }

        Assert.True(test.Model.IsTrainable);
    }

    [Fact]
    public void A_starts_uniform_as_in_pytorch_and_b_at_zero()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 64 }, random: false);
        foreach (var linear in test.Adapters.Linears)
        {
            Assert.All(test.Adapters.Parameters[linear.B].detach().contiguous().data<float>().ToArray(), value => Assert.Equal(0, value));
            var (values, bound) = (test.Adapters.Parameters[linear.A].detach().contiguous().data<float>().ToArray(), 1 / Math.Sqrt(linear.Inputs));
            Assert.All(values, value => Assert.InRange(value, -bound, bound));
            Assert.InRange(values.Average(value => (double)value * value) / (bound * bound / 3), 0.93, 1.07);
        }
    }

    [Fact]
    public void Only_adapters_and_head_have_gradients_and_only_they_are_trained()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 }, random: false, scalarHead: true);
        var before = LoraCase.Values(test.Model.Parameters);
        Assert.Null(test.Model.Parameters.Gradients);
        Assert.Equal(test.Model.Parameters["score"].data<float>().ToArray(), test.Adapters.Parameters["score"].detach().contiguous().data<float>().ToArray());
        using (NewDisposeScope())
        {
            using var batch = new TokenBatch(LoraCase.Sequences);
            test.Model.Scores(test.Model.Hidden(batch)).sum().backward();
        }

        var score = test.Adapters.Parameters.Gradient("score");
        Assert.True(score.abs().max().item<float>() > 0.1);
        using var optimizer = new LlmRL.Training.AdamW(test.Model.TrainedParameters, new LlmRL.Training.AdamWOptions());
        var started = LoraCase.Values(test.Adapters.Parameters);
        optimizer.Step(0.1);
        Assert.Equal(before, LoraCase.Values(test.Model.Parameters));
        Assert.NotEqual(started, LoraCase.Values(test.Adapters.Parameters));
    }

    [Theory]
    [InlineData("llama-grouped", "c_attn", "gate_proj")]
    [InlineData("gpt2", "q_proj", "c_attn, c_proj, c_fc")]
    [InlineData("gpt_neox", "lm_head", "query_key_value, dense, dense_h_to_4h, dense_4h_to_h")]
    public void Targets_are_those_of_the_architecture(string shape, string target, string known)
    {
        var message = Assert.Throws<BadInputException>(() => new LoraAdapters(TestShapes.Of(shape), new LoraOptions { TargetModules = [target] })).Message;
        Assert.Contains($"'{target}'", message);
        Assert.Contains(known, message);
    }
}
