using System.Diagnostics;
using LlmRL.Algorithms;
using LlmRL.Models;
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
        using var sampler = new TrajectorySampler(stage, context, models.Policy);
        using var checkpoints = new StageCheckpoints(context, stage, models.Trained);
        var start = checkpoints.Resume();
        context.Log.StageStarted(stage.Name, context.Kind(stage), stage.Steps, start);
        var tokens = checkpoints.TokensSeen;
        for (var step = start; step < stage.Steps; step++)
        {
            checkpoints.StopWhereAsked(step, tokens);
            var clock = Stopwatch.StartNew();
            var metrics = new BatchMetrics();
            var rollout = checkpoints.SaveWhereStopped(step, tokens, () => context.Explain(step, () => sampler.Sample(step)));
            var sampled = clock.Elapsed;
            models.AddReferenceLogProbs(rollout);
            models.AddValues(rollout);
            stage.ComputeAdvantages(rollout, checkpoints.State, metrics);
            Learn(stage, context, models, rollout, step, metrics);
            sampler.WeightsChanged();

            tokens += rollout.TokenCount;
            RolloutMetrics.Add(rollout, stage, metrics);
            context.Log.Step(step + 1, [
                .. metrics.Means(), new("learning_rate", stage.LearningRateAt(step)), new("num_tokens", tokens), new("episode", (step + 1.0) * rollout.Trajectories.Count),
                new("step_time", clock.Elapsed.TotalSeconds), new("time/sampling", sampled.TotalSeconds),
                new("tokens_per_second", rollout.TokenCount / clock.Elapsed.TotalSeconds)]);
            RolloutMetrics.LogSamples(rollout, stage, context, step);
            checkpoints.AfterStep(step + 1, tokens);
        }

        context.SaveFinal(models.Policy);
        return context.Summary(stage, RewardTrend(context));
    }

    /// <summary>Epochs × minibatches of optimizer steps over one rollout.</summary>
    private static void Learn(OnlineStage stage, StageContext context, OnlineModels models, Rollout rollout, int step, BatchMetrics metrics)
    {
        var order = rollout.Trajectories.ToArray();
        var learningRate = stage.LearningRateAt(step);
        for (var epoch = 0; epoch < stage.NumIterations; epoch++)
        {
            if (stage.NumMiniBatches > 1)
                new RandomStream(CounterRandom.Key(context.Key("minibatches"), (ulong)step, (ulong)epoch)).Shuffle<Trajectory>(order);
            foreach (var minibatch in order.Chunk((order.Length + stage.NumMiniBatches - 1) / stage.NumMiniBatches))
            {
                var share = new BatchShare(minibatch.Length, minibatch.Where(trajectory => trajectory.Counts).Sum(trajectory => (long)trajectory.Length));
                foreach (var micro in MicroBatches.Split(minibatch, trajectory => trajectory.Prompt.Length + trajectory.Length, stage.MicroBatchTokens))
                    Accumulate(stage, models.Policy, models.Value, micro, share, metrics, firstEpoch: epoch == 0);
                metrics.Add("grad_norm", context.Guard(step, metrics, () => models.Step(learningRate)), 1);
            }
        }
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
        var entropy = batch.Mask.Sum(batch.Entropies!) / Math.Max(1, share.Tokens);
        if (stage.EntropyCoef > 0)
            loss = loss - stage.EntropyCoef * entropy;
        loss.backward();
        forward.Backward();

        // A micro-batch's loss is its part of the minibatch's, so the parts add up: the weight makes the mean over minibatches right.
        var rows = (double)micro.Count / share.Sequences;
        metrics.Add("loss", loss.item<float>() / rows, rows);
        var counted = batch.Mask.Count().item<float>();
        metrics.Add("entropy", entropy.item<float>() * share.Tokens / Math.Max(1, counted), counted);
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
