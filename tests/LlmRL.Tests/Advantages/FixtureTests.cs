using System.Text.Json;
using LlmRL.Advantages;

namespace LlmRL.Tests.Advantages;

/// <summary>Against TRL's own results (fixtures; their README says how they were made).</summary>
public class FixtureTests
{
    [SharedFact("fixtures/grpo_advantages.json")]
    public void GroupRelativeAdvantagesAreTrls()
    {
        var file = Fixture.Read("grpo_advantages.json");
        var groupSize = file.GetProperty("num_generations").GetInt32();
        var cases = file.GetProperty("cases").EnumerateArray().ToList();
        Assert.NotEmpty(cases);
        foreach (var setting in cases)
        {
            var rewards = Fixture.Rows(file.GetProperty("inputs").GetProperty(setting.GetProperty("rewards").GetString()!));
            var actual = new double[rewards.Length];
            GroupRelative.Advantages(rewards.SelectMany(row => row).ToArray(), Fixture.Numbers(setting.GetProperty("reward_weights")), groupSize,
                Fixture.Choice<RewardScale>(setting, "scale_rewards"), Fixture.Choice<RewardAggregation>(setting, "aggregation"), actual);
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("advantages")), actual);
        }
    }

    /// <summary>TRL's RLOO: clip the summed reward, subtract β Σ_t k1 of the sampling policy, leave one out, and perhaps normalise over the batch.</summary>
    [SharedFact("fixtures/rloo.json")]
    public void LeaveOneOutAdvantagesAreTrls()
    {
        var file = Fixture.Read("rloo.json");
        var inputs = file.GetProperty("inputs");
        var groupSize = file.GetProperty("num_generations").GetInt32();
        var (old, reference, mask) = (Fixture.Rows(inputs.GetProperty("old_per_token_logps")), Fixture.Rows(inputs.GetProperty("ref_per_token_logps")), Fixture.Rows(inputs.GetProperty("mask")));
        var cases = file.GetProperty("cases").EnumerateArray().ToList();
        Assert.NotEmpty(cases);
        foreach (var setting in cases)
        {
            var rows = Fixture.Rows(inputs.GetProperty(setting.GetProperty("rewards").GetString()!));
            var rewards = new double[rows.Length];
            GroupRelative.WeightedSum(rows.SelectMany(row => row).ToArray(), Fixture.Numbers(setting.GetProperty("reward_weights")), rewards);
            for (var i = 0; i < rewards.Length; i++)
            {
                if (setting.GetProperty("reward_clip_range") is { ValueKind: JsonValueKind.Array } range)
                    rewards[i] = Math.Clamp(rewards[i], range[0].GetDouble(), range[1].GetDouble());
                var length = mask[i].Count(m => m > 0);
                rewards[i] -= setting.GetProperty("beta").GetDouble() * KlReward.Sum(Fixture.Floats(old[i][..length]), Fixture.Floats(reference[i][..length]));
            }

            var actual = new double[rewards.Length];
            LeaveOneOut.Advantages(rewards, groupSize, actual, setting.GetProperty("normalize_advantages").GetBoolean());
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("advantages")), actual);
        }
    }

    /// <summary>
    /// TRL's PPO gives a sequence that ends early one more step, whose log-probabilities are masked and whose reward is the score; its critic is read there, too.
    /// Whitening of rewards covers that step, whitening of advantages does not.
    /// </summary>
    [SharedFact("fixtures/ppo.json")]
    public void PpoRewardsAdvantagesAndReturnsAreTrls()
    {
        var file = Fixture.Read("ppo.json");
        var scores = Fixture.Numbers(file.GetProperty("inputs").GetProperty("scores"));
        var cases = file.GetProperty("cases").EnumerateArray().ToList();
        Assert.NotEmpty(cases);
        foreach (var setting in cases)
        {
            var last = Fixture.Numbers(setting.GetProperty("sequence_lengths")).Select(x => (int)x).ToArray();
            var (logProbs, reference, values) = (Fixture.Rows(setting.GetProperty("logprobs")), Fixture.Rows(setting.GetProperty("ref_logprobs")), Fixture.Rows(setting.GetProperty("values")));
            var unbiased = setting.GetProperty("whitening_variance").GetString()!.StartsWith("unbiased", StringComparison.Ordinal);
            var rewards = new double[scores.Length][];
            for (var i = 0; i < scores.Length; i++)
            {
                rewards[i] = new double[Math.Min(last[i] + 2, logProbs[i].Length)];
                KlReward.PerToken(Fixture.Floats(logProbs[i][..rewards[i].Length]), Fixture.Floats(reference[i][..rewards[i].Length]),
                    setting.GetProperty("kl_coef").GetDouble(), scores[i], Fixture.Choice<KlEstimator>(setting, "kl_estimator"), rewards[i]);
            }

            if (setting.GetProperty("whiten_rewards").GetBoolean())
                rewards = WhitenRows(rewards, shiftMean: false, unbiased);
            var advantages = new double[scores.Length][];
            for (var i = 0; i < scores.Length; i++)
            {
                Fixture.AssertClose(Fixture.Rows(setting.GetProperty("rewards"))[i][..rewards[i].Length], rewards[i]);
                advantages[i] = new double[rewards[i].Length];
                var returns = new double[rewards[i].Length];
                Gae.Advantages(rewards[i], values[i].AsSpan(0, rewards[i].Length), setting.GetProperty("gamma").GetDouble(), setting.GetProperty("lam").GetDouble(), advantages[i]);
                Gae.Returns(advantages[i], values[i].AsSpan(0, rewards[i].Length), returns);
                Fixture.AssertClose(Fixture.Rows(setting.GetProperty("returns"))[i][..returns.Length], returns);
                advantages[i] = advantages[i][..(last[i] + 1)];
            }

            advantages = WhitenRows(advantages, shiftMean: true, unbiased);
            for (var i = 0; i < scores.Length; i++)
                Fixture.AssertClose(Fixture.Rows(setting.GetProperty("advantages"))[i][..advantages[i].Length], advantages[i]);
        }
    }

    private static double[][] WhitenRows(double[][] rows, bool shiftMean, bool unbiased)
    {
        var all = rows.SelectMany(row => row).ToArray();
        Whiten.All(all, shiftMean, unbiased, all);
        var start = 0;
        return [.. rows.Select(row => all[start..(start += row.Length)])];
    }
}
