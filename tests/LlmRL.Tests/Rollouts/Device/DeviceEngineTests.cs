using LlmRL.Gpu;
using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Rollouts;
using LlmRL.Rollouts.Device;
using LlmRL.Tests.Models;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Rollouts.Device;

/// <summary>Decoding in tensor operators, as on a GPU, against the CPU's fused decoder with the same weights.</summary>
[Collection(TensorCollection.Name)]
public sealed class DeviceEngineTests
{
    private const double Tolerance = 1e-4;
    private static readonly SampleKey Key = new(11, 3);

    static DeviceEngineTests() => Startup.Prepare();

    public static TheoryData<string> Shapes =>
    [
        "llama-grouped", "gpt2", "exact-gelu", "qwen2", "qwen2-window", "mistral", "qwen3", "qwen3-window", "gpt_neox", "gpt_neox-serial", "head-bias", "no-final-norm",
        "linear", "llama3", "yarn", "dynamic",
    ];

    public static TheoryData<string> OptionNames => [.. Options.Keys];

    private static Dictionary<string, SamplingOptions> Options { get; } = new()
    {
        ["temperature"] = new() { Temperature = 0.7 },
        ["hot"] = new() { Temperature = 1.6 },
        ["greedy"] = new() { Temperature = 0 },
        ["top-k"] = new() { TopK = 5 },
        ["top-k beyond the vocabulary"] = new() { TopK = 1000 },
        ["top-p"] = new() { TopP = 0.8 },
        ["small top-p"] = new() { TopP = 1e-3 },
        ["min-p"] = new() { MinP = 0.1 },
        ["all three"] = new() { TopK = 20, TopP = 0.9, MinP = 0.02, Temperature = 1.2 },
        ["repetition penalty"] = new() { RepetitionPenalty = 1.4 },
        ["rewarded repetition"] = new() { RepetitionPenalty = 0.7, Temperature = 0 },
        ["stop ids"] = new() { StopIds = [1, 5, 9, 12, 40, 41, 42] },
        ["minimum length"] = new() { StopIds = [.. Enumerable.Range(0, 30)], MinNewTokens = 6 },
        ["minimum length and penalty"] = new() { StopIds = [.. Enumerable.Range(0, 30)], MinNewTokens = 6, RepetitionPenalty = 1.3, TopP = 0.9 },
        ["one token"] = new() { MaxNewTokens = 1 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_architecture_samples_the_tokens_of_the_cpus_decoder(string shape)
    {
        using var model = Model(TestShapes.Of(shape));
        Same(model, new SamplingOptions { MaxNewTokens = 21 }, Prompts(model, 7));
    }

    [Theory]
    [MemberData(nameof(OptionNames))]
    public void Every_option_means_the_same(string name)
    {
        using var model = Model(TestShapes.Of("qwen3-window"));
        var options = Options[name];
        var found = Same(model, options.MaxNewTokens == 1 ? options : options with { MaxNewTokens = 19 }, Prompts(model, 9));
        if (options.StopIds.Count > 0)
            Assert.Contains(found, completion => completion.Finish == FinishReason.Stop);
    }

    [Fact]
    public void Ties_go_to_the_lower_id()
    {
        // All logits alike but for a bias that makes the upper half of the ids impossible: whatever is sampled is decided by ties.
        using var model = Model(TestShapes.Of("head-bias"));
        using (no_grad())
        {
            model.Parameters["head"].zero_();
            model.Parameters["head_bias"].zero_();
            model.Parameters["head_bias"].narrow(0, 40, model.Config.VocabSize - 40).fill_(-50f);
        }

        int[][] prompts = [[3, 4], [5]];
        foreach (var options in new SamplingOptions[] { new() { TopK = 7 }, new() { TopP = 0.3 }, new() { TopK = 9, TopP = 0.5 }, new() { Temperature = 0 }, new() { MinP = 0.5 } })
        {
            var found = Same(model, options with { MaxNewTokens = 8 }, prompts);
            var largest = options switch { { Temperature: 0 } => 0, { TopK: > 0, TopP: < 1 } => 4, { TopK: > 0 } => 6, { TopP: < 1 } => 11, _ => 39 };
            Assert.All(found.SelectMany(completion => completion.Tokens), token => Assert.InRange(token, 0, largest));
        }
    }

    [Fact]
    public void Completions_do_not_depend_on_slots_or_place()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        var prompts = Prompts(model, 11);
        var options = new SamplingOptions { MaxNewTokens = 20, StopIds = [.. Enumerable.Range(0, 6)], TopP = 0.95 };
        var keys = prompts.Select((_, i) => (ulong)(1000 + i)).ToArray();
        var expected = Device(model, options, prompts, keys, slots: 64, samples: 5);
        Assert.Contains(expected, completion => completion.Finish == FinishReason.Stop);
        Assert.Contains(expected, completion => completion.Finish == FinishReason.Length);
        foreach (var slots in new[] { 1, 3, 17 })
            AssertClose(model, prompts, options, expected, Device(model, options, prompts, keys, slots, samples: 5), keys);
        var reversed = Device(model, options, [.. prompts.Reverse()], [.. keys.Reverse()], slots: 7, samples: 5);
        AssertClose(model, prompts, options, expected, [.. Enumerable.Range(0, 11).SelectMany(p => reversed.Skip((10 - p) * 5).Take(5).Select(completion => completion with { PromptIndex = p }))], keys);
    }

    [Fact]
    public void One_engine_serves_other_options_lengths_and_counts()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        using var device = new DeviceRolloutEngine(model);
        using var cpu = new RolloutEngine(model.DecoderWeights());
        foreach (var (count, length, options) in new (int, int, SamplingOptions)[]
        {
            (3, 10, new() { MaxNewTokens = 12 }), (3, 10, new() { MaxNewTokens = 12 }), (9, 60, new() { MaxNewTokens = 130 }), (2, 5, new() { MaxNewTokens = 9, RepetitionPenalty = 1.2 }),
            (2, 5, new() { MaxNewTokens = 9, StopIds = [1, 2, 3] }), (2, 5, new() { MaxNewTokens = 9, StopIds = [4, 5, 6] }),
        })
        {
            var prompts = Prompts(model, count, length);
            AssertClose(model, prompts, options, cpu.Generate(prompts, 2, options, Key), device.Generate(prompts, 2, options, Key));
        }
    }

    [Fact]
    public void Long_prompts_are_run_in_several_passes()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        var options = new SamplingOptions { MaxNewTokens = 6 };
        int[][] prompts = [.. Enumerable.Range(0, 29).Select(i => Prompts(model, 2, 150 + 3 * i)[i % 2])];
        Assert.True(prompts.Sum(prompt => prompt.Length) > 4096, "one pass takes all: the test shows nothing");
        using var cpu = new RolloutEngine(model.DecoderWeights());
        using var device = new DeviceRolloutEngine(model);
        AssertClose(model, prompts, options, cpu.Generate(prompts, 2, options, Key), device.Generate(prompts, 2, options, Key));
    }

    [Theory]
    [InlineData(1, 128)]
    [InlineData(128, 128)]
    [InlineData(129, 192)]
    [InlineData(193, 256)]
    [InlineData(257, 384)]
    [InlineData(1025, 1536)]
    [InlineData(1537, 2048)]
    public void The_cache_is_read_in_few_lengths(int positions, int expected) => Assert.Equal(expected, LengthBuckets.Of(positions));

    [Fact]
    public void Weights_are_read_where_training_writes_them()
    {
        using var model = Model(TestShapes.Of("gpt2"));
        using var device = new DeviceRolloutEngine(model);
        var prompts = Prompts(model, 3);
        var options = new SamplingOptions { MaxNewTokens = 12 };
        var before = device.Generate(prompts, 2, options, Key);
        model.Parameters.Initialize(model.Config with { InitializerRange = 0.3 }, 77);
        var after = device.Generate(prompts, 2, options, Key);
        using var cpu = new RolloutEngine(model.DecoderWeights());
        AssertClose(model, prompts, options, cpu.Generate(prompts, 2, options, Key), after);
        Assert.NotEqual(before[0].Tokens, after[0].Tokens);
    }

    [Theory]
    [InlineData("llama-grouped", 1.0)]
    [InlineData("gpt_neox", 0.8)]
    public void Recorded_log_probs_are_trainings(string shape, double temperature)
    {
        using var model = Model(TestShapes.Of(shape));
        model.UsesKernels = false;
        var prompts = Prompts(model, 4);
        using var device = new DeviceRolloutEngine(model, maxSlots: 5);
        foreach (var completion in device.Generate(prompts, 3, new SamplingOptions { MaxNewTokens = 30, Temperature = temperature, TopP = 0.9 }, Key))
        {
            var expected = Tiny.LogProbs(model, prompts[completion.PromptIndex], completion.Tokens, temperature);
            for (var t = 0; t < expected.Length; t++)
                Assert.Equal(expected[t], completion.LogProbs[t], Tolerance);
        }
    }

    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("gpt2")]
    [InlineData("qwen3-window")]
    public void Bfloat16_is_decoded_as_it_is_trained(string shape)
    {
        using var model = new Transformer(TestShapes.Of(shape) with { InitializerRange = 0.15 }, dtype: ScalarType.BFloat16);
        model.Parameters.Initialize(model.Config, 5);
        using var device = new DeviceRolloutEngine(model, maxSlots: 5);
        var prompts = Prompts(model, 4);
        Check();
        // The copy that passes read follows the float32 weights, and so does decoding.
        model.Parameters.Initialize(model.Config with { InitializerRange = 0.1 }, 6);
        Check();

        void Check()
        {
            var differences = new List<double>();
            foreach (var completion in device.Generate(prompts, 3, new SamplingOptions { MaxNewTokens = 30 }, Key))
                differences.AddRange(Tiny.LogProbs(model, prompts[completion.PromptIndex], completion.Tokens, 1).Zip(completion.LogProbs, (e, a) => (double)Math.Abs(e - a)));
            // Eight bits: logits of size 4 are rounded to 1/64.
            Assert.InRange(differences.Average(), 0, 0.02);
            Assert.InRange(differences.Max(), 0, 0.2);
        }
    }

    [Fact]
    public void Finished_samples_are_reported_once_while_others_run()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        using var device = new DeviceRolloutEngine(model, maxSlots: 4);
        var reported = new List<Completion>();
        var options = new SamplingOptions { MaxNewTokens = 12, StopIds = [.. Enumerable.Range(0, 20)] };
        var results = device.Generate(Prompts(model, 6), 4, options, Key, reported.Add);
        Assert.Equal([.. results.OrderBy(r => (r.PromptIndex, r.SampleIndex))], results);
        Assert.Equal(results.ToHashSet(), reported.ToHashSet());
        Assert.Equal(results.Count, reported.Count);
        Assert.NotEqual(results, reported);
    }

    [Fact]
    public void An_engine_goes_on_after_a_run_that_an_exception_ended()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        using var device = new DeviceRolloutEngine(model, maxSlots: 4);
        var (prompts, options) = (Prompts(model, 5), new SamplingOptions { MaxNewTokens = 30, StopIds = [1, 2, 3] });
        var expected = device.Generate(prompts, 3, options, Key);
        Assert.Throws<ArithmeticException>(() => device.Generate(prompts, 3, options, Key, _ => throw new ArithmeticException()));
        using var cancelled = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => device.Generate(prompts, 3, options, Key, _ => cancelled.Cancel(), cancelled.Token));
        using (no_grad())
        using (var kept = model.Parameters.Values.clone())
        {
            model.Parameters["norm"].fill_(float.NaN);
            Assert.Throws<NonFiniteException>(() => device.Generate(prompts, 3, options, Key));
            model.Parameters.Values.copy_(kept);
        }

        AssertClose(model, prompts, options, expected, device.Generate(prompts, 3, options, Key));
    }

    [Fact]
    public void Where_memory_runs_out_half_the_slots_go_on()
    {
        using var model = Model(TestShapes.Of("llama-grouped"));
        var (prompts, options, warnings, reported) = (Prompts(model, 5), new SamplingOptions { MaxNewTokens = 30, StopIds = [1, 2, 3, 4, 5] }, new List<string>(), new List<Completion>());
        using var other = new DeviceRolloutEngine(model);
        using var device = new DeviceRolloutEngine(model, warn: warnings.Add, maxSlots: 8);
        var results = device.Generate(prompts, 3, options, Key, completion =>
        {
            if (reported.Count == 3 && warnings.Count == 0)
                throw new System.Runtime.InteropServices.ExternalException("aten::linear: CUDA out of memory. Tried to allocate 2.00 GiB");
            reported.Add(completion);
        });
        Assert.Equal(["out of memory with 8 completions at once; going on with 4"], warnings);
        Assert.Equal(15, reported.Count);
        Assert.Equal(results.ToHashSet(), reported.ToHashSet());
        AssertClose(model, prompts, options, other.Generate(prompts, 3, options, Key), results);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Logits_that_are_not_finite_are_named(float value)
    {
        using var model = Model(TestShapes.Of("gpt2"));
        using (no_grad())
            model.Parameters["positions"][6, 0].fill_(value);
        using var device = new DeviceRolloutEngine(model);
        var fault = Assert.Throws<NonFiniteException>(() => device.Generate([[1, 2], [1, 2, 3, 4]], 1, new SamplingOptions { MaxNewTokens = 5, Temperature = 0 }, Key));
        Assert.Contains("prompt 1, new token 3", fault.Message);
    }

    [Fact]
    public void Bad_input_is_refused_in_the_same_words()
    {
        using var model = Model(TestShapes.Of("gpt2") with { MaxPositions = 96 });
        using var device = new DeviceRolloutEngine(model);
        using var cpu = new RolloutEngine(model.DecoderWeights());
        foreach (var (prompt, options) in new (int[], SamplingOptions)[] { ([], new()), ([3, 77], new()), (new int[40], new() { MaxNewTokens = 57 }), ([1], new() { TopP = 0 }), ([1], new() { StopIds = [99] }) })
        {
            string Message(IRolloutEngine engine) => Assert.Throws<BadInputException>(() => engine.Generate([[1], prompt], 1, options, Key)).Message;
            Assert.Equal(Message(cpu), Message(device));
        }

        // As long as the model's positions allow.
        Assert.Single(device.Generate([new int[40]], 1, new() { MaxNewTokens = 56 }, Key));
    }

    [Fact]
    public void No_tensor_is_left_over()
    {
        using var model = Model(TestShapes.Of("qwen3-window"));
        long Left()
        {
            using (var device = new DeviceRolloutEngine(model, maxSlots: 3))
            {
                foreach (var options in Options.Values)
                    device.Generate(Prompts(model, 2), 2, options with { MaxNewTokens = 9 }, Key);
            }

            return Tensor.TotalCount;
        }

        Assert.Equal(Left(), Left());
    }

    private static Transformer Model(ModelConfig config)
    {
        var model = new Transformer(config with { InitializerRange = 0.15 }, trainable: false);
        model.Parameters.Initialize(model.Config, 5);
        return model;
    }

    private static int[][] Prompts(Transformer model, int count, int? length = null)
    {
        var random = new RandomStream(CounterRandom.Key(99));
        return [.. Enumerable.Range(0, count).Select(i =>
            Enumerable.Range(0, length ?? (i == 0 ? 1 : random.Next(1, 40))).Select(_ => random.Next(0, model.Config.VocabSize)).ToArray())];
    }

    private static IReadOnlyList<Completion> Device(Transformer model, SamplingOptions options, int[][] prompts, ulong[] keys, int slots, int samples)
    {
        using var engine = new DeviceRolloutEngine(model, maxSlots: slots);
        return engine.Generate(prompts, samples, options, Key, promptKeys: keys);
    }

    private static IReadOnlyList<Completion> Same(Transformer model, SamplingOptions options, int[][] prompts)
    {
        using var cpu = new RolloutEngine(model.DecoderWeights());
        using var device = new DeviceRolloutEngine(model, maxSlots: 6);
        var found = device.Generate(prompts, 3, options, Key);
        AssertClose(model, prompts, options, cpu.Generate(prompts, 3, options, Key), found);
        return found;
    }

    /// <summary>The same tokens, but where rounding decides, which it does in one completion of thousands of tokens; and log-probabilities within the tolerance.</summary>
    private static void AssertClose(
        Transformer model, int[][] prompts, SamplingOptions options, IReadOnlyList<Completion> expected, IReadOnlyList<Completion> actual, ulong[]? keys = null)
    {
        var comparison = new CompletionComparison(model, prompts, options, Key, keys);
        Assert.Empty(comparison.Compare(expected, actual));
        Assert.InRange(comparison.LogProbDifference, 0, Tolerance);
        Assert.InRange(comparison.Parted, 0, 1 + expected.Count / 50);
    }
}
