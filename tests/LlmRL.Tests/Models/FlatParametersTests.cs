using LlmRL.Models;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models;

[Collection(TensorCollection.Name)]
public class FlatParametersTests
{
    private static readonly ModelConfig Config = TestShapes.Of("gpt2") with { TieWordEmbeddings = false, InitializerRange = 0.02, VocabSize = 500 };

    /// <summary>Means and variances of N draws lie within five standard errors of what the initialiser says.</summary>
    [Fact]
    public void FreshWeightsHaveTheDistributionTheySay()
    {
        using var model = Tiny.Model(Config, seed: 42);
        foreach (var spec in model.Parameters.Specs)
        {
            var values = Values(model, spec.Name);
            if (spec.Init is ParameterInit.One or ParameterInit.Zero)
            {
                Assert.All(values, value => Assert.Equal(spec.Init == ParameterInit.One ? 1 : 0, value));
                continue;
            }

            var std = spec.Init == ParameterInit.Normal ? 0.02 : 0.02 / Math.Sqrt(2 * Config.NumLayers);
            var mean = values.Average(x => (double)x);
            Assert.True(Math.Abs(mean) < 5 * std / Math.Sqrt(values.Length), $"{spec.Name}: mean {mean}");
            var variance = values.Average(x => (double)x * x) / (std * std);
            Assert.True(Math.Abs(variance - 1) < 5 * Math.Sqrt(2.0 / values.Length), $"{spec.Name}: variance is {variance} of what it should be");
            // A normal distribution's fourth moment: no uniform one, no repeated draws.
            var fourth = values.Average(x => Math.Pow(x / std, 4));
            Assert.True(Math.Abs(fourth - 3) < 5 * Math.Sqrt(96.0 / values.Length), $"{spec.Name}: fourth moment {fourth}");
        }
    }

    [Fact]
    public void AScalarHeadHasVarianceOneOverWidthPlusOne()
    {
        var squares = Enumerable.Range(0, 40).Select(seed =>
        {
            using var model = Tiny.Model(Config, scalarHead: true, seed: (ulong)seed);
            return Values(model, ParameterLayout.ScoreName).Sum(x => (double)x * x);
        });
        Assert.Equal(Config.HiddenSize / (Config.HiddenSize + 1.0), squares.Average(), 5 * Math.Sqrt(2.0 / (40 * Config.HiddenSize)));
    }

    [Fact]
    public void ParametersDrawFromStreamsOfTheirOwn()
    {
        using var model = Tiny.Model(Config, seed: 1);
        using var again = Tiny.Model(Config, seed: 1);
        using var deeper = Tiny.Model(Config with { NumLayers = Config.NumLayers + 1 }, seed: 1);
        using var other = Tiny.Model(Config, seed: 2);
        Assert.Equal(Values(model, "layers.0.qkv"), Values(again, "layers.0.qkv"));
        Assert.Equal(Values(model, "layers.0.qkv"), Values(deeper, "layers.0.qkv"));
        Assert.Equal(Values(model, "head"), Values(deeper, "head"));
        foreach (var values in new[] { Values(other, "layers.0.qkv"), Values(model, "layers.1.qkv") })
        {
            var first = Values(model, "layers.0.qkv");
            var correlation = first.Zip(values, (a, b) => (double)a * b).Average() / (0.02 * 0.02);
            Assert.InRange(correlation, -5 / Math.Sqrt(first.Length), 5 / Math.Sqrt(first.Length));
        }
    }

    [Fact]
    public void ViewsShareTheFlatBuffers()
    {
        using var model = Tiny.Model();
        using var copy = Tiny.Model(seed: 9);
        copy.Parameters.CopyFrom(model.Parameters);
        foreach (var (spec, offset) in model.Parameters.Specs.Zip(model.Parameters.Offsets))
            Assert.Equal(Values(model, spec.Name), copy.Parameters.Values.data<float>().ToArray()[(int)offset..(int)(offset + spec.Elements)]);
        Assert.Equal(model.Parameters.Specs.Sum(spec => spec.Elements), model.Parameters.Count);
    }

    private static float[] Values(Transformer model, string name) => model.Parameters[name].detach().data<float>().ToArray();
}
