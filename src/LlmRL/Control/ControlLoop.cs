using System.Diagnostics;
using LlmRL.Alarms;
using LlmRL.Evaluation;
using LlmRL.Losses;
using LlmRL.Runs;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>The loop of a control stage: act → values → advantages → epochs × minibatches → log; fresh episodes measure the policy at the end.</summary>
public static class ControlLoop
{
    /// <summary>Runs a stage from its start, or from its newest checkpoint when the run resumes.</summary>
    public static StageSummary Run(ControlStage stage, StageContext context)
    {
        using var agent = new ControlAgent(stage, context.Key("init"));
        var pool = new EnvironmentPool(stage.Environment, stage.NumEnvs, context.Key("episodes"));
        using var checkpoints = new StageCheckpoints(context, stage, agent.Parts);
        var start = checkpoints.Resume();
        pool.Restore(checkpoints.State);
        var alarms = AlarmSettings.Watch(stage, context.Run.Recipe.Alarms);
        context.Log.StageStarted(stage.Name, context.Kind(stage), stage.Steps, start, alarms);
        var taken = checkpoints.TokensSeen;
        var step = start;
        for (; step < stage.Steps && alarms.StoppedBy is null; step++)
        {
            checkpoints.StopWhereAsked(step, taken);
            var clock = Stopwatch.StartNew();
            var metrics = new BatchMetrics();
            var rollout = context.Explain(step, () => pool.Collect(agent.Policy, CounterRandom.Key(context.Key("actions"), (ulong)step), stage.Algorithm.RolloutSteps));
            var sampled = clock.Elapsed;
            agent.AddValues(rollout);
            stage.Algorithm.ComputeAdvantages(rollout, checkpoints.State, metrics);
            AddRolloutMetrics(rollout, metrics);
            if (stage.Algorithm.WhitenAdvantages)
                rollout.WhitenAdvantages();
            Learn(stage, context, agent, rollout, step, metrics);

            taken += rollout.StepCount;
            context.Log.Step(step + 1, [
                .. metrics.Means(), new("learning_rate", stage.LearningRateAt(step)), new("environment_steps", taken),
                new("step_time", clock.Elapsed.TotalSeconds), new("time/sampling", sampled.TotalSeconds),
                new("steps_per_second", rollout.StepCount / clock.Elapsed.TotalSeconds)]);
            pool.Store(checkpoints.State);
            checkpoints.AfterStep(step + 1, taken, ends: alarms.StoppedBy is not null);
        }

        checkpoints.Complete();
        context.NoteStopped(alarms, step);
        agent.SavePolicy(context.Run.Directory.Final(stage.Name));
        return context.Summary(stage, step, new(ReturnTrend(context).Concat(Evaluate(stage, context, agent.Policy)).Append(new("environment_steps", taken))));
    }

    /// <summary>Epochs × minibatches of optimizer steps over one rollout.</summary>
    private static void Learn(ControlStage stage, StageContext context, ControlAgent agent, ControlRollout rollout, int step, BatchMetrics metrics)
    {
        using var scope = NewDisposeScope();
        var algorithm = stage.Algorithm;
        var all = ControlBatch.Of(rollout);
        var order = Enumerable.Range(0, rollout.StepCount).Select(row => (long)row).ToArray();
        for (var epoch = 0; epoch < algorithm.Epochs; epoch++)
        {
            if (algorithm.MiniBatches > 1)
                new RandomStream(CounterRandom.Key(context.Key("minibatches"), (ulong)step, (ulong)epoch)).Shuffle<long>(order);
            var kl = 0.0;
            foreach (var rows in order.Chunk((order.Length + algorithm.MiniBatches - 1) / algorithm.MiniBatches))
            {
                using var minibatch = NewDisposeScope();
                var share = new BatchShare(all.Share.Sequences, rows.Length);
                var parts = rows.Chunk(stage.MicroBatchTokens).Select(part => all.Select(part, share)).ToArray();
                string Keep(string reason) => SavedBatch.Save(context, stage, step, reason, agent, all.Select(rows, share));
                kl = parts.Sum(part => PolicyBackward(stage, agent.Policy, part, metrics));
                metrics.Add("grad_norm", context.Guard(step, metrics, () => agent.StepPolicy(step), Keep), 1);
                for (var i = 0; agent.Value is not null && i < algorithm.ValueSteps; i++)
                {
                    Array.ForEach(parts, part => ValueBackward(algorithm, agent.Value, part, metrics));
                    context.Guard(step, metrics, () => agent.StepValue(step), Keep);
                }
            }

            if (kl > algorithm.KlLimit)
                return;
        }
    }

    /// <summary>The policy's half of a minibatch's part, forward and backward.</summary>
    /// <returns>The part's share of KL(π_old‖π), nats per step.</returns>
    private static double PolicyBackward(ControlStage stage, Mlp policy, ControlBatch batch, BatchMetrics metrics)
    {
        using var scope = NewDisposeScope();
        batch.Forward(policy);
        var (loss, entropy) = (LossWithoutBonus(stage, batch), Entropy(batch));
        WithBonus(stage, loss, entropy).backward();

        using var guard = no_grad();
        var part = (double)batch.Mask.Sequences / batch.Share.Tokens;
        metrics.Add("loss", loss.item<float>() / part, part);
        metrics.Add("entropy", entropy.item<float>() / part, part);
        if (stage.Algorithm.Epochs * stage.Algorithm.MiniBatches == 1)
            return 0;
        stage.Algorithm.AddMetrics(batch, metrics);
        var kl = batch.Mask.Mean(KlLoss.K3(batch.OldLogProbs, batch.LogProbs)).item<float>();
        metrics.Add("approx_kl", kl, part);
        return kl * part;
    }

    /// <summary>The value network's half.</summary>
    private static void ValueBackward(ControlAlgorithm algorithm, Mlp value, ControlBatch batch, BatchMetrics metrics)
    {
        using var scope = NewDisposeScope();
        batch.ForwardValues(value);
        var loss = ValueLoss(algorithm, batch);
        loss.backward();
        var part = (double)batch.Mask.Sequences / batch.Share.Tokens;
        metrics.Add("loss/value_avg", loss.item<float>() / part, part);
    }

    /// <summary>What a part of a minibatch adds to what the policy minimises, with its entropy bonus.</summary>
    internal static Tensor PolicyLoss(ControlStage stage, ControlBatch batch) => WithBonus(stage, LossWithoutBonus(stage, batch), Entropy(batch));

    /// <summary>What a part of a minibatch adds to what the value network minimises.</summary>
    internal static Tensor ValueLoss(ControlAlgorithm algorithm, ControlBatch batch) => algorithm.ValueLosses(batch).Aggregate(batch.Mask, Aggregation.TokenMean, batch.Share.Tokens);

    private static Tensor LossWithoutBonus(ControlStage stage, ControlBatch batch)
    {
        var how = stage.Algorithm.Aggregation;
        return stage.Algorithm.PolicyLosses(batch).Aggregate(batch.Mask, how, batch.Share.For(how));
    }

    private static Tensor WithBonus(ControlStage stage, Tensor loss, Tensor entropy) => stage.EntropyCoef > 0 ? loss - stage.EntropyCoef * entropy : loss;

    private static Tensor Entropy(ControlBatch batch) => batch.Mask.Sum(batch.Entropies) / batch.Share.Tokens;

    private static void AddRolloutMetrics(ControlRollout rollout, BatchMetrics metrics)
    {
        if (rollout.Finished.Count > 0)
        {
            metrics.Add("return", rollout.Finished.Average(episode => episode.Return), 1);
            metrics.Add("episode_length", rollout.Finished.Average(episode => episode.Length), 1);
        }

        if (rollout.Segments.Any(segment => segment.Values.Length > 0) && rollout.ExplainedVariance() is var explained && double.IsFinite(explained))
            metrics.Add("val/explained_variance", explained, 1);
    }

    /// <summary>The mean undiscounted return of fresh episodes, which no weight was fitted to, and its standard error.</summary>
    private static OrderedDictionary<string, double> Evaluate(ControlStage stage, StageContext context, Mlp policy)
    {
        var pool = new EnvironmentPool(stage.Environment, stage.EvalEpisodes, context.Key("evaluation/episodes"));
        var episodes = pool.Collect(policy, context.Key("evaluation/actions"), steps: null, stage.EvalGreedy).Finished;
        var estimate = Estimate.Mean([.. episodes.Select(episode => episode.Return)]);
        return new() { ["return"] = estimate.Value, ["return_se"] = estimate.StandardError, ["episode_length"] = episodes.Average(episode => episode.Length) };
    }

    /// <summary>Mean return of the first and the last tenth of the phases in which episodes ended. From the log, so that a run which was interrupted has the same.</summary>
    private static OrderedDictionary<string, double> ReturnTrend(StageContext context)
    {
        var returns = context.Logged("return").ToArray();
        var window = Math.Max(1, returns.Length / 10);
        return returns.Length == 0 ? [] : new() { ["return/first"] = returns.Take(window).Average(), ["return/last"] = returns.TakeLast(window).Average() };
    }
}
