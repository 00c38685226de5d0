using LlmRL.Advantages;
using LlmRL.Data;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Rewards;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>Weighted sums on one scale, against values worked out by hand and against TRL's.</summary>
public sealed class RewardNormalizerTests
{
    private const double Epsilon = RewardNormalizer.Epsilon;
    private static readonly double Root2 = Math.Sqrt(2);

    /// <summary>Two prompts with two completions, two rewards: a in {1, 3 | 5, 5}, b in {0, 10 | NaN, 4}, weights 1 and −1.</summary>
    private static readonly double[][] Rewards = [[1, 0], [3, 10], [5, double.NaN], [5, 4]];

    [Fact]
    public void Before_scales_each_reward_in_its_group()
    {
        // a: means 2 and 5, deviations √2 and 0; b: mean 5, deviation √50, then one value alone.
        var (a, b) = (1 / (Root2 + Epsilon), 5 / (5 * Root2 + Epsilon));
        AssertNear([-a + b, a - b, 0, 0], Normalized(RewardNormalization.Before, NormalizationScope.Group));
    }

    [Fact]
    public void After_scales_the_sum_over_the_batch()
    {
        // Sums 1, −7, 5, 1: mean 0, deviation √(76/3).
        var deviation = Math.Sqrt(76.0 / 3) + Epsilon;
        AssertNear([1 / deviation, -7 / deviation, 5 / deviation, 1 / deviation], Normalized(RewardNormalization.After, NormalizationScope.Batch));
    }

    [Fact]
    public void Running_statistics_go_on_from_step_to_step()
    {
        var state = new Dictionary<string, double>();
        Normalized(RewardNormalization.After, NormalizationScope.Running, state);
        // The same four sums again: mean 0, deviation √(152/7).
        var deviation = Math.Sqrt(152.0 / 7) + Epsilon;
        AssertNear([1 / deviation, -7 / deviation, 5 / deviation, 1 / deviation], Normalized(RewardNormalization.After, NormalizationScope.Running, state));
        Assert.Equal(8, state["reward/weighted sum/count"]);
    }

    [Fact]
    public void Plain_sums_are_kept_for_the_log()
    {
        var rollout = Scored();
        RewardNormalizer.Normalize(rollout, How(RewardNormalization.Before, NormalizationScope.Group), Terms, new Dictionary<string, double>());
        Assert.Equal([1.0, -7, 5, 1], rollout.Trajectories.Select(trajectory => trajectory.LoggedReward));
    }

    [SharedFact("fixtures/grpo_advantages.json")]
    public void Before_and_batch_scaled_advantages_are_trls_normalize_then_sum()
    {
        var file = Fixture.Read("grpo_advantages.json");
        var groupSize = file.GetProperty("num_generations").GetInt32();
        var compared = 0;
        foreach (var setting in file.GetProperty("cases").EnumerateArray().Where(setting => Fixture.Choice<RewardAggregation>(setting, "aggregation") == RewardAggregation.NormalizeThenSum))
        {
            var rows = Fixture.Rows(file.GetProperty("inputs").GetProperty(setting.GetProperty("rewards").GetString()!));
            // Where a function does not apply, TRL's groups need not have mean 0, and GRPO would centre them.
            if (rows.Any(row => row.Any(double.IsNaN)))
                continue;
            var weights = Fixture.Numbers(setting.GetProperty("reward_weights"));
            RewardTerm[] terms = [.. weights.Select((weight, f) => new RewardTerm($"{f}", new GoldReward(), weight, []))];
            var rollout = Rollout(rows, terms, groupSize);
            RewardNormalizer.Normalize(rollout, How(RewardNormalization.Before, NormalizationScope.Group), terms, new Dictionary<string, double>());
            var advantages = rollout.Trajectories.Select(trajectory => trajectory.Score).ToArray();
            GroupRelative.Advantages(advantages, groupSize, RewardScale.Batch, advantages);
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("advantages")), advantages);
            compared++;
        }

        Assert.True(compared > 0);
    }

    [Fact]
    public void Terms_are_named_apart_and_apply_to_rows()
    {
        var sum = new WeightedReward
        {
            Terms =
            [
                new() { Reward = new RegexReward { Pattern = "a" }, Weight = 2 },
                new() { Reward = new RegexReward { Pattern = "b" }, Where = new Dictionary<string, string> { ["source"] = "essays" } },
                new() { Reward = new WeightedReward { Terms = [new() { Reward = new GoldReward(), Weight = 3, Name = "taste" }] }, Weight = 5 },
            ],
        };
        var terms = RewardTerm.Flatten(sum);
        Assert.Equal(["regex", "regex_2", "taste"], terms.Select(term => term.Name));
        Assert.Equal([2.0, 1, 15], terms.Select(term => term.Weight));
        var row = new Example { Prompt = "", Fields = new Dictionary<string, string> { ["source"] = "essays" } };
        Assert.True(terms[1].AppliesTo(row));
        Assert.False(terms[1].AppliesTo(new Example { Prompt = "" }));
        Assert.Empty(sum.Validate());
        Assert.NotEmpty((sum with { Normalize = RewardNormalization.After, Terms = [new() { Reward = new PrefixMatchReward() }] }).Validate());
        Assert.NotEmpty(new WeightedReward { Terms = [new() { Reward = sum with { Normalize = RewardNormalization.After } }] }.Validate());
    }

    [Fact]
    public void Groups_without_a_score_are_left_out()
    {
        var rollout = Scored();
        Assert.Same(rollout, rollout.OnlyScored());
        rollout.Trajectories[2].Score = double.NaN;
        var kept = rollout.OnlyScored();
        Assert.Equal(rollout.Trajectories.Take(2), kept.Trajectories);
        Assert.Equal(rollout.Trajectories.Skip(2), kept.Dropped);
    }

    private static IReadOnlyList<RewardTerm> Terms { get; } = [new("a", new GoldReward(), 1, []), new("b", new GoldReward(), -1, [])];

    private static WeightedReward How(RewardNormalization normalize, NormalizationScope over) =>
        new() { Terms = [new() { Reward = new GoldReward() }], Normalize = normalize, NormalizeOver = over };

    private static Rollout Scored() => Rollout(Rewards, Terms, 2);

    private static Rollout Rollout(double[][] rows, IReadOnlyList<RewardTerm> terms, int groupSize)
    {
        var trajectories = rows.Select(_ => TextRewardTests.Sampled("", 1)).ToArray();
        for (var i = 0; i < rows.Length; i++)
        {
            for (var f = 0; f < terms.Count; f++)
                trajectories[i].Rewards[terms[f].Name] = rows[i][f];
            trajectories[i].Score = terms.Select((term, f) => double.IsNaN(rows[i][f]) ? 0 : term.Weight * rows[i][f]).Sum();
        }

        return new Rollout(trajectories, groupSize);
    }

    private static double[] Normalized(RewardNormalization normalize, NormalizationScope over, Dictionary<string, double>? state = null)
    {
        var rollout = Scored();
        RewardNormalizer.Normalize(rollout, How(normalize, over), Terms, state ?? []);
        return [.. rollout.Trajectories.Select(trajectory => trajectory.Score)];
    }

    private static void AssertNear(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 12);
    }
}
