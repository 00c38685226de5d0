using LlmRL.Algorithms;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>How a model in training does on rows that it is not trained on: the numbers of its loss, without a step.</summary>
/// <param name="stage">The stage, with <see cref="OfflineStage.EvalData"/>.</param>
/// <param name="context">Its surroundings.</param>
/// <param name="models">Its models.</param>
internal sealed class HeldOutRows(OfflineStage stage, StageContext context, OfflineModels models)
{
    private List<EncodedExample>? rows;

    /// <summary>The numbers by the names that training logs them by.</summary>
    public IEnumerable<KeyValuePair<string, double>> Measure()
    {
        using var guard = no_grad();
        rows ??= Encoded();
        return OfflineLoop.Accumulate(stage, models.Trained, rows, train: false, context.Cancellation).Means().ToArray();
    }

    private List<EncodedExample> Encoded()
    {
        var held = context.Open(stage.EvalData!);
        var encoded = Enumerable.Range(0, held.Count).Select(i => stage.Encode(held[i], context)).ToList();
        // The reference does not change: once is enough.
        models.AddReferenceLogProbs(encoded, stage.MicroBatchTokens);
        return encoded;
    }
}
