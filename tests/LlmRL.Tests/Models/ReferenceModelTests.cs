using System.Text.Json;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Rollouts;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Forward passes, gradients and greedy decoding against what Hugging Face's transformers computed on the same weights.</summary>
[Collection(TensorCollection.Name)]
public class ReferenceModelTests
{
    private const double LogitTolerance = 1e-4;

    /// <summary>The models of which both numbers and weights are there, by the CPU's kernels and by tensor operations.</summary>
    public static TheoryData<string, bool> Names()
    {
        var names = new TheoryData<string, bool>();
        foreach (var name in new[] { "A", "A2", "B" }.Where(name => Directory.Exists(Shared.Path($"fixtures/models/{name}"))))
        {
            names.Add(name, true);
            names.Add(name, false);
        }

        return names;
    }

    [SharedTheory("fixtures/model_A.json")]
    [MemberData(nameof(Names))]
    public void LogitsAndLogProbsAreThoseOfTransformers(string name, bool kernels)
    {
        var file = Fixture.Read($"model_{name}.json");
        using var scope = NewDisposeScope();
        using var model = ModelFolder.Load(Shared.Path($"fixtures/models/{name}"));
        model.UsesKernels = kernels;
        var sequences = Sequences(file.GetProperty("input_ids"));
        using var guard = no_grad();
        using var batch = new TokenBatch(sequences);
        var hidden = model.Hidden(batch);
        var logits = model.Logits(hidden);
        AssertClose(Flat(file.GetProperty("logits_first8")), Floats(logits.narrow(1, 0, 8)), LogitTolerance);
        AssertClose(Flat(file.GetProperty("logsumexp")), Floats(logits.logsumexp(-1)), LogitTolerance);
        AssertClose(Flat(file.GetProperty("argmax")), Floats(logits.argmax(1).to_type(ScalarType.Float32)), 0);
        var rows = sequences.SelectMany((sequence, b) => Enumerable.Range(0, sequence.Length - 1).Select(t => batch.Row(b, t))).ToArray();
        using var scores = TokenScores.Compute(model, hidden.index_select(0, Indices(rows)), Indices([.. sequences.SelectMany(sequence => sequence[1..])]), 1, entropy: true, trainable: false);
        AssertClose(Flat(file.GetProperty("logp_next")), Floats(scores.LogProbs), LogitTolerance);
        var entropies = -(logits.log_softmax(-1) * logits.softmax(-1)).sum(-1L);
        AssertClose(Floats(entropies.index_select(0, Indices(rows))), Floats(scores.Entropies!), LogitTolerance);
    }

    [SharedTheory("fixtures/model_A.json")]
    [MemberData(nameof(Names))]
    public void GradientsOfTheLanguageModelLossAreThoseOfTransformers(string name, bool kernels)
    {
        var file = Fixture.Read($"model_{name}.json");
        using var model = ModelFolder.Load(Shared.Path($"fixtures/models/{name}"));
        model.UsesKernels = kernels;
        var sequences = Sequences(file.GetProperty("input_ids"));
        var loss = 0.0;
        var gradient = Tiny.Gradient(model, () =>
        {
            using var batch = new TokenBatch([.. sequences.Select(sequence => sequence[..^1])]);
            var hidden = model.Hidden(batch);
            using var scores = TokenScores.Compute(model, hidden.detach(), Indices([.. sequences.SelectMany(sequence => sequence[1..])]), 1, entropy: false, trainable: true);
            var mean = CrossEntropy.NegativeLogLikelihood(scores.LogProbs, batch.Count);
            loss = mean.item<float>();
            mean.backward();
            using var gradients = scores.Backward();
            hidden.backward([gradients]);
        });
        Assert.Equal(file.GetProperty("lm_loss_f64").GetDouble(), loss, 1e-5);
        Assert.Equal(1, Math.Sqrt(gradient.Sum(x => (double)x * x)) / file.GetProperty("total_grad_norm").GetDouble(), 1e-4);
        AssertPartsMatch(model, gradient, file.GetProperty("grads"));
    }

    [SharedTheory("fixtures/model_A.json")]
    [InlineData("A")]
    [InlineData("A2")]
    public void GreedyDecodingIsThatOfTransformers(string name)
    {
        var greedy = Fixture.Read($"model_{name}.json").GetProperty("greedy");
        using var model = ModelFolder.Load(Shared.Path($"fixtures/models/{name}"), trainable: false);
        Assert.Equal(Sequences(greedy.GetProperty("output"))[0], Greedy(model, Sequences(greedy.GetProperty("prompt"))[0], Sequences(greedy.GetProperty("output"))[0].Length));
    }

    /// <summary>Trained models: their distributions are peaked, so a wrong rotation or head mapping shows at once.</summary>
    [SharedTheory("data/weights/stories260K/hf")]
    [InlineData("stories260K")]
    [InlineData("babyllama105")]
    public void TrainedModelsTellTheStoriesTheyTellInTransformers(string name)
    {
        if (Shared.SkipUnless($"data/weights/{name}/hf") is not null)
            return;
        var folder = Shared.Path($"data/weights/{name}/hf");
        var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "reference.json"))).RootElement;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = ModelFolder.Load(folder, trainable: false);
        Assert.Equal(file.GetProperty("params").GetInt64(), model.Parameters.Count);
        var ids = Ints(file.GetProperty("input_ids"));
        using var batch = new TokenBatch([ids]);
        var hidden = model.Hidden(batch);
        var logits = model.Logits(hidden);
        AssertClose(Flat(file.GetProperty("logits_pos0")), Floats(logits[0]), LogitTolerance);
        AssertClose(Flat(file.GetProperty("logits_last")), Floats(logits[ids.Length - 1]), LogitTolerance);
        using var scores = TokenScores.Compute(model, hidden, Indices([.. ids[1..], 0]), 1, entropy: true, trainable: false);
        AssertClose(Flat(file.GetProperty("token_logprobs")), Floats(scores.LogProbs)[..^1], LogitTolerance);
        AssertClose(Flat(file.GetProperty("entropy")), Floats(scores.Entropies!), LogitTolerance);
        Assert.Equal(file.GetProperty("mean_ce_loss").GetDouble(), -Floats(scores.LogProbs)[..^1].Average(), 1e-5);
        var greedy = Ints(file.GetProperty("greedy_ids"));
        Assert.Equal(greedy, Greedy(model, greedy[..1], greedy.Length));
    }

    /// <summary>Two programs compute log π: decoding by hand-written kernels, training by tensors. At ratio 1 they must agree.</summary>
    [SharedTheory("fixtures/model_A.json")]
    [InlineData("fixtures/models/A2", 1.0)]
    [InlineData("fixtures/models/A2", 0.7)]
    [InlineData("data/weights/stories260K/hf", 1.0)]
    [InlineData("data/weights/babyllama105/hf", 1.3)]
    public void LogProbsAsSampledAreThoseOfTraining(string folder, double temperature)
    {
        if (Shared.SkipUnless(folder) is not null)
            return;
        using var model = ModelFolder.Load(Shared.Path(folder), trainable: false);
        using var engine = new RolloutEngine(model.DecoderWeights(), threads: 1);
        var completions = engine.Generate([[1, 7, 30], [1]], 4, new SamplingOptions { Temperature = temperature, MaxNewTokens = 40, StopIds = [2] }, new SampleKey(5, 0));
        foreach (var completion in completions)
        {
            var training = Tiny.LogProbs(model, completion.PromptIndex == 0 ? [1, 7, 30] : [1], completion.Tokens, temperature);
            AssertClose(Array.ConvertAll(training, x => (double)x), Array.ConvertAll(completion.LogProbs, x => (double)x), 1e-4);
        }
    }

    /// <summary>The architectures without a reference file, against the same network written out in double precision.</summary>
    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("qwen2")]
    [InlineData("gpt2")]
    [InlineData("gpt2", MlpKind.Gelu)]
    [InlineData("qwen2-window")]
    [InlineData("mistral")]
    [InlineData("qwen3")]
    [InlineData("qwen3-window")]
    [InlineData("gpt_neox")]
    [InlineData("gpt_neox-serial")]
    [InlineData("gpt_neox", MlpKind.GeluTanh)]
    [InlineData("head-bias")]
    [InlineData("no-final-norm")]
    [InlineData("linear")]
    [InlineData("llama3")]
    [InlineData("yarn")]
    [InlineData("dynamic")]
    public unsafe void EveryArchitectureIsWhatItSays(string shape, MlpKind? activation = null)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var config = TestShapes.Of(shape);
        using var plain = TestModel.Random(config with { Mlp = activation ?? config.Mlp });
        using var model = new Transformer(plain.Config, trainable: false);
        foreach (var spec in model.Parameters.Specs)
        {
            var values = new Span<float>(plain[PlainName(spec.Name)], (int)spec.Elements).ToArray();
            model.Parameters[spec.Name].copy_(tensor(values, spec.Shape));
        }

        // Longer than a window, and, with dynamic scaling, than the positions of training.
        var longest = config.RopeScaling?.Kind == RopeScalingKind.Dynamic ? config.MaxPositions + 22 : 40;
        int[][] sequences = [[5, 1, 70, 33, 2, 9, 9, 64, 12], [40], [7, 7, 3, 60], [.. Enumerable.Range(0, longest).Select(i => i * i % 71)]];
        using var batch = new TokenBatch(sequences);
        var logits = model.Logits(model.Hidden(batch));
        var reference = new ReferenceTransformer(plain);
        var expected = sequences.SelectMany(sequence => reference.Logits(sequence).SelectMany(row => row)).ToArray();
        AssertClose(expected, Floats(logits), 1e-4);
        model.UsesKernels = false;
        AssertClose(expected, Floats(model.Logits(model.Hidden(batch))), 1e-4);
    }

    internal static string PlainName(string name) => name switch
    {
        "embed" => "embedding",
        "norm_bias" => "norm.bias",
        "head_bias" => "head.bias",
        "positions" or "norm" or "head" => name,
        _ => (name.EndsWith("_bias", StringComparison.Ordinal) ? name["layers.".Length..^5] + ".bias" : name["layers.".Length..])
            .Replace("attention_norm", "norm1", StringComparison.Ordinal).Replace("mlp_norm", "norm2", StringComparison.Ordinal).Replace("output", "out", StringComparison.Ordinal),
    };

    private static int[] Greedy(Transformer model, int[] prompt, int length)
    {
        using var engine = new RolloutEngine(model.DecoderWeights(), threads: 1);
        var completion = engine.Generate([prompt], 1, new SamplingOptions { Temperature = 0, MaxNewTokens = length - prompt.Length }, new SampleKey(0, 0))[0];
        return [.. prompt, .. completion.Tokens];
    }

    /// <summary>Norm, sum and first entries of every parameter under its Hugging Face name.</summary>
    private static void AssertPartsMatch(Transformer model, float[] gradient, JsonElement expected)
    {
        var seen = 0;
        foreach (var (spec, offset) in model.Parameters.Specs.Zip(model.Parameters.Offsets))
        {
            var start = (int)offset;
            foreach (var part in spec.Parts)
            {
                var reference = expected.GetProperty(part.HuggingFaceName);
                var actual = gradient.AsSpan(start, (int)part.Elements).ToArray();
                start += actual.Length;
                seen++;
                var norm = reference.GetProperty("norm").GetDouble();
                Assert.Equal(norm, Math.Sqrt(actual.Sum(x => (double)x * x)), 1e-4 * norm);
                Assert.Equal(reference.GetProperty("sum").GetDouble(), actual.Sum(x => (double)x), 1e-5 * norm * Math.Sqrt(actual.Length));
                AssertClose(Flat(reference.GetProperty("first")), Array.ConvertAll(actual[..4], x => (double)x), 1e-4 * actual.Max(Math.Abs));
            }
        }

        Assert.Equal(expected.EnumerateObject().Count(), seen);
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"entry {i}: expected {expected[i]}, got {actual[i]}");
    }

    private static Tensor Indices(int[] values) => tensor(values.Select(value => (long)value).ToArray());

    private static double[] Floats(Tensor values) => Array.ConvertAll(values.detach().contiguous().data<float>().ToArray(), value => (double)value);

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    private static int[][] Sequences(JsonElement rows) => [.. rows.EnumerateArray().Select(Ints)];

    private static double[] Flat(JsonElement e) => e.ValueKind == JsonValueKind.Array ? [.. e.EnumerateArray().SelectMany(Flat)] : [Fixture.Number(e)];
}
