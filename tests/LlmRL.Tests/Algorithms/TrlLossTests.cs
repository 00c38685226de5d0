using System.Text.Json;
using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>Losses, their gradients and their metrics against TRL's own (fixtures; their README says how they were made).</summary>
[Collection(TensorCollection.Name)]
public class TrlLossTests
{
    private static readonly string[] KnownLossTypes = ["grpo", "bnpo", "dr_grpo", "dapo"];

    [SharedFact("fixtures/grpo_loss.json")]
    public void GrpoLossGradientAndMetrics()
    {
        var file = Fixture.Read("grpo_loss.json");
        var inputs = file.GetProperty("inputs");
        var cases = file.GetProperty("cases").EnumerateArray().Where(setting => KnownLossTypes.Contains(Text(setting, "loss_type"))).ToList();
        Assert.NotEmpty(cases);
        foreach (var setting in cases)
        {
            using var scope = NewDisposeScope();
            var current = Fixture.Rows(inputs.GetProperty("per_token_logps"));
            var old = setting.GetProperty("old").GetString() == "old_per_token_logps" ? Fixture.Rows(inputs.GetProperty("old_per_token_logps")) : current;
            var trajectories = Rows(Fixture.Rows(inputs.GetProperty(Text(setting, "mask"))), old, Fixture.Rows(inputs.GetProperty("ref_per_token_logps")));
            SetAdvantages(trajectories, Fixture.Numbers(inputs.GetProperty("advantages")));
            using var batch = new PolicyBatch(trajectories, CPU, ShareOf(setting, trajectories)) { Metrics = new BatchMetrics() };
            using var logProbs = tensor(Flat(current)).view(current.Length, -1).requires_grad_();
            batch.LogProbs = logProbs;
            var loss = StageOf(setting).Loss(batch);
            loss.backward();
            AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-5);
            AssertGradient(setting.GetProperty("grad_per_token_logps"), logProbs.grad!);
            foreach (var name in new[] { "kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean" })
            {
                if (setting.GetProperty("metrics").TryGetProperty(name, out var expected))
                    AssertNear(Fixture.Number(expected), batch.Metrics[name], 1e-5, name);
            }
        }
    }

    /// <summary>With hidden states = logits and the identity as head, the gradient of the hidden states is that of the logits.</summary>
    [SharedFact("fixtures/grpo_loss.json")]
    public void GrpoFromLogits()
    {
        var file = Fixture.Read("grpo_loss.json");
        var (inputs, section) = (file.GetProperty("inputs"), file.GetProperty("from_logits"));
        var prompt = section.GetProperty("prompt_len").GetInt32();
        var ids = Fixture.Rows(section.GetProperty("input_ids"));
        var mask = Fixture.Rows(inputs.GetProperty("mask"));
        foreach (var setting in section.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var trajectories = Rows(mask, Fixture.Rows(inputs.GetProperty("old_per_token_logps")), Fixture.Rows(inputs.GetProperty("ref_per_token_logps")));
            SetAdvantages(trajectories, Fixture.Numbers(inputs.GetProperty("advantages")));
            using var head = new IdentityHead(section.GetProperty("logits"), ids, trajectories, prompt, setting.GetProperty("temperature").GetDouble());
            using var batch = new PolicyBatch(trajectories, CPU, ShareOf(setting, trajectories)) { Metrics = new BatchMetrics() };
            batch.LogProbs = batch.ToCells(head.Scores.LogProbs);
            batch.Entropies = batch.ToCells(head.Scores.Entropies!);
            foreach (var (name, actual) in new[] { ("per_token_logps", batch.LogProbs), ("entropies", batch.Entropies) })
            {
                var expected = Fixture.Rows(setting.GetProperty(name));
                for (var b = 0; b < trajectories.Length; b++)
                    Fixture.AssertClose(expected[b][..trajectories[b].Length], Floats(actual[b])[..trajectories[b].Length], 1);
            }

            var loss = StageOf(setting).Loss(batch);
            AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-5);
            loss.backward();
            head.AssertGradient(setting.GetProperty("grad_logits"));
        }
    }

    [SharedFact("fixtures/rloo.json")]
    public void RlooAdvantagesLossAndGradient()
    {
        var file = Fixture.Read("rloo.json");
        var inputs = file.GetProperty("inputs");
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var trajectories = Rows(Fixture.Rows(inputs.GetProperty("mask")), Fixture.Rows(inputs.GetProperty("old_per_token_logps")), Fixture.Rows(inputs.GetProperty("ref_per_token_logps")));
            var scores = Scores(Fixture.Rows(inputs.GetProperty(Text(setting, "rewards"))), setting);
            for (var i = 0; i < trajectories.Length; i++)
                trajectories[i].Score = scores[i];
            var stage = new Rloo
            {
                Name = "s",
                Steps = 1,
                Policy = "",
                Data = null!,
                Reward = null!,
                Beta = setting.GetProperty("beta").GetDouble(),
                NormalizeAdvantages = setting.GetProperty("normalize_advantages").GetBoolean(),
                Epsilon = setting.GetProperty("epsilon").GetDouble(),
                EpsilonHigh = setting.GetProperty("epsilon_high").GetDouble(),
            };
            stage.ComputeAdvantages(new Rollout(trajectories, file.GetProperty("num_generations").GetInt32()), new Dictionary<string, double>(), new BatchMetrics());
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("advantages")), [.. trajectories.Select(trajectory => (double)trajectory.Advantages[0])]);

            using var batch = new PolicyBatch(trajectories, CPU, new BatchShare(trajectories.Length, trajectories.Sum(trajectory => trajectory.Length))) { Metrics = new BatchMetrics() };
            var current = Fixture.Rows(inputs.GetProperty("new_per_token_logps"));
            using var logProbs = tensor(Flat(current)).view(current.Length, -1).requires_grad_();
            batch.LogProbs = logProbs;
            var loss = stage.Loss(batch);
            loss.backward();
            AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-5);
            AssertGradient(setting.GetProperty("grad_per_token_logps"), logProbs.grad!);
            // Whether a ratio is held back depends on the advantage's sign, which is rounding's where equal rewards cancel.
            if (Fixture.Numbers(setting.GetProperty("advantages")).Any(advantage => Math.Abs(advantage) is > 0 and < 1e-6))
                continue;
            AssertNear(setting.GetProperty("clip_ratio").GetDouble(), batch.Metrics["clip_ratio/region_mean"], 1e-5);
        }
    }

    /// <summary>
    /// The policy's half is TRL's. Its critic also learns a step behind the stop token, where it pays the score of completions that end early; ours ends with
    /// the last token. So the value loss is compared over TRL's steps, and the stage's own over ours.
    /// </summary>
    [SharedFact("fixtures/ppo.json")]
    public void PpoLossesAndGradients()
    {
        var file = Fixture.Read("ppo.json");
        var inputs = file.GetProperty("inputs");
        var (context, ids) = (file.GetProperty("context_length").GetInt32(), Fixture.Rows(inputs.GetProperty("query_responses")));
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var trajectories = Rows(Inverted(setting.GetProperty("padding_mask")), Fixture.Rows(setting.GetProperty("logprobs")), Fixture.Rows(setting.GetProperty("ref_logprobs")));
            var (advantages, returns, values) = (Fixture.Rows(setting.GetProperty("advantages")), Fixture.Rows(setting.GetProperty("returns")), Fixture.Rows(setting.GetProperty("values")));
            foreach (var (trajectory, i) in trajectories.Select((trajectory, i) => (trajectory, i)))
            {
                trajectory.Advantages = Fixture.Floats(advantages[i][..trajectory.Length]);
                trajectory.Returns = Fixture.Floats(returns[i][..trajectory.Length]);
                trajectory.Values = Fixture.Floats(values[i][..trajectory.Length]);
            }

            var stage = new Ppo
            {
                Name = "s",
                Steps = 1,
                Policy = "",
                Data = null!,
                Reward = null!,
                Cliprange = setting.GetProperty("cliprange").GetDouble(),
                CliprangeValue = setting.GetProperty("cliprange_value").GetDouble(),
                VfCoef = setting.GetProperty("vf_coef").GetDouble(),
            };
            var share = new BatchShare(trajectories.Length, trajectories.Sum(trajectory => trajectory.Length));
            using var batch = new PolicyBatch(trajectories, CPU, share) { Metrics = new BatchMetrics() };
            using var head = new IdentityHead(inputs.GetProperty("logits_new"), ids, trajectories, context, setting.GetProperty("temperature").GetDouble() + 1e-7);
            batch.LogProbs = batch.ToCells(head.Scores.LogProbs);
            batch.Entropies = batch.ToCells(head.Scores.Entropies!);
            var predicted = tensor(Flat(Fixture.Rows(setting.GetProperty("vpred")))).view(trajectories.Length, -1);
            batch.Values = predicted;
            var loss = stage.Loss(batch);
            loss.backward();
            AssertNear(setting.GetProperty("pg_loss").GetDouble(), batch.Metrics["loss/policy_avg"], 2e-5);
            AssertNear(setting.GetProperty("pg_clipfrac").GetDouble(), batch.Metrics["policy/clipfrac_avg"], 1e-5);
            AssertNear(loss.item<float>(), batch.Metrics["loss/policy_avg"] + stage.VfCoef * batch.Metrics["loss/value_avg"], 1e-5);
            head.AssertGradient(setting.GetProperty("grad_logits"));

            var mask = new ResponseMask(tensor(Flat(Inverted(setting.GetProperty("padding_mask_p1")))).view(trajectories.Length, -1));
            using var trained = predicted.clone().requires_grad_();
            Tensor Matrix(double[][] rows) => tensor(Flat(rows)).view(rows.Length, -1);
            var valueLoss = mask.Mean(ValueLoss.Clipped(trained, Matrix(values), Matrix(returns), stage.CliprangeValue));
            AssertNear(setting.GetProperty("vf_loss").GetDouble(), valueLoss.item<float>(), 1e-5);
            (stage.VfCoef * valueLoss).backward();
            var expected = Fixture.Rows(setting.GetProperty("grad_value"));
            var width = (int)predicted.size(1);
            AssertGradient([.. expected.SelectMany(row => row[(context - 1)..(context - 1 + width)])], Floats(trained.grad!));
            AssertNear(setting.GetProperty("loss").GetDouble(), batch.Metrics["loss/policy_avg"] + stage.VfCoef * valueLoss.item<float>(), 1e-5);
        }
    }

    [SharedFact("fixtures/reward_bt.json")]
    public void BradleyTerryLossAndGradient()
    {
        var file = Fixture.Read("reward_bt.json");
        var (all, margins) = (Fixture.Numbers(file.GetProperty("inputs").GetProperty("rewards")), Fixture.Numbers(file.GetProperty("inputs").GetProperty("margin")));
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            using var rewards = tensor(Fixture.Floats(all)).requires_grad_();
            var coefficient = setting.GetProperty("center_rewards_coefficient");
            var loss = PreferenceLosses.BradleyTerry(rewards.narrow(0, 0, margins.Length), rewards.narrow(0, margins.Length, margins.Length),
                setting.GetProperty("margin").GetBoolean() ? tensor(Fixture.Floats(margins)) : null, coefficient.ValueKind == JsonValueKind.Null ? 0 : coefficient.GetDouble()).mean();
            loss.backward();
            AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-5);
            AssertGradient(setting.GetProperty("grad_rewards"), rewards.grad!);
        }
    }

    /// <summary>
    /// TRL's bnpo and its accumulation divide each micro-batch by its own size; ours divides by the whole batch's, so that the cut does not matter. The two
    /// agree when all micro-batches are alike, which is what the share says here. dapo is the same thing in both.
    /// </summary>
    private static BatchShare ShareOf(JsonElement setting, Trajectory[] trajectories)
    {
        var accumulation = setting.TryGetProperty("gradient_accumulation_steps", out var steps) ? steps.GetInt32() : 1;
        var tokens = trajectories.Where(trajectory => trajectory.Counts).Sum(trajectory => trajectory.Length) * accumulation;
        return new BatchShare(trajectories.Length * accumulation, Text(setting, "loss_type") == "dapo" ? setting.GetProperty("num_items_in_batch").GetInt32() : tokens);
    }

    private static Grpo StageOf(JsonElement setting) => new()
    {
        Name = "s",
        Steps = 1,
        Policy = "",
        Data = null!,
        Reward = null!,
        Beta = setting.GetProperty("beta").GetDouble(),
        LossType = Choice<GrpoLossType>(setting, "loss_type"),
        ImportanceSamplingLevel = setting.TryGetProperty("importance_sampling_level", out _) ? Choice<ImportanceSamplingLevel>(setting, "importance_sampling_level") : ImportanceSamplingLevel.Token,
        Epsilon = setting.TryGetProperty("epsilon", out var low) ? low.GetDouble() : 0.2,
        EpsilonHigh = setting.TryGetProperty("epsilon_high", out var high) ? high.GetDouble() : 0.28,
        MaxCompletionLength = setting.TryGetProperty("max_completion_length", out var length) ? length.GetInt32() : 10,
    };

    /// <summary>Trajectories of as many tokens as the mask has ones; an empty row is one that does not count.</summary>
    private static Trajectory[] Rows(double[][] mask, double[][] old, double[][] reference)
    {
        var width = mask.Max(row => (int)row.Sum());
        return [.. mask.Select((row, i) =>
        {
            var length = row.Sum() > 0 ? (int)row.Sum() : width;
            return new Trajectory
            {
                Example = new Example { Prompt = "" },
                Prompt = [0],
                Completion = new Completion(i, 0, new int[length], Fixture.Floats(old[i][..length]), FinishReason.Stop),
                Text = "",
                ReferenceLogProbs = Fixture.Floats(reference[i][..length]),
                Counts = row.Sum() > 0,
            };
        })];
    }

    private static void SetAdvantages(Trajectory[] trajectories, double[] advantages)
    {
        for (var i = 0; i < trajectories.Length; i++)
        {
            trajectories[i].Advantages = new float[trajectories[i].Length];
            Array.Fill(trajectories[i].Advantages, (float)advantages[i]);
        }
    }

    private static double[] Scores(double[][] rows, JsonElement setting)
    {
        var scores = new double[rows.Length];
        GroupRelative.WeightedSum(rows.SelectMany(row => row).ToArray(), Fixture.Numbers(setting.GetProperty("reward_weights")), scores);
        return setting.GetProperty("reward_clip_range") is { ValueKind: JsonValueKind.Array } range
            ? Array.ConvertAll(scores, score => Math.Clamp(score, range[0].GetDouble(), range[1].GetDouble()))
            : scores;
    }

    private static double[][] Inverted(JsonElement mask) => [.. Fixture.Rows(mask).Select(row => Array.ConvertAll(row, cell => 1 - cell))];

    private static void AssertNear(double expected, double actual, double relative, string what = "loss") =>
        Assert.True(Math.Abs(expected - actual) <= relative * Math.Max(Math.Abs(expected), 0.1), $"{what}: expected {expected}, got {actual}");

    private static void AssertGradient(JsonElement expected, Tensor actual) =>
        AssertGradient(expected[0].ValueKind == JsonValueKind.Array ? [.. Fixture.Rows(expected).SelectMany(row => row)] : Fixture.Numbers(expected), Floats(actual));

    private static void AssertGradient(double[] expected, double[] actual) => Tiny.AssertClose(Fixture.Floats(expected), Fixture.Floats(actual), 1e-5);

    private static float[] Flat(double[][] rows) => Fixture.Floats([.. rows.SelectMany(row => row)]);

    private static double[] Floats(Tensor values) => Array.ConvertAll(values.detach().contiguous().data<float>().ToArray(), value => (double)value);

    private static string Text(JsonElement setting, string key) => setting.GetProperty(key).GetString()!;

    private static T Choice<T>(JsonElement setting, string key) where T : struct, Enum => (T)Choices.Of(typeof(T))[Text(setting, key)];

    /// <summary>A model whose head is the identity: what it is given as hidden states are the logits.</summary>
    private sealed class IdentityHead : IDisposable
    {
        private readonly Transformer model;
        private readonly (int Row, int Position)[] cells;

        public IdentityHead(JsonElement logits, double[][] ids, Trajectory[] trajectories, int promptLength, double temperature)
        {
            var all = logits.EnumerateArray().Select(Fixture.Rows).ToArray();
            var width = all[0][0].Length;
            model = new Transformer(Tiny.Llama with { VocabSize = width, HiddenSize = width });
            using var guard = no_grad();
            model.Parameters["head"].copy_(eye(width));
            cells = [.. trajectories.SelectMany((trajectory, b) => Enumerable.Range(0, trajectory.Length).Select(t => (b, promptLength - 1 + t)))];
            var hidden = tensor(Flat([.. cells.Select(cell => all[cell.Row][cell.Position])])).view(cells.Length, width);
            var targets = tensor(cells.Select(cell => (long)ids[cell.Row][cell.Position + 1]).ToArray());
            Scores = TokenScores.Compute(model, hidden, targets, temperature, entropy: true, trainable: true);
        }

        public TokenScores Scores { get; }

        public void AssertGradient(JsonElement expected)
        {
            var all = expected.EnumerateArray().Select(Fixture.Rows).ToArray();
            using var gradient = Scores.Backward();
            TrlLossTests.AssertGradient([.. cells.SelectMany(cell => all[cell.Row][cell.Position])], Floats(gradient));
            // All other logits have no part in the loss.
            for (var b = 0; b < all.Length; b++)
                Assert.All(all[b].Where((_, t) => !cells.Contains((b, t))).SelectMany(row => row), x => Assert.Equal(0, x));
        }

        public void Dispose()
        {
            Scores.Dispose();
            model.Dispose();
        }
    }
}
