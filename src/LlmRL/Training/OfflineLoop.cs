using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>The loop of every stage that learns from a fixed data set: data set → loss → step.</summary>
public static class OfflineLoop
{
    /// <summary>Logged at every step beside the loss's own numbers; they say nothing about the result.</summary>
    private static readonly string[] LoopMetrics = ["grad_norm", "learning_rate", "num_tokens", "epoch"];

    /// <summary>Runs a stage from its start, or from its newest checkpoint when the run resumes.</summary>
    public static StageSummary Run(OfflineStage stage, StageContext context)
    {
        using var models = new OfflineModels(stage, context);
        var data = context.Open(stage.Data);
        var order = new EpochSampler(data.Count, context.Key("data"));
        using var checkpoints = new StageCheckpoints(context, stage, [(StageCheckpoints.PolicyName, models.Trained, models.Optimizer)]);
        var start = checkpoints.Resume();
        context.Log.StageStarted(stage.Name, context.Kind(stage), stage.Steps, start);
        var tokens = checkpoints.TokensSeen;
        var budget = new MicroBatchBudget(stage, checkpoints.State, context.Run.Console.Warn);
        var held = stage.EvalData is null ? null : new HeldOutRows(stage, context, models);
        var evaluation = new HeldOutSchedule(stage, context, checkpoints, held is null ? null : held.Measure, stage.IsEvaluatedAfter);
        evaluation.Begin(start, tokens);
        for (var step = start; step < stage.Steps; step++)
        {
            checkpoints.StopWhereAsked(step, tokens);
            var clock = new StepClock();
            var batch = Take(stage, context, data, order, step, models.ContextLength);
            if (stage.ReferenceModel is not null)
                clock.Time("reference", () => budget.Run(size => models.AddReferenceLogProbs(batch, size)));
            StageContext.DrawDropout(models.Trained, models.Optimizer);
            var metrics = clock.Time("forward_backward", () => budget.Run(
                size => Accumulate(stage with { MicroBatchTokens = size }, models.Trained, batch, train: true), undo: models.Trained.TrainedParameters.ZeroGradients));
            var learningRate = stage.LearningRateAt(step);
            var norm = clock.Time("optimizer", () => context.Guard(step, metrics, () => models.Optimizer.Step(learningRate),
                reason => SavedBatch.Save(context, stage with { MicroBatchTokens = budget.Tokens }, step, reason, models.Trained, batch)));
            tokens += batch.Sum(example => example.Length);
            context.Log.Step(step + 1, [
                .. metrics.Means(), new("grad_norm", norm), new("learning_rate", learningRate), new("num_tokens", tokens),
                new("epoch", (step + 1.0) * stage.BatchSize / data.Count), .. clock.Metrics(),
                new("tokens_per_second", batch.Sum(example => example.Length) / clock.Seconds)]);
            evaluation.After(step + 1, tokens);
            checkpoints.AfterStep(step + 1, tokens);
        }

        checkpoints.StopWhereAsked(stage.Steps, tokens);
        checkpoints.Complete();
        var shift = models.Trained.ScoreShift;
        stage.Finish(models.Trained, context);
        context.SaveFinal(models.Trained);
        return context.Summary(stage, checkpoints.SaveWhereStopped(stage.Steps, tokens, () =>
        {
            try
            {
                return Headline(context, held);
            }
            catch (OperationCanceledException)
            {
                // The checkpoint is that of the last step, before the stage was finished; so the rest is done again from the same numbers.
                models.Trained.ScoreShift = shift;
                throw;
            }
        }));
    }

    /// <summary>The rows of a step, those that are too long replaced by the next ones in order.</summary>
    private static List<EncodedExample> Take(OfflineStage stage, StageContext context, IExampleSource data, EpochSampler order, int step, int maxPositions)
    {
        var limit = Math.Min(stage.MaxLength ?? int.MaxValue, maxPositions);
        var batch = new List<EncodedExample>(stage.BatchSize);
        for (var i = 0; i < stage.BatchSize; i++)
        {
            var encoded = stage.Encode(data[order[(long)step * stage.BatchSize + i]], context);
            if (encoded.Sequences.Max(sequence => sequence.Length) <= limit)
                batch.Add(encoded);
            else
                context.CountSkipped(encoded.Example, limit);
        }

        return batch.Count > 0 ? batch : throw new BadInputException($"stage {stage.Name}: every row of step {step + 1} has more than {limit} tokens; raise max_length or max_position_embeddings, or shorten the data.");
    }

    internal static BatchMetrics Accumulate(OfflineStage stage, Transformer model, IReadOnlyList<EncodedExample> batch, bool train, CancellationToken cancellation = default)
    {
        var metrics = new BatchMetrics();
        var share = new BatchShare(batch.Count, batch.Sum(example => (long)example.TargetCount));
        foreach (var micro in MicroBatches.Split(batch, stage.MicroBatchTokens, model))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            stage.Accumulate(model, micro, share, metrics, train);
        }

        return metrics;
    }

    /// <summary>Loss and accuracy of the first and last step, and of the held-out rows.</summary>
    private static OrderedDictionary<string, double> Headline(StageContext context, HeldOutRows? held)
    {
        // From the log, so that a run which was interrupted has the same headline.
        var headline = new OrderedDictionary<string, double> { ["loss/first"] = context.Logged("loss").First() };
        foreach (var (name, value) in context.LoggedLast().Where(pair => !LoopMetrics.Contains(pair.Key)))
            headline[name] = value;
        foreach (var (name, value) in held?.Measure() ?? [])
            headline[MetricCatalog.HeldOutPrefix + name] = value;
        return headline;
    }
}
