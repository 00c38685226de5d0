using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Models.Lora;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>A pass that leaves out what no one reads, against rows chosen from a whole one.</summary>
[Collection(TensorCollection.Name)]
public class RowSelectionTests
{
    // Sums over fewer rows, in another order.
    private const double Tolerance = 1e-6, GradientTolerance = 3e-5;

    private static readonly string[] Shapes =
    [
        "llama-grouped", "llama-registers", "llama-panels", "gpt2", "gpt2-panels", "qwen2", "qwen2-window", "qwen3", "qwen3-panels", "mistral", "gpt_neox", "gpt_neox-panels", "gpt_neox-serial",
        "no-final-norm", "dynamic",
    ];

    public static TheoryData<string, string, bool> Cases()
    {
        var cases = new TheoryData<string, string, bool>();
        foreach (var shape in Shapes)
        {
            cases.Add(shape, "completions", false);
            cases.Add(shape, "completions", true);
            cases.Add(shape, "last", false);
            cases.Add(shape, "last", true);
        }

        cases.Add("llama-panels", "scattered", false);
        cases.Add("llama-panels", "scattered", true);
        cases.Add("llama-panels", "one", false);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Hidden_states_and_gradients_are_those_of_a_whole_pass(string shape, string rows, bool checkpoints)
    {
        using var model = KernelsTests.Model(shape);
        model.GradientCheckpointing = checkpoints;
        using var batch = Batch(model.Config);
        using var selection = Select(batch, rows);
        Assert.NotNull(selection.Distinct);
        var (expected, whole) = Run(model, () => model.Hidden(batch).index_select(0, selection.Rows));
        var (actual, some) = Run(model, () => model.Hidden(batch, selection));
        KernelsTests.AssertClose(expected, actual, Tolerance, "hidden");
        KernelsTests.AssertGradients(model, whole, some, GradientTolerance);
        using (no_grad())
        using (var unkept = model.Hidden(batch, selection))
            Assert.Equal(actual, unkept.contiguous().data<float>().ToArray());
    }

    [Theory]
    [InlineData("llama-panels", 0, false)]
    [InlineData("llama-panels", 0, true)]
    [InlineData("gpt2", 0, false)]
    [InlineData("gpt2", 0, true)]
    [InlineData("qwen3-panels", 0.3, false)] // dropout knows rows by their number: a whole pass
    public void Adapters_too(string shape, double dropout, bool checkpoints)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 4, Alpha = 6, Dropout = dropout });
        test.Model.GradientCheckpointing = checkpoints;
        using var batch = Batch(test.Model.Config);
        using var selection = Select(batch, "completions");
        float[] Gradients(Func<Tensor> hidden)
        {
            test.Adapters.Parameters.ZeroGradients();
            using var scope = NewDisposeScope();
            Loss(hidden()).backward();
            return test.Adapters.Parameters.Gradients!.data<float>().ToArray();
        }

        var expected = Gradients(() => test.Model.Hidden(batch).index_select(0, selection.Rows));
        KernelsTests.AssertClose(expected, Gradients(() => test.Model.Hidden(batch, selection)), GradientTolerance, "adapters");
    }

    // One layer is the lowest and the uppermost; tiles of the rows that are read may be larger than those of all rows.
    [Theory]
    [InlineData(1, 505, 257, false)]
    [InlineData(1, 505, 257, true)]
    [InlineData(2, 505, 257, false)]
    public void Few_layers_and_larger_tiles(int layers, int length, int count, bool checkpoints)
    {
        Assert.True(new LlmRL.Models.Kernels.RowTiles(count).Size > new LlmRL.Models.Kernels.RowTiles(length).Size);
        var config = TestShapes.Of("llama-panels") with { NumLayers = layers, MaxPositions = 600 };
        using var model = new Transformer(config) { GradientCheckpointing = checkpoints };
        model.Parameters.Initialize(config, 3);
        var random = new RandomStream(CounterRandom.Key(29));
        using var batch = new TokenBatch([[.. Enumerable.Range(0, length).Select(_ => random.Next(0, config.VocabSize))]]);
        using var selection = new RowSelection(batch, [.. Enumerable.Range(length - count, count).Select(row => (long)row)]);
        Assert.NotNull(selection.Distinct);
        var (expected, whole) = Run(model, () => model.Hidden(batch).index_select(0, selection.Rows));
        var (actual, some) = Run(model, () => model.Hidden(batch, selection));
        KernelsTests.AssertClose(expected, actual, Tolerance, "hidden");
        KernelsTests.AssertGradients(model, whole, some, GradientTolerance);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(100)]
    public void Rows_of_another_batch_are_refused(long row)
    {
        using var batch = new TokenBatch([[.. Enumerable.Range(0, 100)]]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RowSelection(batch, [3, row]));
    }

    // The keys and values of a row that is not read must still reach those that are.
    [Fact]
    public void What_is_not_read_is_still_attended_to()
    {
        using var model = KernelsTests.Model("llama-panels");
        int[] ids = [.. Enumerable.Range(3, 40)], other = [.. ids];
        other[5]++;
        Assert.NotEqual(Last(ids), Last(other));

        float[] Last(int[] sequence)
        {
            using var guard = no_grad();
            using var batch = new TokenBatch([sequence]);
            using var selection = new RowSelection(batch, [39]);
            return model.Hidden(batch, selection).contiguous().data<float>().ToArray();
        }
    }

    [Fact]
    public void Most_rows_or_none_are_no_selection()
    {
        using var batch = new TokenBatch([[.. Enumerable.Range(0, 100)]]);
        using var most = new RowSelection(batch, [.. Enumerable.Range(0, 76).Select(row => (long)row)]);
        using var few = new RowSelection(batch, [.. Enumerable.Range(0, 75).Select(row => (long)row)]);
        using var none = new RowSelection(batch, []);
        Assert.Null(most.Distinct);
        Assert.Equal(75, few.Distinct!.Length);
        Assert.Null(none.Distinct);
    }

    // Prompts that samples share, one alone, completions from one token to several tiles.
    private static TokenBatch Batch(ModelConfig config)
    {
        var random = new RandomStream(CounterRandom.Key(23));
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(0, config.VocabSize))];
        int[] first = Tokens(70), second = Tokens(33);
        return new TokenBatch([[.. first, .. Tokens(9)], [.. first, .. Tokens(40)], [.. second, 1], [.. second, .. Tokens(17)], Tokens(90), [.. first, .. Tokens(25)]], null, [0, 0, 1, 1, 2, 0]);
    }

    private static RowSelection Select(TokenBatch batch, string rows) => new(batch, rows switch
    {
        // From the prompt's last token on; samples of one prompt read the same row there.
        "completions" => [.. batch.Sequences.SelectMany((sequence, b) => Enumerable.Range(Prompt(b) - 1, sequence.Length - Prompt(b)).Select(t => (long)batch.Row(b, t)))],
        "last" => [.. batch.Sequences.Select((sequence, b) => (long)batch.Row(b, sequence.Length - 1))],
        "scattered" => [.. Enumerable.Range(0, batch.Count / 3).Select(i => (long)((3 * i * 7 + 2) % batch.Count))],
        _ => [batch.Row(1, 50)],
    });

    private static int Prompt(int sequence) => sequence switch { 2 or 3 => 33, 4 => 60, _ => 70 };

    private static (float[] Hidden, float[] Gradients) Run(Transformer model, Func<Tensor> pass)
    {
        var states = Array.Empty<float>();
        var gradients = Tiny.Gradient(model, () =>
        {
            var hidden = pass();
            states = hidden.detach().contiguous().data<float>().ToArray();
            Loss(hidden).backward();
        });
        Assert.True(gradients.Max(Math.Abs) > 1e-3, "the gradient is zero: the test shows nothing");
        return (states, gradients);
    }

    private static Tensor Loss(Tensor hidden) => (hidden * tensor([.. Enumerable.Range(0, (int)hidden.numel()).Select(i => (float)Math.Sin(0.37 * i))]).view(hidden.shape)).sum();
}
