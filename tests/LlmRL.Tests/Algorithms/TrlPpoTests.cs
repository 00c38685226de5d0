using System.Text.Json;
using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>
/// PPO against TRL's own (fixtures; their README says how they were made). The policy's half is TRL's. Its critic also learns a step behind the stop token,
/// where it pays the score of completions that end early; ours ends with the last token. That step is kept here for the critic.
/// </summary>
[Collection(TensorCollection.Name)]
public class TrlPpoTests
{
    private readonly JsonElement file, inputs;
    private readonly double[][] ids = [];
    private readonly int context;

    public TrlPpoTests()
    {
        Native.Startup.Prepare();
        if (!File.Exists(Shared.Path("fixtures/ppo.json")))
            return;
        file = Fixture.Read("ppo.json");
        inputs = file.GetProperty("inputs");
        ids = Fixture.Rows(inputs.GetProperty("query_responses"));
        context = file.GetProperty("context_length").GetInt32();
    }

    private IEnumerable<JsonElement> Cases => file.GetProperty("cases").EnumerateArray();

    /// <summary>What is asked of the models at sampling time: log-probabilities of the policy and of the reference, and the KL that the reward is charged.</summary>
    [SharedFact("fixtures/ppo.json")]
    public void LogProbabilitiesAndKl()
    {
        foreach (var setting in Cases)
        {
            using var scope = NewDisposeScope();
            var trajectories = Trajectories(setting, "padding_mask");
            using var batch = Tiny.Batch(trajectories);
            foreach (var (logits, name) in new[] { ("logits_old", "logprobs"), ("logits_ref", "ref_logprobs"), ("logits_new", "new_logprobs") })
            {
                using var head = Head(setting, logits, trajectories);
                Trl.AssertRows(setting.GetProperty(name), batch.ToCells(head.Scores.LogProbs), trajectories);
            }

            var (kl, charged) = (Fixture.Rows(setting.GetProperty("kl")), Fixture.Rows(setting.GetProperty("non_score_reward")));
            var estimator = Fixture.Choice<KlEstimator>(setting, "kl_estimator");
            for (var b = 0; b < trajectories.Length; b++)
            {
                double[] actual = [.. trajectories[b].LogProbs.Zip(trajectories[b].ReferenceLogProbs, (policy, reference) => KlReward.Estimate(estimator, policy, reference))];
                Fixture.AssertClose(kl[b][..actual.Length], actual);
                Fixture.AssertClose(charged[b][..actual.Length], Array.ConvertAll(actual, x => -setting.GetProperty("kl_coef").GetDouble() * x));
            }
        }
    }

    [SharedFact("fixtures/ppo.json")]
    public void PolicyLossGradientAndMetrics()
    {
        foreach (var setting in Cases)
        {
            using var scope = NewDisposeScope();
            var trajectories = Trajectories(setting, "padding_mask");
            using var batch = Tiny.Batch(trajectories);
            using var head = Head(setting, "logits_new", trajectories);
            batch.LogProbs = batch.ToCells(head.Scores.LogProbs);
            batch.Entropies = batch.ToCells(head.Scores.Entropies!);
            batch.Values = Predicted(setting);
            var stage = Stage(setting);
            var loss = stage.Loss(batch);
            loss.backward();
            void Near(string trl, string ours, double factor = 1, double relative = Trl.Loss) =>
                Trl.AssertNear(setting.GetProperty(trl).GetDouble(), factor * batch.Metrics[ours], relative, ours);
            Near("pg_loss", "loss/policy_avg", relative: 2e-5);
            Near("pg_clipfrac", "policy/clipfrac_avg");
            // TRL's mean runs over the padding, too, where the difference is 0.
            var tokens = (double)trajectories.Sum(trajectory => trajectory.Length);
            Near("approxkl", "policy/approxkl_avg", tokens / batch.LogProbs.numel());
            Trl.AssertRows(setting.GetProperty("ratio"), (batch.LogProbs - batch.OldLogProbs).exp(), trajectories);
            Trl.AssertNear(loss.item<float>(), batch.Metrics["loss/policy_avg"] + stage.VfCoef * batch.Metrics["loss/value_avg"]);
            head.AssertGradient(setting.GetProperty("grad_logits"));
        }
    }

    /// <summary>TRL's mean entropy is that of all positions of the padded batch; so every completion is taken as long as the longest here.</summary>
    [SharedFact("fixtures/ppo.json")]
    public void Entropy()
    {
        foreach (var setting in Cases)
        {
            using var scope = NewDisposeScope();
            var logProbs = Fixture.Rows(setting.GetProperty("logprobs"));
            var trajectories = Trl.Trajectories([.. logProbs.Select(row => Array.ConvertAll(row, _ => 1.0))], logProbs, logProbs);
            using var head = Head(setting, "logits_new", trajectories);
            Trl.AssertNear(setting.GetProperty("entropy").GetDouble(), head.Scores.Entropies!.mean().item<float>());
        }
    }

    [SharedFact("fixtures/ppo.json")]
    public void ValueLossGradientAndMetrics()
    {
        foreach (var setting in Cases)
        {
            using var scope = NewDisposeScope();
            var trajectories = Trajectories(setting, "padding_mask_p1");
            using var batch = Tiny.Batch(trajectories);
            using var predicted = Predicted(setting).requires_grad_();
            (batch.LogProbs, batch.Entropies, batch.Values) = (batch.OldLogProbs, zeros_like(batch.OldLogProbs), predicted);
            var stage = Stage(setting);
            stage.Loss(batch).backward();
            Trl.AssertNear(setting.GetProperty("vf_loss").GetDouble(), batch.Metrics["loss/value_avg"]);
            Trl.AssertNear(setting.GetProperty("vf_clipfrac").GetDouble(), batch.Metrics["val/clipfrac_avg"]);
            Trl.AssertNear(setting.GetProperty("loss").GetDouble(), setting.GetProperty("pg_loss").GetDouble() + stage.VfCoef * batch.Metrics["loss/value_avg"]);
            Trl.AssertGradient([.. Fixture.Rows(setting.GetProperty("grad_value")).SelectMany(row => row[(context - 1)..(context - 1 + batch.Width)])], predicted.grad!);
        }
    }

    /// <summary>
    /// From the logits to the losses in float64, with the equations alone. TRL's n/(n − 1) of the whitening is a quotient of integers, which PyTorch takes in
    /// float32 whatever the rest is in: that is the 2e-8 by which the advantages differ.
    /// </summary>
    [SharedFact("fixtures/ppo.json")]
    public void EverythingInDoublePrecision()
    {
        const double tolerance = 5e-8;
        foreach (var setting in Cases)
        {
            using var scope = NewDisposeScope();
            var (mask, longer) = (Trl.Inverted(setting.GetProperty("padding_mask")), Trl.Inverted(setting.GetProperty("padding_mask_p1")));
            var (old, reference, current) = (LogProbs(setting, "logits_old"), LogProbs(setting, "logits_ref"), LogProbs(setting, "logits_new"));
            var (oldRows, referenceRows, values) = (Rows(old), Rows(reference), Rows(Doubles(inputs.GetProperty("values_old")).narrow(1, context - 1, old.size(1))));
            var (advantages, returns) = Estimates(setting, mask, longer, oldRows, referenceRows, values);
            var expected = Fixture.Rows(setting.GetProperty("f64").GetProperty("advantages"));
            for (var b = 0; b < advantages.Length; b++)
                for (var t = 0; t < mask[b].Sum(); t++)
                    Trl.AssertNear(expected[b][t], advantages[b][t], tolerance, $"advantage [{b}, {t}]");

            double Range(string name) => setting.GetProperty(name).GetDouble();
            Tensor Matrix(double[][] rows) => tensor(rows.SelectMany(row => row).ToArray()).view(rows.Length, -1);
            var policy = PolicyGradient.PpoClip(current, old, Matrix(advantages), Range("cliprange"), Range("cliprange")).Aggregate(new ResponseMask(Matrix(mask)), Aggregation.TokenMean);
            var predicted = Doubles(inputs.GetProperty("values_new")).narrow(1, context - 1, old.size(1));
            var value = ValueLoss.Clipped(predicted, Matrix(values), Matrix(returns), Range("cliprange_value")).Aggregate(new ResponseMask(Matrix(longer)), Aggregation.TokenMean);
            void Near(string name, double actual) => Trl.AssertNear(setting.GetProperty("f64").GetProperty(name).GetDouble(), actual, tolerance, name);
            Near("pg_loss", policy.item<double>());
            Near("vf_loss", value.item<double>());
            Near("loss", policy.item<double>() + Range("vf_coef") * value.item<double>());
        }
    }

    /// <summary>Advantages (whitened) and returns of padded rows, with TRL's step behind the stop token.</summary>
    private (double[][] Advantages, double[][] Returns) Estimates(JsonElement setting, double[][] mask, double[][] longer, double[][] old, double[][] reference, double[][] values)
    {
        var (scores, width) = (Fixture.Floats(Fixture.Numbers(inputs.GetProperty("scores"))), mask[0].Length);
        var unbiased = Fixture.Text(setting, "whitening_variance").StartsWith("unbiased", StringComparison.Ordinal);
        bool[] Flags(double[][] rows) => [.. rows.SelectMany(row => row).Select(x => x > 0)];
        double[] rewards = [.. Enumerable.Range(0, mask.Length).SelectMany(b => Enumerable.Range(0, width).Select(t =>
            (mask[b][t] > 0 ? -setting.GetProperty("kl_coef").GetDouble() * KlReward.Estimate(Fixture.Choice<KlEstimator>(setting, "kl_estimator"), old[b][t], reference[b][t]) : 0)
            + (t == (int)longer[b].Sum() - 1 ? scores[b] : 0)))];
        if (setting.GetProperty("whiten_rewards").GetBoolean())
            Whiten.Masked(rewards, Flags(longer), shiftMean: false, unbiased, rewards);
        var (advantages, returns) = (new double[mask.Length][], new double[mask.Length][]);
        for (var b = 0; b < mask.Length; b++)
        {
            var steps = (int)longer[b].Sum();
            (advantages[b], returns[b]) = (new double[width], new double[width]);
            var row = values[b].AsSpan(0, steps);
            Gae.Advantages(rewards.AsSpan(b * width, steps), row, setting.GetProperty("gamma").GetDouble(), setting.GetProperty("lam").GetDouble(), advantages[b].AsSpan(0, steps));
            Gae.Returns(advantages[b].AsSpan(0, steps), row, returns[b].AsSpan(0, steps));
        }

        var flat = advantages.SelectMany(row => row).ToArray();
        Whiten.Masked(flat, Flags(mask), shiftMean: true, unbiased, flat);
        return ([.. flat.Chunk(width)], returns);
    }

    /// <summary>Trajectories as long as a padding mask leaves them, with everything that TRL computed of them.</summary>
    private static Trajectory[] Trajectories(JsonElement setting, string paddingMask)
    {
        double[][] Rows(string name) => Fixture.Rows(setting.GetProperty(name));
        var trajectories = Trl.Trajectories(Trl.Inverted(setting.GetProperty(paddingMask)), Rows("logprobs"), Rows("ref_logprobs"));
        var (advantages, returns, values) = (Rows("advantages"), Rows("returns"), Rows("values"));
        foreach (var (trajectory, i) in trajectories.Select((trajectory, i) => (trajectory, i)))
        {
            trajectory.Advantages = Fixture.Floats(advantages[i][..trajectory.Length]);
            trajectory.Returns = Fixture.Floats(returns[i][..trajectory.Length]);
            trajectory.Values = Fixture.Floats(values[i][..trajectory.Length]);
        }

        return trajectories;
    }

    private static Ppo Stage(JsonElement setting) => Tiny.Ppo with
    {
        Cliprange = setting.GetProperty("cliprange").GetDouble(),
        CliprangeValue = setting.GetProperty("cliprange_value").GetDouble(),
        VfCoef = setting.GetProperty("vf_coef").GetDouble(),
    };

    // TRL divides by this, so that a temperature of 0 is no division by 0.
    private static double Temperature(JsonElement setting) => setting.GetProperty("temperature").GetDouble() + 1e-7;

    private static Tensor Predicted(JsonElement setting) => Fixture.Matrix(Fixture.Rows(setting.GetProperty("vpred")));

    private static double[][] Rows(Tensor matrix) => [.. matrix.contiguous().data<double>().ToArray().Chunk((int)matrix.size(1))];

    private static Tensor Doubles(JsonElement rows) => Fixture.Matrix(Fixture.Rows(rows), ScalarType.Float64);

    private IdentityHead Head(JsonElement setting, string logits, Trajectory[] trajectories) => new(inputs.GetProperty(logits), ids, trajectories, context, Temperature(setting));

    /// <summary>log π of all responses, padding included, in float64.</summary>
    private Tensor LogProbs(JsonElement setting, string name)
    {
        var logits = stack([.. inputs.GetProperty(name).EnumerateArray().Select(Doubles)]);
        var targets = tensor(ids.SelectMany(row => row[context..].Select(id => (long)id)).ToArray()).view(ids.Length, -1, 1);
        return (logits.narrow(1, context - 1, targets.size(1)) / Temperature(setting)).log_softmax(-1).gather(2, targets).squeeze(2);
    }
}
