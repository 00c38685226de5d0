using System.Text.Json;
using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>
/// A recorded run of TRL's PPO trainer. It differs from ours in one thing, on purpose: a completion that ends early has one more step behind its stop
/// token, where TRL pays the score and reads the critic; ours pays the score at the stop token, which ends the episode. TRL's step is kept here.
/// </summary>
[Collection(TensorCollection.Name)]
public class PpoTraceTests
{
    [SharedFact("fixtures/trace_ppo.json")]
    public void TrlsRunIsRepeatedStepForStep()
    {
        var trace = Trace.Open("ppo");
        using var policy = ModelFolder.Load(Shared.Path("fixtures/models/A-pol"));
        using var value = ModelFolder.Load(Shared.Path("fixtures/models/A-val"), scalarHead: true);
        using var policyOptimizer = trace.Optimizer(policy);
        using var valueOptimizer = trace.Optimizer(value);
        var learningRate = trace.Hyper("learning_rate");
        JsonElement rollout = default;
        foreach (var (step, i) in trace.Steps.Select((step, i) => (step, i)))
        {
            if (step.TryGetProperty("rollout", out var next) && next.ValueKind == JsonValueKind.Object)
                rollout = next;
            using var scope = NewDisposeScope();
            using var actor = Batch(rollout, extraStep: false);
            using var forward = actor.Forward(policy, trace.Hyper("temperature") + 1e-7);
            var policyLoss = PolicyGradient.PpoClip(actor.LogProbs, actor.OldLogProbs, actor.Advantages, trace.Hyper("cliprange"), trace.Hyper("cliprange"))
                .Aggregate(actor.Mask, Aggregation.TokenMean);
            Near(step, "pg_loss", policyLoss.item<float>(), 1e-4);
            AssertRows(step, "new_logprobs", actor.LogProbs, actor);
            policyLoss.backward();
            forward.Backward();

            using var critic = Batch(rollout, extraStep: true);
            critic.ForwardValues(value);
            var valueLoss = ValueLoss.Clipped(critic.Values!, critic.OldValues!, critic.Returns!, trace.Hyper("cliprange_value")).Aggregate(critic.Mask, Aggregation.TokenMean);
            Near(step, "vf_loss", valueLoss.item<float>(), 1e-3);
            AssertRows(step, "vpred", critic.Values!, critic);
            (trace.Hyper("vf_coef") * valueLoss).backward();
            if (step.TryGetProperty("grads", out var gradients) && gradients.ValueKind == JsonValueKind.Object)
            {
                Trace.AssertGradients(gradients, policy, 0, "policy.");
                Trace.AssertGradients(gradients, value, 0, "value_model.");
            }

            policyOptimizer.Step(learningRate);
            valueOptimizer.Step(learningRate);
        }

        Trace.AssertParameters(trace.File.GetProperty("params_after"), policy, learningRate, last: true, "policy.");
        Trace.AssertParameters(trace.File.GetProperty("params_after"), value, learningRate, last: true, "value_model.");
    }

    /// <summary>What the trainer asked its models before the first update: log-probabilities, reference, values, scores.</summary>
    [SharedFact("fixtures/trace_ppo.json")]
    public void RolloutNumbersAreTrls()
    {
        var trace = Trace.Open("ppo");
        var rollout = trace.Steps.First().GetProperty("rollout");
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = Batch(rollout, extraStep: false);
        using var longer = Batch(rollout, extraStep: true);
        foreach (var (name, folder) in new[] { ("logprobs", "A-pol"), ("ref_logprobs", "A") })
        {
            using var model = ModelFolder.Load(Shared.Path($"fixtures/models/{folder}"), trainable: false);
            using var forward = batch.Forward(model, trace.Hyper("temperature") + 1e-7);
            AssertRows(rollout, name, batch.LogProbs, batch);
        }

        using var value = ModelFolder.Load(Shared.Path("fixtures/models/A-val"), scalarHead: true, trainable: false);
        longer.ForwardValues(value);
        AssertRows(rollout, "values", longer.Values!, longer);
        using var reward = ModelFolder.Load(Shared.Path("fixtures/models/A-rm"), scalarHead: true, trainable: false);
        var scores = RewardModel.LastTokenScores(reward, [.. batch.Trajectories.Select(trajectory => trajectory.AllTokens())]).data<float>().ToArray();
        Fixture.AssertClose(Fixture.Numbers(rollout.GetProperty("scores")), Array.ConvertAll(scores, x => (double)x), 1);
    }

    /// <summary>
    /// Our returns equal TRL's for completions of full length. For one that stops early, TRL's last token sees V behind the stop token through γ and the
    /// score through γλ; with γ = 1 its return differs from ours by (1 − λ)(V_stop − score).
    /// </summary>
    [SharedFact("fixtures/trace_ppo.json")]
    public void ReturnsDifferFromTrlsByTheStepBehindTheStopTokenAlone()
    {
        var trace = Trace.Open("ppo");
        var stage = Tiny.Ppo with
        {
            Beta = trace.Hyper("kl_coef"),
            Gamma = trace.Hyper("gamma"),
            Lam = trace.Hyper("lam"),
            KlEstimator = KlEstimator.K1,
        };
        var rollout = trace.Steps.First().GetProperty("rollout");
        var (returns, values, scores) = (Fixture.Rows(rollout.GetProperty("returns")), Fixture.Rows(rollout.GetProperty("values")), Fixture.Numbers(rollout.GetProperty("scores")));
        var trajectories = Trajectories(rollout, extraStep: false);
        stage.ComputeAdvantages(new Rollout(trajectories, 1), new Dictionary<string, double>(), new BatchMetrics());
        Assert.Equal(1, stage.Gamma);
        foreach (var (trajectory, i) in trajectories.Select((trajectory, i) => (trajectory, i)))
        {
            var early = trajectory.Length < returns[i].Length;
            for (var t = 0; t < trajectory.Length; t++)
            {
                // The difference at the last token, carried back by λ.
                var difference = early ? Math.Pow(stage.Lam, trajectory.Length - 1 - t) * (1 - stage.Lam) * (values[i][trajectory.Length] - scores[i]) : 0;
                Trace.AssertNear(returns[i][t], trajectory.Returns[t] + difference, 1e-5, $"return {t} of completion {i}");
            }
        }

        Assert.Contains(trajectories, trajectory => trajectory.Length < returns[0].Length);
        Assert.Contains(trajectories, trajectory => trajectory.Length == returns[0].Length);
    }

    private static PolicyBatch Batch(JsonElement rollout, bool extraStep) => Tiny.Batch(Trajectories(rollout, extraStep));

    /// <summary>TRL's rollout as trajectories; with the step behind the stop token where the critic is meant.</summary>
    private static Trajectory[] Trajectories(JsonElement rollout, bool extraStep)
    {
        var (all, responses) = (Trace.Sequences(rollout.GetProperty("query_responses")), Trace.Sequences(rollout.GetProperty("responses")));
        float[][] Column(string name) => [.. Fixture.Rows(rollout.GetProperty(name)).Select(Fixture.Floats)];
        var (logProbs, reference, values, advantages, returns) = (Column("logprobs"), Column("ref_logprobs"), Column("values"), Column("advantages"), Column("returns"));
        var scores = Fixture.Numbers(rollout.GetProperty("scores"));
        return [.. Trace.Ints(rollout.GetProperty("sequence_lengths")).Select((last, i) =>
        {
            var length = Math.Min(responses[i].Length, last + (extraStep ? 2 : 1));
            // Short queries are padded on the left.
            var trajectory = Tiny.Trajectory([.. all[i][..^responses[i].Length].SkipWhile(id => id == 0)], responses[i][..length], logProbs[i][..length], i);
            trajectory.ReferenceLogProbs = reference[i][..length];
            trajectory.Values = values[i][..length];
            trajectory.Advantages = advantages[i][..length];
            trajectory.Returns = returns[i][..length];
            trajectory.Score = scores[i];
            return trajectory;
        })];
    }

    private static void Near(JsonElement step, string name, double actual, double relative) => Trace.AssertNear(step.GetProperty(name).GetDouble(), actual, relative, name);

    /// <summary>Compares a (B, T) tensor where it counts; <c>order</c> is the row order of the recorded numbers, where there is one.</summary>
    private static void AssertRows(JsonElement record, string name, Tensor actual, PolicyBatch batch)
    {
        var rows = Fixture.Rows(record.GetProperty(name));
        var order = record.TryGetProperty("order", out var given) ? Trace.Ints(given) : [.. Enumerable.Range(0, rows.Length)];
        // Rounding grows from step to step; before the first there is none to grow.
        var tolerance = record.TryGetProperty("order", out _) ? 2e-3 : 2e-5;
        var values = actual.detach().contiguous().data<float>().ToArray();
        for (var r = 0; r < rows.Length; r++)
        {
            for (var t = 0; t < batch.Trajectories[order[r]].Length; t++)
                Assert.True(Math.Abs(rows[r][t] - values[order[r] * batch.Width + t]) < tolerance, $"{name}[{r}, {t}]: expected {rows[r][t]}, got {values[order[r] * batch.Width + t]}");
        }
    }
}
