using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>GRPO's family of losses, their gradients and metrics against TRL's own (fixtures; their README says how they were made).</summary>
[Collection(TensorCollection.Name)]
public class TrlGrpoTests
{
    // luspo and sapo are TRL's alone.
    private static readonly string[] KnownLossTypes = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"];

    public TrlGrpoTests() => Native.Startup.Prepare();

    [SharedFact("fixtures/grpo_loss.json")]
    public void LossGradientAndMetrics()
    {
        var inputs = Inputs(out var cases);
        foreach (var setting in cases)
        {
            using var scope = NewDisposeScope();
            var current = Fixture.Rows(inputs.GetProperty("per_token_logps"));
            var mask = Fixture.Rows(inputs.GetProperty(Fixture.Text(setting, "mask")));
            var trajectories = Trl.Trajectories(mask, Old(inputs, setting), Fixture.Rows(inputs.GetProperty("ref_per_token_logps")));
            Trl.SetAdvantages(trajectories, Fixture.Numbers(inputs.GetProperty("advantages")));
            using var batch = new PolicyBatch(trajectories, CPU, ShareOf(setting, trajectories)) { Metrics = new BatchMetrics() };
            using var logProbs = Fixture.Matrix(current).requires_grad_();
            batch.LogProbs = logProbs;
            var loss = StageOf(setting).Loss(batch);
            loss.backward();
            Trl.AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>());
            Trl.AssertGradient(setting.GetProperty("grad_per_token_logps"), logProbs.grad!);
            // The mean of the entropies that TRL was given: a mean over the mask, as all metrics are.
            batch.Metrics.Add("entropy", batch.Mask.Mean(Fixture.Matrix(Fixture.Rows(inputs.GetProperty("entropies")))).item<float>(), 1);
            // TRL's extremes are not logged here.
            foreach (var metric in setting.GetProperty("metrics").EnumerateObject().Where(metric => metric.Name is not ("clip_ratio/low_min" or "clip_ratio/high_max")))
                Trl.AssertNear(Fixture.Number(metric.Value), batch.Metrics[metric.Name], what: metric.Name);
        }
    }

    /// <summary>The equations themselves, in float64, put together here: nine digits.</summary>
    [SharedFact("fixtures/grpo_loss.json")]
    public void LossAndGradientInDoublePrecision()
    {
        var inputs = Inputs(out var cases);
        foreach (var setting in cases)
        {
            using var scope = NewDisposeScope();
            Tensor Input(string name) => Fixture.Matrix(Fixture.Rows(inputs.GetProperty(name)), ScalarType.Float64);
            using var logProbs = Input("per_token_logps").requires_grad_();
            var loss = Aggregate(setting, Losses(inputs, setting, logProbs), new ResponseMask(Input(Fixture.Text(setting, "mask"))));
            loss.backward();
            Trl.AssertNear(setting.GetProperty("loss_f64").GetDouble(), loss.item<double>(), Trl.Double);
            Trl.AssertNear(setting.GetProperty("grad_f64_norm").GetDouble(), logProbs.grad!.square().sum().sqrt().item<double>(), Trl.Double, "gradient norm");
        }
    }

    /// <summary>With hidden states = logits and the identity as head, the gradient of the hidden states is that of the logits.</summary>
    [SharedFact("fixtures/grpo_loss.json")]
    public void FromLogits()
    {
        var inputs = Inputs(out _);
        var section = Fixture.Read("grpo_loss.json").GetProperty("from_logits");
        var prompt = section.GetProperty("prompt_len").GetInt32();
        var ids = Fixture.Rows(section.GetProperty("input_ids"));
        var mask = Fixture.Rows(inputs.GetProperty("mask"));
        foreach (var setting in section.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var trajectories = Trl.Trajectories(mask, Fixture.Rows(inputs.GetProperty("old_per_token_logps")), Fixture.Rows(inputs.GetProperty("ref_per_token_logps")));
            Trl.SetAdvantages(trajectories, Fixture.Numbers(inputs.GetProperty("advantages")));
            var temperature = setting.GetProperty("temperature").GetDouble();
            using var head = new IdentityHead(section.GetProperty("logits"), ids, trajectories, prompt, temperature);
            using var batch = new PolicyBatch(trajectories, CPU, ShareOf(setting, trajectories)) { Metrics = new BatchMetrics() };
            batch.LogProbs = batch.ToCells(head.Scores.LogProbs);
            batch.Entropies = batch.ToCells(head.Scores.Entropies!);
            Trl.AssertRows(setting.GetProperty("per_token_logps"), batch.LogProbs, trajectories);
            Trl.AssertRows(setting.GetProperty("entropies"), batch.Entropies, trajectories);
            var loss = StageOf(setting).Loss(batch);
            Trl.AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>());
            loss.backward();
            head.AssertGradient(setting.GetProperty("grad_logits"));

            var logits = stack([.. section.GetProperty("logits").EnumerateArray().Select(row => Fixture.Matrix(Fixture.Rows(row), ScalarType.Float64))]);
            var targets = tensor(ids.SelectMany(row => row[prompt..].Select(id => (long)id)).ToArray()).view(ids.Length, -1, 1);
            var logProbs = (logits.narrow(1, prompt - 1, targets.size(1)) / temperature).log_softmax(-1).gather(2, targets).squeeze(2);
            var scalar = Aggregate(setting, Losses(inputs, setting, logProbs), new ResponseMask(Fixture.Matrix(mask, ScalarType.Float64)));
            Trl.AssertNear(setting.GetProperty("loss_f64").GetDouble(), scalar.item<double>(), Trl.Double);
        }
    }

    private static JsonElement Inputs(out List<JsonElement> cases)
    {
        var file = Fixture.Read("grpo_loss.json");
        cases = [.. file.GetProperty("cases").EnumerateArray().Where(setting => KnownLossTypes.Contains(Fixture.Text(setting, "loss_type")))];
        Assert.Equal(KnownLossTypes.Order(), cases.Select(setting => Fixture.Text(setting, "loss_type")).Distinct().Order());
        return file.GetProperty("inputs");
    }

    /// <summary>log π_old as given; where TRL was given none, that of the policy itself.</summary>
    private static double[][] Old(JsonElement inputs, JsonElement setting) => Fixture.Rows(inputs.GetProperty(
        setting.TryGetProperty("old", out var old) && old.GetString() != "old_per_token_logps" ? "per_token_logps" : "old_per_token_logps"));

    /// <summary>ℓ of every token in float64.</summary>
    private static Tensor Losses(JsonElement inputs, JsonElement setting, Tensor logProbs)
    {
        Tensor Input(double[][] rows) => Fixture.Matrix(rows, ScalarType.Float64);
        var stage = StageOf(setting);
        var old = Input(Old(inputs, setting));
        var advantages = Input([.. Fixture.Numbers(inputs.GetProperty("advantages")).Select(advantage => new[] { advantage })]);
        var mask = new ResponseMask(Input(Fixture.Rows(inputs.GetProperty(setting.TryGetProperty("mask", out var name) ? name.GetString()! : "mask"))));
        var trained = stage.ImportanceSamplingLevel == ImportanceSamplingLevel.Sequence ? old + PolicyGradient.SequenceLogRatio(logProbs, old, mask) : logProbs;
        var losses = stage.LossType == GrpoLossType.Cispo
            ? PolicyGradient.Cispo(trained, old, advantages, stage.EpsilonHigh!.Value)
            : PolicyGradient.PpoClip(trained, old, advantages, stage.Epsilon, stage.EpsilonHigh!.Value);
        return losses + stage.Beta * KlLoss.K3(logProbs, Input(Fixture.Rows(inputs.GetProperty("ref_per_token_logps"))));
    }

    private static Tensor Aggregate(JsonElement setting, Tensor losses, ResponseMask mask)
    {
        var stage = StageOf(setting);
        var share = ShareOf(setting, (int)mask.Sequences, (int)mask.Count().item<double>());
        return losses.Aggregate(mask, stage.Aggregation, share.For(stage.Aggregation), stage.MaxCompletionLength);
    }

    private static BatchShare ShareOf(JsonElement setting, Trajectory[] trajectories) =>
        ShareOf(setting, trajectories.Length, trajectories.Where(trajectory => trajectory.Counts).Sum(trajectory => trajectory.Length));

    /// <summary>
    /// TRL's bnpo and its accumulation divide each micro-batch by its own size; ours divides by the whole batch's, so that the cut does not matter. The two
    /// agree when all micro-batches are alike, which is what the share says here. dapo and cispo are the same thing in both.
    /// </summary>
    private static BatchShare ShareOf(JsonElement setting, int sequences, int tokens)
    {
        var accumulation = setting.TryGetProperty("gradient_accumulation_steps", out var steps) ? steps.GetInt32() : 1;
        var whole = Fixture.Text(setting, "loss_type") is "dapo" or "cispo" ? setting.GetProperty("num_items_in_batch").GetInt32() : tokens * accumulation;
        return new BatchShare(sequences * accumulation, whole);
    }

    private static Grpo StageOf(JsonElement setting) => Tiny.Grpo with
    {
        Beta = setting.GetProperty("beta").GetDouble(),
        LossType = Fixture.Choice<GrpoLossType>(setting, "loss_type"),
        ImportanceSamplingLevel = setting.TryGetProperty("importance_sampling_level", out _)
            ? Fixture.Choice<ImportanceSamplingLevel>(setting, "importance_sampling_level")
            : ImportanceSamplingLevel.Token,
        Epsilon = setting.TryGetProperty("epsilon", out var low) ? low.GetDouble() : 0.2,
        EpsilonHigh = setting.TryGetProperty("epsilon_high", out var high) ? high.GetDouble() : 0.28,
        MaxCompletionLength = setting.TryGetProperty("max_completion_length", out var length) ? length.GetInt32() : 10,
    };
}
