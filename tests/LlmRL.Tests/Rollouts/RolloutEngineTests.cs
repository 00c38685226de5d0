using LlmRL.Rollouts;
using LlmRL.Tests.Models;

namespace LlmRL.Tests.Rollouts;

public sealed class RolloutEngineTests
{
    private static readonly SampleKey Key = new(11, 3);

    [Theory]
    [InlineData("llama-grouped", 1.0)]
    [InlineData("gpt2", 0.7)]
    [InlineData("qwen2", 1.3)]
    public void RecordedLogProbsAreTheReferences(string shape, double temperature)
    {
        using var model = TestModel.Random(TestShapes.Of(shape), 0.1);
        using var engine = new RolloutEngine(model.Weights, 8);
        var prompts = Prompts(model, 4);
        var options = new SamplingOptions { Temperature = temperature, MaxNewTokens = 20, StopIds = [3, 4, 5, 6] };
        var reference = new ReferenceTransformer(model);
        foreach (var completion in engine.Generate(prompts, 3, options, Key))
        {
            int[] sequence = [.. prompts[completion.PromptIndex], .. completion.Tokens];
            var logits = reference.Logits(sequence);
            for (var i = 0; i < completion.Tokens.Length; i++)
            {
                var expected = ReferenceTransformer.LogSoftmax(logits[prompts[completion.PromptIndex].Length - 1 + i], temperature);
                Assert.Equal(expected[completion.Tokens[i]], completion.LogProbs[i], 5e-5);
            }

            Assert.Equal(completion.Finish == FinishReason.Stop, options.StopIds.Contains(completion.Tokens[^1]));
            Assert.DoesNotContain(completion.Tokens[..^1], token => options.StopIds.Contains(token));
            Assert.True(completion.Finish == FinishReason.Stop || completion.Tokens.Length == 20);
        }
    }

    // Two threads halve heads and features where the number of key/value heads is even; others share them out.
    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("gpt2")]
    [InlineData("gpt_neox")]
    [InlineData("gpt_neox-serial")]
    [InlineData("qwen3")]
    [InlineData("no-final-norm")]
    [InlineData("three heads")]
    public void CompletionsDoNotDependOnSlotsThreadsOrPlace(string shape)
    {
        var config = shape == "three heads" ? TestShapes.Of("gpt2") with { NumHeads = 3, NumKeyValueHeads = 3 } : TestShapes.Of(shape);
        Assert.Equal(shape != "three heads", config.NumKeyValueHeads % 2 == 0);
        using var model = TestModel.Random(config);
        var prompts = Prompts(model, 23);
        var options = new SamplingOptions { MaxNewTokens = 24, StopIds = [0, 1, 2], TopP = 0.95 };
        var keys = prompts.Select((_, i) => (ulong)(1000 + i)).ToArray();
        IReadOnlyList<Completion> Run(int slots, int threads, int[][] some, ulong[] someKeys)
        {
            using var engine = new RolloutEngine(model.Weights, slots, threads);
            return engine.Generate(some, 5, options, Key, promptKeys: someKeys);
        }

        var expected = Run(64, 2, prompts, keys);
        Assert.Equal(115, expected.Count);
        Assert.True(shape != "llama-grouped" || expected.Select(completion => completion.Finish).Distinct().Count() == 2);
        foreach (var (slots, threads) in new[] { (1, 1), (3, 2), (17, 3), (64, 5) })
            AssertSame(expected, Run(slots, threads, prompts, keys));
        var reversed = Run(7, 2, [.. prompts.Reverse()], [.. keys.Reverse()]);
        AssertSame(expected, [.. Enumerable.Range(0, 23).Reverse().SelectMany(p => reversed.Skip(p * 5).Take(5))], checkPrompt: false);
    }

    [Fact]
    public void SeedStepPromptAndSampleAllMatter()
    {
        using var model = TestModel.Random(TestShapes.Of("gpt2"), 0.05);
        using var engine = new RolloutEngine(model.Weights, 8);
        var options = new SamplingOptions { MaxNewTokens = 16 };
        int[][] same = [[5, 6], [5, 6]];
        var all = new[] { new SampleKey(1, 1), new SampleKey(1, 2), new SampleKey(2, 1) }
            .SelectMany(key => engine.Generate(same, 2, options, key)).Select(completion => string.Join(' ', completion.Tokens)).ToList();
        Assert.Equal(12, all.Distinct().Count());
    }

    [Fact]
    public void FinishedSamplesAreReportedOnceWhileOthersRun()
    {
        using var model = TestModel.Random(TestShapes.Of("llama-grouped"));
        using var engine = new RolloutEngine(model.Weights, 4);
        var reported = new List<Completion>();
        var options = new SamplingOptions { MaxNewTokens = 12, StopIds = [.. Enumerable.Range(0, 20)] };
        var results = engine.Generate(Prompts(model, 6), 4, options, Key, reported.Add);
        Assert.Equal([.. results.OrderBy(r => (r.PromptIndex, r.SampleIndex))], results);
        Assert.Equal(results.Count, reported.Count);
        Assert.Equal(results.ToHashSet(), reported.ToHashSet());
        Assert.NotEqual(results, reported);
    }

    [Fact]
    public void NoManagedMemoryPerToken()
    {
        using var model = TestModel.Random(TestShapes.Of("gpt2"), 0.02);
        using var engine = new RolloutEngine(model.Weights, 4);
        var prompts = Prompts(model, 2, 10);
        long Allocated(int tokens)
        {
            var options = new SamplingOptions { MaxNewTokens = tokens, TopP = 0.9, RepetitionPenalty = 1.1, MinNewTokens = 2, StopIds = [1] };
            var before = GC.GetAllocatedBytesForCurrentThread();
            var results = engine.Generate(prompts, 4, options with { StopIds = [] }, Key);
            var after = GC.GetAllocatedBytesForCurrentThread();
            // Results, and the running samples' own arrays: a token and a log-probability each.
            return after - before - results.Count * tokens * 8L - 4 * tokens * 8L;
        }

        Allocated(80);
        Allocated(8);
        Assert.InRange(Allocated(80) - Allocated(8), -200, 200);
    }

    [Fact]
    public void PagesAreFreeAfterARunThatAnExceptionEnded()
    {
        using var model = TestModel.Random(TestShapes.Of("llama-grouped"));
        using var engine = new RolloutEngine(model.Weights, 4);
        var options = new SamplingOptions { MaxNewTokens = 30 };
        var expected = engine.Generate(Prompts(model, 5), 3, options, Key);
        Assert.Throws<ArithmeticException>(() => engine.Generate(Prompts(model, 5), 3, options, Key, _ => throw new ArithmeticException()));
        using var cancelled = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(
            () => engine.Generate(Prompts(model, 5), 3, options, Key, _ => cancelled.Cancel(), cancelled.Token));
        AssertSame(expected, engine.Generate(Prompts(model, 5), 3, options, Key));
    }

    [Fact]
    public unsafe void NonFiniteLogitsAreNamed()
    {
        using var model = TestModel.Random(TestShapes.Of("gpt2"));
        model["positions"][6 * model.Config.HiddenSize] = float.NaN;
        using var engine = new RolloutEngine(model.Weights);
        var exception = Assert.Throws<NonFiniteException>(
            () => engine.Generate([[1, 2], [1, 2, 3, 4]], 1, new SamplingOptions { MaxNewTokens = 5, Temperature = 0 }, Key));
        Assert.Contains("prompt 1, new token 3", exception.Message);
    }

    [Fact]
    public void BadInputNamesPromptValueAndRemedy()
    {
        using var model = TestModel.Random(TestShapes.Of("gpt2") with { MaxPositions = 96 });
        using var engine = new RolloutEngine(model.Weights);
        string Message(int[] prompt, SamplingOptions options) =>
            Assert.Throws<BadInputException>(() => engine.Generate([[1], prompt], 1, options, Key)).Message;
        Assert.Contains("Prompt 1 is empty", Message([], new SamplingOptions()));
        Assert.Contains("Prompt 1 has token id 77", Message([3, 77], new SamplingOptions()));
        Assert.Contains("Prompt 1 has 40 tokens, which with max_new_tokens 57 exceeds the model's 96", Message(new int[40], new() { MaxNewTokens = 57 }));
        Assert.Contains("top_p is 0", Message([1], new() { TopP = 0 }));
        Assert.Contains("temperature is -1", Message([1], new() { Temperature = -1 }));
        Assert.Contains("stop_ids is 99", Message([1], new() { StopIds = [99] }));
        Assert.Single(engine.Generate([new int[40]], 1, new() { MaxNewTokens = 56 }, Key));
    }

    private static int[][] Prompts(TestModel model, int count, int? length = null)
    {
        var random = new RandomStream(CounterRandom.Key(99));
        return [.. Enumerable.Range(0, count).Select(_ =>
            Enumerable.Range(0, length ?? random.Next(1, 40)).Select(_ => random.Next(0, model.Config.VocabSize)).ToArray())];
    }

    private static void AssertSame(IReadOnlyList<Completion> expected, IReadOnlyList<Completion> actual, bool checkPrompt = true)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (e, a) in expected.Zip(actual))
        {
            Assert.Equal(e.Tokens, a.Tokens);
            Assert.Equal(e.LogProbs, a.LogProbs);
            Assert.Equal((e.SampleIndex, e.Finish), (a.SampleIndex, a.Finish));
            if (checkPrompt)
                Assert.Equal(e.PromptIndex, a.PromptIndex);
        }
    }
}
