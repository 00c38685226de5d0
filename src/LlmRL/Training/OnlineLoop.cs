using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>The loop of every stage that learns from its own samples: sample → score → reference log-probs → advantages → epochs × minibatches → log.</summary>
public static class OnlineLoop
{
    /// <summary>Runs a stage from its start, or from its newest checkpoint when the run resumes.</summary>
    public static StageSummary Run(OnlineStage stage, StageContext context)
    {
        using var models = new OnlineModels(stage, context);
        using var checkpoints = new StageCheckpoints(context, stage, models.Trained);
        var start = checkpoints.Resume();
        using var sampler = new TrajectorySampler(stage, context, models.Policy);
        var alarms = AlarmSettings.Watch(stage, context.Run.Recipe.Alarms);
        context.Log.StageStarted(stage.Name, context.Kind(stage), stage.Steps, start, alarms);
        var tokens = checkpoints.TokensSeen;
        var budget = new MicroBatchBudget(stage, checkpoints.State, context.Run.Console.Warn);
        var held = stage.EvalData is null ? null : new HeldOutPrompts(stage, context, sampler, models, budget);
        var evaluation = new HeldOutSchedule(stage, context, checkpoints, held is null ? null : held.Measure, stage.IsEvaluatedAfter, held is null ? null : held.LogSamples);
        KeepWhereRewardFails(context, checkpoints, start, tokens, () => evaluation.Begin(start, tokens, ends: alarms.StoppedBy is not null));
        var step = start;
        for (; step < stage.Steps && alarms.StoppedBy is null; step++)
        {
            checkpoints.StopWhereAsked(step, tokens);
            var clock = new StepClock();
            var metrics = new BatchMetrics();
            var now = stage.At(step, checkpoints.State);
            var rollout = clock.Time("sampling", () => Sample(sampler, context, checkpoints, step, tokens));
            if (models.Reference is not null)
                clock.Time("reference", () => checkpoints.SaveWhereStopped(step, tokens, () => budget.Run(size => models.AddReferenceLogProbs(rollout, size))));
            if (models.Value is not null)
                clock.Time("values", () => checkpoints.SaveWhereStopped(step, tokens, () => budget.Run(size => models.AddValues(rollout, size))));
            now.ComputeAdvantages(rollout, checkpoints.State, metrics);
            Learn(now, context, models, rollout, step, metrics, (clock, budget));
            now.AdaptBeta(rollout, checkpoints.State);
            models.RefreshReference(step + 1);
            sampler.WeightsChanged();

            tokens += rollout.TokenCount;
            RolloutMetrics.Add(rollout, now, metrics);
            context.Log.Step(step + 1, [
                .. metrics.Means(), new("learning_rate", stage.LearningRateAt(step)), new("num_tokens", tokens), new("episode", (step + 1.0) * rollout.Trajectories.Count),
                .. clock.Metrics(), new("tokens_per_second", rollout.TokenCount / clock.Seconds)]);
            RolloutMetrics.LogSamples(rollout, stage, context, step);
            KeepWhereRewardFails(context, checkpoints, step + 1, tokens, () => evaluation.After(step + 1, tokens, ends: alarms.StoppedBy is not null));
            checkpoints.AfterStep(step + 1, tokens, ends: alarms.StoppedBy is not null);
        }

        var kept = checkpoints.Complete();
        if (kept is not null)
            sampler.WeightsChanged();
        context.NoteStopped(alarms, step);
        context.SaveFinal(models.Policy);
        return context.Summary(stage, step, new(RewardTrend(context).Concat(evaluation.Of(kept ?? step))));
    }

    /// <summary>Samples and scores. Where the run is asked to stop, or a reward server fails, the completed steps are in a checkpoint.</summary>
    private static Rollout Sample(TrajectorySampler sampler, StageContext context, StageCheckpoints checkpoints, int step, long tokens)
    {
        Rollout? rollout = null;
        KeepWhereRewardFails(context, checkpoints, step, tokens,
            () => rollout = checkpoints.SaveWhereStopped(step, tokens, () => context.Explain(step, () => sampler.Sample(step, checkpoints.State))));
        return rollout!;
    }

    /// <summary>Does what needs rewards; where a server fails, the steps done are in a checkpoint.</summary>
    private static void KeepWhereRewardFails(StageContext context, StageCheckpoints checkpoints, int step, long tokens, Action part)
    {
        try
        {
            part();
        }
        catch (RewardFailedException fault)
        {
            var (directory, stage) = (context.Run.Directory, context.Stage.Name);
            if (!directory.CheckpointSteps(stage).Contains(step))
                checkpoints.Write(step, tokens);
            throw new RewardFailedException($"stage {stage}, step {step + 1}: {fault.Message} The {step} steps before are in {directory.Checkpoint(stage, step)}; the same command with --resume goes on from there.", fault);
        }
    }

    /// <summary>Epochs × minibatches of optimizer steps over one rollout.</summary>
    private static void Learn(
        OnlineStage stage, StageContext context, OnlineModels models, Rollout rollout, int step, BatchMetrics metrics, (StepClock Clock, MicroBatchBudget Budget) means)
    {
        var units = rollout.Trajectories.Chunk(stage.LossUnit).ToArray();
        var learningRate = stage.LearningRateAt(step);
        for (var epoch = 0; epoch < stage.NumIterations; epoch++)
        {
            if (stage.NumMiniBatches > 1)
                new RandomStream(CounterRandom.Key(context.Key("minibatches"), (ulong)step, (ulong)epoch)).Shuffle<Trajectory[]>(units);
            foreach (var minibatch in units.Chunk((units.Length + stage.NumMiniBatches - 1) / stage.NumMiniBatches))
            {
                models.DrawDropout();
                var part = means.Clock.Time("forward_backward", () => means.Budget.Run(
                    size => Accumulate(stage with { MicroBatchTokens = size }, models, minibatch, firstEpoch: epoch == 0), undo: models.DropGradients));
                metrics.Add(part);
                if (part["approx_kl"] > stage.TargetKl)
                {
                    models.DropGradients();
                    metrics.Add("early_stop", 1, 1);
                    return;
                }

                metrics.Add("grad_norm", means.Clock.Time("optimizer", () => context.Guard(step, part, () => models.Step(learningRate),
                    reason => SavedBatch.Save(context, stage with { MicroBatchTokens = means.Budget.Tokens }, step, reason, models, minibatch.SelectMany(unit => unit)))), 1);
            }
        }

        if (stage.TargetKl is not null)
            metrics.Add("early_stop", 0, 1);
    }

    /// <summary>One minibatch forward and backward in micro-batches. Completions that do not count cost no forward pass.</summary>
    private static BatchMetrics Accumulate(OnlineStage stage, OnlineModels models, Trajectory[][] minibatch, bool firstEpoch)
    {
        var metrics = new BatchMetrics();
        var share = BatchShare.Of([.. minibatch.SelectMany(unit => unit)]);
        var learned = minibatch.Where(unit => unit.Any(trajectory => trajectory.Counts));
        foreach (var micro in MicroBatches.Split(learned, stage.MicroBatchTokens, models.Policy))
            Accumulate(stage, models.Policy, models.Value, [.. micro.SelectMany(unit => unit)], share, metrics, firstEpoch);
        metrics.Add("loss", 0, minibatch.Where(unit => !unit.Any(trajectory => trajectory.Counts)).Sum(unit => unit.Length) / (double)share.Sequences);
        return metrics;
    }

    /// <summary>One micro-batch forward and backward: gradients add up in the models' buffers.</summary>
    internal static void Accumulate(OnlineStage stage, Transformer policy, Transformer? value, IReadOnlyList<Trajectory> micro, BatchShare share, BatchMetrics metrics, bool firstEpoch)
    {
        using var scope = NewDisposeScope();
        using var batch = new PolicyBatch(micro, policy.Device, share) { Metrics = metrics };
        using var forward = batch.Forward(policy, stage.Temperature);
        if (value is not null)
            batch.ForwardValues(value);
        var loss = stage.Loss(batch);
        loss.backward();
        forward.Backward();

        // A micro-batch's loss is its part of the minibatch's, so the parts add up: the weight makes the mean over minibatches right.
        var rows = (double)micro.Count / share.Sequences;
        metrics.Add("loss", loss.item<float>() / rows, rows);
        batch.AddMetric("entropy", batch.Mask.Mean(batch.Entropies!));
        if (stage.NumIterations * stage.NumMiniBatches > 1)
            batch.AddApproximateKl();
        if (firstEpoch)
            RolloutMetrics.AddSamplingDifference(batch, metrics);
    }

    /// <summary>Mean reward of the first and the last tenth of the steps, for the summary. From the log, so that a run which was interrupted has the same.</summary>
    private static OrderedDictionary<string, double> RewardTrend(StageContext context)
    {
        var rewards = context.Logged("reward").ToArray();
        var window = Math.Max(1, rewards.Length / 10);
        return rewards.Length == 0 ? [] : new() { ["reward/first"] = rewards.Take(window).Average(), ["reward/last"] = rewards.TakeLast(window).Average() };
    }
}
