using LlmRL.Algorithms;
using LlmRL.Models;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>The models of an offline stage: the one that is trained, and the frozen reference where the loss compares with one.</summary>
public sealed class OfflineModels : IDisposable
{
    private readonly Transformer? reference;

    /// <summary>Loads them.</summary>
    public OfflineModels(OfflineStage stage, StageContext context)
    {
        Trained = stage.LoadModel(context);
        Optimizer = context.Optimizer(Trained);
        if (stage.ReferenceModel is { } source)
            reference = context.LoadReference(source, stage.Policy, Trained);
    }

    /// <summary>The model that is trained.</summary>
    public Transformer Trained { get; }

    /// <summary>Its optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Most tokens of a sequence that every model can read.</summary>
    public int ContextLength => Math.Min(Trained.Config.ContextLength, reference?.Config.ContextLength ?? int.MaxValue);

    /// <summary>Fills in <see cref="EncodedExample.ReferenceLogProbs"/> where there is a reference.</summary>
    public void AddReferenceLogProbs(IReadOnlyList<EncodedExample> batch, int microBatchTokens)
    {
        if (reference is not null)
            AddReferenceLogProbs(reference, batch, microBatchTokens);
    }

    /// <summary>The same with a given reference.</summary>
    internal static void AddReferenceLogProbs(Transformer reference, IReadOnlyList<EncodedExample> batch, int microBatchTokens)
    {
        using var guard = no_grad();
        using var off = reference.WithoutAdapters();
        foreach (var micro in MicroBatches.Split(batch, microBatchTokens, reference))
        {
            using var scope = NewDisposeScope();
            using var completions = new CompletionBatch(micro, reference.Device);
            completions.Forward(reference, train: false);
            var sums = completions.SequenceLogProbs().cpu().data<float>().ToArray();
            for (var b = 0; b < micro.Count; b++)
                micro[b].ReferenceLogProbs = [.. micro[b].Sequences.Select((_, part) => sums[part * micro.Count + b])];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trained.Dispose();
        if (reference != Trained)
            reference?.Dispose();
        Optimizer.Dispose();
    }
}
