using System.Runtime.InteropServices;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>A micro-batch for which memory does not suffice is halved, and the gradient is that of the whole.</summary>
[Collection(TensorCollection.Name)]
public class MicroBatchBudgetTests
{
    [Theory]
    [InlineData(typeof(OutOfMemoryException))]
    [InlineData(typeof(ExternalException))]
    public void A_pass_that_ran_out_of_memory_half_way_leaves_no_trace(Type kind)
    {
        using var model = Tiny.Model();
        var rows = OfflineGradientTests.Rows(sequencesPerRow: 1);
        var plain = new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = 64 };
        var expected = Tiny.Gradient(model, () => OfflineLoop.Accumulate(plain, model, rows, train: true));
        var (state, warnings) = (new Dictionary<string, double>(), new List<string>());
        // A micro-batch fails once its gradient lies in the buffer, until micro-batches are small.
        var stage = new Starving(plain, Limit: 20, kind) { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = 64 };
        var budget = new MicroBatchBudget(stage, state, warnings.Add);
        BatchMetrics metrics = null!;
        var actual = Tiny.Gradient(model, () => metrics = budget.Run(
            tokens => OfflineLoop.Accumulate(stage with { MicroBatchTokens = tokens }, model, rows, train: true), undo: model.Parameters.ZeroGradients));
        Tiny.AssertClose(expected, actual, 1e-6);
        Assert.Equal(OfflineLoop.Accumulate(plain, model, rows, train: false)["loss"], metrics["loss"], 1e-6);
        Assert.Equal(16, budget.Tokens);
        Assert.Equal(2, warnings.Count);
        Assert.Contains("micro_batch_tokens 64; going on with 32", warnings[0]);
        // A resumed run finds the number in its state.
        Assert.Equal(16, new MicroBatchBudget(stage, state, warnings.Add).Tokens);
    }

    [Fact]
    public void Other_faults_and_the_smallest_budget_pass_through()
    {
        var budget = new MicroBatchBudget(new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = 40 }, new Dictionary<string, double>(), _ => { });
        Assert.Throws<InvalidOperationException>(() => budget.Run<int>(_ => throw new InvalidOperationException("other"), () => { }));
        var tried = new List<int>();
        Assert.Throws<OutOfMemoryException>(() => budget.Run<int>(tokens =>
        {
            tried.Add(tokens);
            throw new OutOfMemoryException();
        }, () => { }));
        Assert.Equal([40, 20], tried);
    }

    /// <summary>Fails, once it has added a part of the gradient, where a micro-batch has more tokens than a limit.</summary>
    private sealed record Starving(Sft Inner, int Limit, Type Kind) : OfflineStage
    {
        public override Transformer LoadModel(StageContext context) => Inner.LoadModel(context);

        public override EncodedExample Encode(Example example, StageContext context) => Inner.Encode(example, context);

        public override void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train)
        {
            Inner.Accumulate(model, micro, share, metrics, train);
            if (micro.Count * micro.Max(row => row.Length) > Limit)
                throw Kind == typeof(OutOfMemoryException) ? new OutOfMemoryException() : new ExternalException("aten::mm: CUDA out of memory. Tried to allocate 2.00 GiB");
        }
    }
}
