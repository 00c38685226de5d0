using LlmRL.Models;
using LlmRL.Models.Kernels;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>The CPU's fused kernels against the composition of ATen operators: two independent implementations of the same equations.</summary>
public sealed class KernelsTests
{
    private const double ForwardTolerance = 1e-6, GradientTolerance = 1e-5;

    public static TheoryData<string> Shapes => ["llama-grouped", "llama-registers", "llama-panels", "gpt2-panels", "qwen3-panels", "gpt_neox-panels", "gpt2", "exact-gelu", "qwen2", "qwen2-window", "mistral", "qwen3", "qwen3-window", "gpt_neox", "gpt_neox-serial", "no-final-norm", "yarn", "llama3"];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void HiddenStatesAndGradientsOfRaggedBatchesEqualAten(string shape)
    {
        using var model = Model(shape);
        // One token; around the attention's blocks of 64 queries; several blocks.
        using var batch = Batch(model.Config, 1, 37, 5, 64, 65, 130, 200, 1, 2);
        var expected = Run(model, batch, kernels: false);
        var actual = Run(model, batch, kernels: true);
        AssertClose(expected.Hidden, actual.Hidden, ForwardTolerance, "hidden");
        AssertGradients(model, expected.Gradients, actual.Gradients);
    }

    [Theory]
    [InlineData("llama-grouped", 1)]
    [InlineData("llama-grouped", 63, 63)]
    [InlineData("llama-panels", 1)]
    [InlineData("llama-panels", 1, 1, 1)]
    [InlineData("llama-panels", 250, 250, 17)]
    public void ChosenLengthsEqualAten(string shape, params int[] lengths)
    {
        using var model = Model(shape);
        using var batch = Batch(model.Config, lengths);
        var expected = Run(model, batch, kernels: false);
        var actual = Run(model, batch, kernels: true);
        AssertClose(expected.Hidden, actual.Hidden, ForwardTolerance, "hidden");
        AssertGradients(model, expected.Gradients, actual.Gradients);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt2-panels")]
    public void WithoutGradientsTheHiddenStatesAreTheSameBytes(string shape)
    {
        using var model = Model(shape);
        using var batch = Batch(model.Config, 70, 3, 140);
        using var kept = model.Hidden(batch);
        using var guard = no_grad();
        using var alone = model.Hidden(batch);
        Assert.True(kept.requires_grad);
        Assert.Equal(Values(kept), Values(alone));
    }

    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("llama-panels")]
    public void EveryRunGivesTheSameBytes(string shape)
    {
        using var model = Model(shape);
        using var batch = Batch(model.Config, [.. Enumerable.Range(0, 40).Select(i => 3 + i * 7 % 60)]);
        var first = Run(model, batch, kernels: true);
        for (var i = 0; i < 5; i++)
        {
            var again = Run(model, batch, kernels: true);
            Assert.Equal(first.Hidden, again.Hidden);
            Assert.Equal(first.Gradients, again.Gradients);
        }
    }

    [Fact]
    public void TwoForwardPassesMayAwaitTheirBackwardPasses()
    {
        using var model = Model("llama-grouped");
        using TokenBatch one = Batch(model.Config, 20, 30), two = Batch(model.Config, 50);
        var expected = Run(model, one, kernels: true).Gradients;
        var other = Run(model, two, kernels: true).Gradients;
        model.Parameters.ZeroGradients();
        using (NewDisposeScope())
        {
            var first = Loss(model.Hidden(one));
            var second = Loss(model.Hidden(two));
            second.backward();
            first.backward();
        }

        AssertClose([.. expected.Zip(other, (a, b) => a + b)], Values(model.Parameters.Gradients!), GradientTolerance, "sum");
    }

    [Fact]
    public void ForwardPassesWithoutABackwardPassDoNoHarm()
    {
        using var model = Model("llama-grouped");
        using var batch = Batch(model.Config, 20, 30);
        var expected = Run(model, batch, kernels: true).Gradients;
        for (var i = 0; i < 5; i++)
        {
            using (NewDisposeScope())
                model.Hidden(batch);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Assert.Equal(expected, Run(model, batch, kernels: true).Gradients);
        }
    }

    [Theory]
    [InlineData("llama-grouped", 1.0, true)]
    [InlineData("llama-grouped", 0.7, true)]
    [InlineData("gpt2", 1.3, false)]
    [InlineData("head-bias", 0.7, true)]
    public void TokenScoresEqualAten(string shape, double temperature, bool entropy)
    {
        using var model = Model(shape);
        var expected = Score(model, 700, temperature, entropy, kernels: false);
        var actual = Score(model, 700, temperature, entropy, kernels: true);
        AssertClose(expected.LogProbs, actual.LogProbs, ForwardTolerance, "log-probabilities");
        AssertClose(expected.Entropies, actual.Entropies, ForwardTolerance, "entropies");
        Assert.Equal(expected.Accuracy, actual.Accuracy, 1e-6);
        Assert.NotEqual(0, actual.Accuracy);
        AssertClose(expected.Hidden, actual.Hidden, GradientTolerance, "hidden gradient");
        AssertClose(expected.Head, actual.Head, GradientTolerance, "head gradient");
        Assert.Equal(model.Config.HeadBias, actual.HeadBias.Length > 0);
        AssertClose(expected.HeadBias, actual.HeadBias, GradientTolerance, "gradient of the head's bias");
    }

    [Fact]
    public void TokenScoresInSeveralChunksEqualAten()
    {
        // 400 rows of 50,000 logits exceed what is kept between forward and backward.
        using var model = new Transformer(TestShapes.Of("llama-grouped") with { VocabSize = 50_000, HiddenSize = 16, NumLayers = 1 });
        Fill(model);
        var expected = Score(model, 400, 1, entropy: true, kernels: false);
        var actual = Score(model, 400, 1, entropy: true, kernels: true);
        AssertClose(expected.LogProbs, actual.LogProbs, ForwardTolerance, "log-probabilities");
        AssertClose(expected.Hidden, actual.Hidden, GradientTolerance, "hidden gradient");
        AssertClose(expected.Head, actual.Head, GradientTolerance, "head gradient");
    }

    [Fact]
    public void AmongEqualLogitsTheFirstCounts()
    {
        using var model = new Transformer(TestShapes.Of("llama-grouped"));
        using var hidden = zeros([3, model.Config.HiddenSize]);
        using var targets = tensor(new long[] { 0, 1, 100 });
        using var scores = TokenScores.Compute(model, hidden, targets, 1, entropy: true, trainable: false, accuracy: true);
        Assert.Equal(1 / 3.0, scores.Accuracy, 1e-12);
        Assert.All(Values(scores.LogProbs), value => Assert.Equal(-Math.Log(model.Config.VocabSize), value, 1e-6));
        Assert.All(Values(scores.Entropies!), value => Assert.Equal(Math.Log(model.Config.VocabSize), value, 1e-6));
    }

    [Fact]
    public void TokensOutsideTheVocabularyAreRefused()
    {
        using var model = Model("llama-grouped");
        using var batch = new TokenBatch([[1, 101]]);
        Assert.Contains("101", Assert.Throws<ArgumentException>(() => model.Hidden(batch)).Message);
        using var hidden = zeros([1, model.Config.HiddenSize]);
        using var targets = tensor(new long[] { -1 });
        Assert.Throws<ArgumentException>(() => TokenScores.Compute(model, hidden, targets, 1, entropy: false, trainable: false));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(65)]
    [InlineData(2600)]
    [InlineData(100_000)]
    public void TilesCoverEveryRowOnce(int rows)
    {
        var tiles = new RowTiles(rows);
        var next = 0;
        for (var tile = 0; tile < tiles.Count; tile++)
        {
            Assert.Equal(next, tiles[tile].Start);
            Assert.InRange(tiles[tile].Rows, 1, tiles.Size);
            next += tiles[tile].Rows;
        }

        Assert.Equal(rows, next);
    }

    internal static Transformer Model(string shape)
    {
        var model = new Transformer(TestShapes.Of(shape));
        Fill(model);
        return model;
    }

    /// <summary>Normal weights, wide enough that attention is far from uniform; norms near 1.</summary>
    private static void Fill(Transformer model)
    {
        model.Parameters.Initialize(model.Config, 3);
        var random = new RandomStream(5);
        var noise = new float[model.Parameters.Count];
        for (var i = 0; i < noise.Length; i++)
            noise[i] = (float)(0.1 * random.NextNormal());
        using var guard = no_grad();
        using var added = tensor(noise);
        model.Parameters.Values.add_(added);
    }

    private static TokenBatch Batch(ModelConfig config, params int[] lengths)
    {
        var random = new RandomStream(11);
        return new TokenBatch([.. lengths.Select(length => Enumerable.Range(0, length).Select(_ => random.Next(0, config.VocabSize)).ToArray())]);
    }

    private static (float[] Hidden, float[] Gradients) Run(Transformer model, TokenBatch batch, bool kernels)
    {
        model.UsesKernels = kernels;
        Assert.Equal(kernels, model.UsesKernels);
        model.Parameters.ZeroGradients();
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(batch);
        Loss(hidden).backward();
        return (Values(hidden), Values(model.Parameters.Gradients!));
    }

    /// <summary>A weighted sum, so that every element has a gradient of its own.</summary>
    private static Tensor Loss(Tensor hidden) => (hidden * Waves(hidden.numel()).view(hidden.shape)).sum();

    private static Tensor Waves(long count) => tensor([.. Enumerable.Range(0, (int)count).Select(i => (float)Math.Sin(0.37 * i))]);

    private static (float[] LogProbs, float[] Entropies, double Accuracy, float[] Hidden, float[] Head, float[] HeadBias) Score(
        Transformer model, int rows, double temperature, bool entropy, bool kernels)
    {
        model.UsesKernels = kernels;
        model.Parameters.ZeroGradients();
        using var scope = NewDisposeScope();
        var random = new RandomStream(2);
        var hidden = tensor([.. Enumerable.Range(0, rows * model.Config.HiddenSize).Select(_ => (float)random.NextNormal())]).view(rows, model.Config.HiddenSize);
        var targets = tensor(Enumerable.Range(0, rows).Select(_ => (long)random.Next(0, model.Config.VocabSize)).ToArray());
        // Some targets are the most probable token, so that accuracy is no accident.
        using (no_grad())
            targets.narrow(0, 0, rows / 10).copy_(model.Logits(hidden.narrow(0, 0, rows / 10)).argmax(1));
        using var scores = TokenScores.Compute(model, hidden, targets, temperature, entropy, trainable: true, accuracy: true);
        var loss = (scores.LogProbs * Waves(rows)).sum();
        if (entropy)
            loss = loss + (scores.Entropies! * (Waves(rows) + 0.5)).sum();
        loss.backward();
        using var gradient = scores.Backward();
        return (Values(scores.LogProbs), entropy ? Values(scores.Entropies!) : [], scores.Accuracy, Values(gradient),
            Values(model.Parameters.Gradient(model.HeadName)), model.Config.HeadBias ? Values(model.Parameters.Gradient(Transformer.HeadBiasName)) : []);
    }

    private static float[] Values(Tensor x)
    {
        using var dense = x.detach().contiguous();
        return dense.data<float>().ToArray();
    }

    internal static void AssertGradients(Transformer model, float[] expected, float[] actual, double tolerance = GradientTolerance)
    {
        for (var i = 0; i < model.Parameters.Specs.Count; i++)
        {
            var (from, to) = ((int)model.Parameters.Offsets[i], (int)(model.Parameters.Offsets[i] + model.Parameters.Specs[i].Elements));
            AssertClose(expected[from..to], actual[from..to], tolerance, model.Parameters.Specs[i].Name);
        }
    }

    /// <summary>Largest difference, relative to the largest value of the tensor.</summary>
    internal static void AssertClose(float[] expected, float[] actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * scale, $"{what}[{i}]: {actual[i]}, ATen {expected[i]}, scale {scale}");
    }
}
