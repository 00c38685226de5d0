using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>Whole training runs of TRL's trainers, repeated step for step by the stages' own code: same tokens, same losses, same gradient norms, same weights.</summary>
[Collection(TensorCollection.Name)]
public class TraceTests
{
    [SharedFact("fixtures/trace_sft.json")]
    public void SupervisedFineTuning()
    {
        var trace = Trace.Open("sft");
        // All tokens but the first are learned: a prompt of one token.
        var batch = Trace.Sequences(trace.File.GetProperty("input_ids")).Select(ids => new EncodedExample([ids], 1, new Example { Prompt = "" })).ToList();
        RunOffline(trace, new Sft { Name = "s", Steps = 1, Data = null! }, "A", scalarHead: false, batch, (log, metrics) =>
            Trace.AssertNear(log("mean_token_accuracy"), metrics["mean_token_accuracy"], 1e-5, "mean_token_accuracy"));
    }

    [SharedFact("fixtures/trace_reward.json")]
    public void RewardModel()
    {
        var trace = Trace.Open("reward");
        var batch = trace.File.GetProperty("rows").EnumerateArray().Select(row => new EncodedExample(
            [Trace.Ints(row.GetProperty("chosen_ids")), Trace.Ints(row.GetProperty("rejected_ids"))], 0, new Example { Prompt = "", Margin = row.GetProperty("margin").GetDouble() })).ToList();
        var stage = new RewardModel { Name = "s", Steps = 1, Data = null!, CenterRewardsCoefficient = trace.Hyper("center_rewards_coefficient") };
        RunOffline(trace, stage, "A-rm", scalarHead: true, batch, (log, metrics) =>
        {
            foreach (var name in new[] { "accuracy", "margin", "mean_reward" })
                Trace.AssertNear(log(name), metrics[name], 1e-4, name);
        });
    }

    [SharedFact("fixtures/trace_dpo.json")]
    public void DirectPreferenceOptimisation()
    {
        var trace = Trace.Open("dpo");
        var batch = trace.File.GetProperty("rows").EnumerateArray().Select(row =>
        {
            var prompt = Trace.Ints(row.GetProperty("prompt_ids"));
            int[] Behind(string name) => [.. prompt, .. Trace.Ints(row.GetProperty(name))];
            return new EncodedExample([Behind("chosen_ids"), Behind("rejected_ids")], prompt.Length, new Example { Prompt = "" });
        }).ToList();
        using (var reference = ModelFolder.Load(Shared.Path("fixtures/models/A"), trainable: false))
            OfflineModels.AddReferenceLogProbs(reference, batch, 8192);
        RunOffline(trace, new Dpo { Name = "s", Steps = 1, Data = null!, Beta = trace.Hyper("beta") }, "A-pol", scalarHead: false, batch, (log, metrics) =>
        {
            foreach (var name in new[] { "entropy", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected" })
                Trace.AssertNear(log(name), metrics[name], 1e-4, name);
        });
    }

    [SharedFact("fixtures/trace_grpo.json")]
    public void Grpo()
    {
        var trace = Trace.Open("grpo");
        RunOnline(trace, Tiny.Grpo with
        {
            LossType = GrpoLossType.Dapo,
            Beta = trace.Hyper("beta"),
            Epsilon = trace.Hyper("epsilon"),
            EpsilonHigh = trace.Hyper("epsilon_high"),
            Temperature = trace.Hyper("temperature"),
            NumIterations = (int)trace.Hyper("num_iterations"),
            NumGenerations = (int)trace.Hyper("num_generations"),
            MaxCompletionLength = (int)trace.Hyper("max_completion_length"),
        }, "kl", "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean");
    }

    [SharedFact("fixtures/trace_rloo.json")]
    public void Rloo()
    {
        var trace = Trace.Open("rloo");
        RunOnline(trace, Tiny.Rloo with
        {
            Beta = trace.Hyper("beta"),
            Temperature = trace.Hyper("temperature"),
            NumIterations = (int)trace.Hyper("num_iterations"),
            NumGenerations = (int)trace.Hyper("num_generations"),
            MaxCompletionLength = (int)trace.Hyper("max_completion_length"),
        }, "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean");
    }

    private static void RunOffline(Trace trace, OfflineStage stage, string modelName, bool scalarHead, List<EncodedExample> batch, Action<Func<string, double>, BatchMetrics> check)
    {
        using var model = ModelFolder.Load(Shared.Path($"fixtures/models/{modelName}"), scalarHead);
        using var optimizer = trace.Optimizer(model);
        var learningRate = trace.Hyper("learning_rate");
        foreach (var (step, i) in trace.Steps.Select((step, i) => (step, i)))
        {
            double Log(string name) => Fixture.Number(step.GetProperty("log").GetProperty(name));
            var metrics = OfflineLoop.Accumulate(stage, model, batch, train: true);
            Trace.AssertNear(Log("loss"), metrics["loss"], 1e-4, "loss");
            check(Log, metrics);
            if (step.GetProperty("grads_after_clip") is { ValueKind: JsonValueKind.Object } gradients)
                Trace.AssertGradients(gradients, model, trace.Hyper("max_grad_norm"));
            Trace.AssertNear(Log("grad_norm"), optimizer.Step(learningRate), 1e-4, "grad_norm");
            Trace.AssertParameters(step.GetProperty("params"), model, learningRate, last: i == trace.Steps.Count() - 1);
        }
    }

    private static void RunOnline(Trace trace, OnlineStage stage, params string[] metricNames)
    {
        using var policy = ModelFolder.Load(Shared.Path("fixtures/models/A-pol"));
        using var reference = ModelFolder.Load(Shared.Path("fixtures/models/A"), trainable: false);
        using var optimizer = trace.Optimizer(policy);
        var learningRate = trace.Hyper("learning_rate");
        Rollout? rollout = null;
        foreach (var (step, i) in trace.Steps.Select((step, i) => (step, i)))
        {
            if (i % stage.NumIterations == 0)
            {
                // A new sampling phase: the completions are given, their log-probabilities are those of the policy as it is now.
                rollout = Sampled(trace, policy, reference, stage);
                stage.ComputeAdvantages(rollout, new Dictionary<string, double>(), new BatchMetrics());
            }

            double Log(string name) => Fixture.Number(step.GetProperty("log").GetProperty(name));
            var metrics = new BatchMetrics();
            OnlineLoop.Accumulate(stage, policy, null, rollout!.Trajectories, new BatchShare(rollout.Trajectories.Count, rollout.TokenCount), metrics, firstEpoch: false);
            Trace.AssertNear(Log("loss"), metrics["loss"], 1e-4, $"loss of step {i}");
            foreach (var name in metricNames)
                Trace.AssertNear(Log(name), metrics[name], 1e-4, $"{name} of step {i}");
            if (step.GetProperty("grads_after_clip") is { ValueKind: JsonValueKind.Object } gradients)
                Trace.AssertGradients(gradients, policy, trace.Hyper("max_grad_norm"));
            Trace.AssertNear(Log("grad_norm"), optimizer.Step(learningRate), 1e-3, $"grad_norm of step {i}");
            Trace.AssertParameters(step.GetProperty("params"), policy, learningRate, last: i == trace.Steps.Count() - 1);
        }
    }

    private static Rollout Sampled(Trace trace, Transformer policy, Transformer reference, OnlineStage stage)
    {
        var prompts = Trace.Sequences(trace.File.GetProperty("prompt_ids"));
        var completions = Trace.Sequences(trace.File.GetProperty("completion_ids"));
        var rewards = Fixture.Numbers(trace.File.GetProperty("rewards"));
        var owners = Trace.Sequences(trace.File.GetProperty("order_of_prompts"))[0];
        return new Rollout([.. completions.Select((tokens, i) =>
        {
            var prompt = prompts[owners[i]];
            var trajectory = Tiny.Trajectory(prompt, tokens, Tiny.LogProbs(policy, prompt, tokens, stage.Temperature), i);
            (trajectory.ReferenceLogProbs, trajectory.Score) = (Tiny.LogProbs(reference, prompt, tokens, stage.Temperature), rewards[i]);
            return trajectory;
        })], stage.NumGenerations);
    }
}
