using LlmRL.Models;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>Sequences that share the rows of their common beginning, against the same sequences with rows of their own.</summary>
public sealed class SharedPrefixTests
{
    // Gradients of shared rows are summed in another order.
    private const double Tolerance = 1e-6, GradientTolerance = 3e-5;

    public static TheoryData<string> Shapes => ["llama-panels", "gpt2-panels", "qwen3-panels", "gpt_neox-panels", "llama-registers", "llama-grouped", "qwen2-window"];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Hidden_states_and_gradients_are_those_of_separate_rows(string shape)
    {
        using var model = KernelsTests.Model(shape);
        // Beginnings of part of a panel, a panel, and several blocks of queries; a sequence alone; answers of one token.
        int[][] sequences = [.. Group(37, 1, 30, 5), .. Group(16, 16, 3), .. Group(100, 40, 1, 1, 33), .. Group(0, 70), .. Group(5, 2, 2)];
        int[] groups = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4];
        using var plain = new TokenBatch(sequences);
        using var shared = new TokenBatch(sequences, null, groups);
        Assert.Equal(plain.Count - 2 * 37 - 16 - 3 * 100 - 5, shared.Count);
        var expected = Run(model, plain);
        var actual = Run(model, shared);
        KernelsTests.AssertClose(expected.Hidden, actual.Hidden, Tolerance, "hidden");
        KernelsTests.AssertGradients(model, expected.Gradients, actual.Gradients, GradientTolerance);
    }

    [Fact]
    public void Sequences_in_any_order_find_their_group()
    {
        int[][] sequences = [[1, 2, 3, 4, 5, 6], [9, 9, 9, 9, 9, 9], [1, 2, 3, 4, 5, 7, 8], [9, 9, 9, 9, 9, 1], [1, 2, 3, 4, 5, 6]];
        using var batch = new TokenBatch(sequences, null, [0, 1, 0, 1, 0]);
        Assert.Equal(5 + 1 + 2 + 1 + 5 + 1 + 1, batch.Count);
        var ids = batch.Ids.data<long>().ToArray();
        for (var b = 0; b < sequences.Length; b++)
            Assert.Equal(sequences[b].Select(id => (long)id), Enumerable.Range(0, sequences[b].Length).Select(t => ids[batch.Row(b, t)]));
        Assert.Equal(batch.Row(0, 4), batch.Row(4, 4));
        Assert.NotEqual(batch.Row(0, 5), batch.Row(4, 5));
    }

    [Fact]
    public void Short_beginnings_and_sequences_of_no_group_are_not_shared()
    {
        int[][] sequences = [[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 8]];
        using var batch = new TokenBatch(sequences, null, [0, 0, 1, 2]);
        Assert.False(batch.HasSharedPrefixes);
        Assert.Equal(22, batch.Count);
    }

    [Fact]
    public void Micro_batches_keep_beginnings_together_and_count_them_once()
    {
        // (beginning, own tokens) with beginnings of 10 tokens: 10 + 4·2 fit 18.
        (int Key, int Own)[] items = [(1, 2), (2, 3), (1, 2), (1, 2), (3, 30), (1, 2), (2, 3), (1, 2)];
        var groups = MicroBatches.Split(items, item => item.Key, _ => 10, item => item.Own, 18);
        Assert.Equal([[(3, 30)], [(2, 3), (2, 3)], [(1, 2), (1, 2), (1, 2), (1, 2)], [(1, 2)]], groups);
    }

    private static int s_next = 3;

    private static IEnumerable<int[]> Group(int prefix, params int[] own)
    {
        int[] Draw(int length) => [.. Enumerable.Range(0, length).Select(_ => s_next = (s_next * 31 + 17) % 77)];
        var beginning = Draw(prefix);
        // Two answers differ from their first token on, so that the beginning is no longer than meant.
        return own.Select((length, i) => (int[])[.. beginning, i, .. Draw(length - 1)]).ToArray();
    }

    private static (float[] Hidden, float[] Gradients) Run(Transformer model, TokenBatch batch)
    {
        model.Parameters.ZeroGradients();
        using var scope = NewDisposeScope();
        var rows = tensor(batch.Sequences.SelectMany((sequence, b) => Enumerable.Range(0, sequence.Length).Select(t => (long)batch.Row(b, t))).ToArray());
        var hidden = model.Hidden(batch).index_select(0, rows);
        (hidden * tensor([.. Enumerable.Range(0, (int)hidden.numel()).Select(i => (float)Math.Sin(0.37 * i))]).view(hidden.shape)).sum().backward();
        return (hidden.detach().data<float>().ToArray(), model.Parameters.Gradients!.data<float>().ToArray());
    }
}
