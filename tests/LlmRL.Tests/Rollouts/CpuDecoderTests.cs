using LlmRL.Models;
using LlmRL.Rollouts.Cpu;
using LlmRL.Tests.Models;

namespace LlmRL.Tests.Rollouts;

public sealed unsafe class CpuDecoderTests
{
    private const double LogitTolerance = 3e-5;

    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("gpt2")]
    [InlineData("exact-gelu")]
    [InlineData("qwen2")]
    [InlineData("qwen2-window")]
    [InlineData("mistral")]
    [InlineData("qwen3")]
    [InlineData("qwen3-window")]
    [InlineData("gpt_neox")]
    [InlineData("gpt_neox-serial")]
    [InlineData("head-bias")]
    [InlineData("no-final-norm")]
    [InlineData("linear")]
    [InlineData("llama3")]
    [InlineData("yarn")]
    [InlineData("dynamic")]
    public void PrefillAndStepsGiveTheReferenceLogits(string shape) => PrefillAndSteps(TestShapes.Of(shape), 2);

    // Pages keep four features or positions together and rows of 16: widths that are no multiple of these, heads alone and shared, and more threads than there are heads for.
    [Theory]
    [InlineData("gpt2", 10, 2, null)]
    [InlineData("gpt2", 70, 5, null)]
    [InlineData("gpt2", 64, 2, null)]
    [InlineData("gpt2", 128, 1, 13)]
    [InlineData("gpt_neox-serial", 6, 3, null)]
    [InlineData("llama-grouped", 10, 5, null)]
    [InlineData("llama-grouped", 64, 2, 13)]
    public void HeadsOfAnyWidthGiveTheReferenceLogits(string shape, int headDim, int threads, int? window) =>
        PrefillAndSteps(TestShapes.Of(shape) with { HeadDim = headDim, Window = window is { } size ? new AttentionWindow(size) : null }, threads);

    // A key or value that is not a number must not hide behind a weight of 0, or sampling would go on with wrong tokens.
    [Theory]
    [InlineData("gpt2", float.NaN, 1)]
    [InlineData("gpt2", float.NaN, 2)]
    [InlineData("llama-grouped", float.NaN, 2)]
    [InlineData("llama-grouped", float.PositiveInfinity, 5)]
    [InlineData("qwen3", float.PositiveInfinity, 2)]
    public void WhatIsNotFiniteReachesTheLogits(string shape, float value, int times)
    {
        const int Token = 7, Length = 12;
        using var model = TestModel.Random(TestShapes.Of(shape));
        using var decoder = new CpuDecoder(model.Weights, 48, 2);
        new Span<float>(model.Weights.TokenEmbedding + Token * model.Config.HiddenSize, model.Config.HiddenSize).Fill(value);
        decoder.Reserve(1, 48);
        var done = new int[1];
        Feed(decoder, [[.. Enumerable.Range(0, Length).Select(t => t >= 3 && t < 3 + times ? Token : 20 + t)]], done, [Length]);
        Assert.DoesNotContain(Enumerable.Range(0, model.Config.VocabSize), v => float.IsFinite(decoder.Logits(0)[v]));
    }

    // Where a head is read past its end, no two threads may each have heads of their own.
    [Theory]
    [InlineData("gpt2", 8, 2, true)]
    [InlineData("gpt2", 10, 2, false)]
    [InlineData("llama-grouped", 10, 2, true)]
    [InlineData("gpt2", 8, 1, false)]
    [InlineData("gpt2", 8, 3, false)]
    public void TwoThreadsHalveTheWorkWhereHeadsStandApart(string shape, int headDim, int threads, bool expected)
    {
        var config = TestShapes.Of(shape) with { HeadDim = headDim };
        Assert.Equal(expected, CpuDecoder.IsPair(config, threads));
        Assert.False(CpuDecoder.IsPair(config with { NumHeads = 3, NumKeyValueHeads = 3 }, threads));
    }

    private static void PrefillAndSteps(ModelConfig config, int threads)
    {
        using var model = TestModel.Random(config);
        using var decoder = new CpuDecoder(model.Weights, 48, threads);
        var reference = new ReferenceTransformer(model);
        var sequences = new[] { Tokens(model, 1, 41), Tokens(model, 2, 19), Tokens(model, 3, 33) };
        decoder.Reserve(3, 48);

        // All but the last two tokens of each sequence in ragged chunks, then the last two one by one.
        var done = new int[3];
        Feed(decoder, sequences, done, [20, 5, 16]);
        Feed(decoder, sequences, done, [19, 12, 15]);
        AssertLogits(decoder, reference, sequences, done);
        Feed(decoder, sequences, done, [1, 1, 1]);
        AssertLogits(decoder, reference, sequences, done);
        Feed(decoder, sequences, done, [1, 1, 1]);
        AssertLogits(decoder, reference, sequences, done);
    }

    [Fact]
    public void AColumnDoesNotDependOnItsNeighbours()
    {
        using var model = TestModel.Random(TestShapes.Of("llama-grouped"));
        var sequences = Enumerable.Range(0, 33).Select(i => Tokens(model, (ulong)i, 20)).ToArray();
        var together = Last(model, 3, sequences);
        for (var i = 0; i < sequences.Length; i += 8)
            Assert.Equal(Last(model, 1, [sequences[i]])[0], together[i]);
    }

    private static float[][] Last(TestModel model, int threads, int[][] sequences)
    {
        using var decoder = new CpuDecoder(model.Weights, 64, threads);
        decoder.Reserve(sequences.Length, 32);
        var done = new int[sequences.Length];
        for (var t = 0; t < 20; t++)
            Feed(decoder, sequences, done, [.. Enumerable.Repeat(1, sequences.Length)]);
        return [.. sequences.Select((_, i) => new ReadOnlySpan<float>(decoder.Logits(i), model.Config.VocabSize).ToArray())];
    }

    private static void Feed(CpuDecoder decoder, int[][] sequences, int[] done, int[] counts)
    {
        var column = 0;
        for (var s = 0; s < sequences.Length; s++)
        {
            for (var i = 0; i < counts[s]; i++, column++, done[s]++)
            {
                if (done[s] % KeyValuePages.PageSize == 0)
                    decoder.Table(s)[done[s] / KeyValuePages.PageSize] = decoder.AllocatePage(s, done[s] / KeyValuePages.PageSize);
                decoder.Tokens[column] = sequences[s][done[s]];
                decoder.Positions[column] = done[s];
                decoder.Sequences[column] = s;
            }

            decoder.LogitColumns[s] = column - 1;
        }

        decoder.Forward(column, sequences.Length);
    }

    private static void AssertLogits(CpuDecoder decoder, ReferenceTransformer reference, int[][] sequences, int[] done)
    {
        for (var s = 0; s < sequences.Length; s++)
        {
            var expected = reference.Logits(sequences[s].AsSpan(0, done[s]))[^1];
            for (var v = 0; v < expected.Length; v++)
                Assert.Equal(expected[v], decoder.Logits(s)[v], LogitTolerance);
        }
    }

    private static int[] Tokens(TestModel model, ulong key, int length)
    {
        var random = new RandomStream(CounterRandom.Key(key));
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(0, model.Config.VocabSize))];
    }
}
