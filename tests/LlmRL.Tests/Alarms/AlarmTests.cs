using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Alarms;

/// <summary>The rules by themselves, on made-up metrics.</summary>
public class AlarmTests
{
    private const int Steps = 120;

    /// <summary>A run that goes well, like the quickstart's: the reward rises, the policy grows surer, the KL levels off.</summary>
    private static Dictionary<string, double> Healthy(int step, RandomStream random)
    {
        var done = step / (double)Steps;
        return new()
        {
            ["reward"] = 0.5 + 0.45 * done + 0.03 * random.NextNormal(),
            ["rewards/gold/mean"] = 5 + done + 0.3 * random.NextNormal(),
            ["entropy"] = 0.1 * Math.Exp(-2.2 * done) + 0.001 * random.NextNormal(),
            ["objective/kl"] = 0.7 * (1 - Math.Exp(-5 * done)) + 0.02 * random.NextNormal(),
            ["completions/mean_length"] = 25.5 + 0.4 * random.NextNormal(),
            ["completions/clipped_ratio"] = 0.02,
            ["frac_reward_zero_std"] = 0.83 * done,
            ["tokens_per_second"] = 12_000,
        };
    }

    internal static OnlineStage Stage(string settings = "", string recipe = "") => (OnlineStage)Recipe(settings, recipe).Stages[0];

    internal static Recipe Recipe(string settings = "", string recipe = "") => RecipeBinder.Parse<Recipe>($$"""
        name: a
        model: { config: models/nano.json, tokenizer: bytes }
        {{recipe}}
        stages:
          - grpo:
              name: rl
              policy: base
              data: { generator: arithmetic }
              reward: { weighted: { terms: [{ reward: math }, { reward: { length: { target: 9 } }, name: gold, weight: 0 }] } }
              steps: 10
              {{settings}}
        """, "r.yaml", []);

    private static AlarmMonitor Watch(string settings = "", string recipe = "") => AlarmSettings.Watch(Stage(settings, recipe), Recipe(settings, recipe).Alarms);

    private static AlarmMonitor Watch(Func<int, Dictionary<string, double>> rows, string settings = "", int steps = Steps)
    {
        var monitor = Watch(settings);
        for (var step = 1; step <= steps; step++)
            monitor.Observe(step, rows(step));
        return monitor;
    }

    /// <summary>The healthy run with another course of one metric.</summary>
    private static AlarmMonitor With(string metric, Func<int, double> course, string settings = "")
    {
        var random = new RandomStream(3);
        return Watch(step => new(Healthy(step, random)) { [metric] = course(step) }, settings);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_run_that_goes_well_raises_none(int seed)
    {
        var random = new RandomStream((ulong)seed);
        var monitor = Watch(step => Healthy(step, random));
        Assert.Equal(["over_optimisation", "kl", "length_drift", "entropy", "zero_variance_groups", "clipped_completions"], monitor.Watched);
        Assert.Empty(monitor.Events);
    }

    [Fact]
    public void Noise_around_a_gold_reward_that_stays_the_same_is_no_fall()
    {
        for (var seed = 1UL; seed <= 20; seed++)
        {
            var random = new RandomStream(seed);
            Assert.Empty(Watch(step => new() { ["reward"] = 0.01 * step + 0.05 * random.NextNormal(), ["rewards/gold/mean"] = 6 + random.NextNormal() }, steps: 500).Events);
        }
    }

    [Fact]
    public void Over_optimisation_is_raised_soon_after_gold_turns_down_while_the_reward_rises()
    {
        var random = new RandomStream(3);
        double Gold(int step) => 6 - Math.Max(0, step - 60) * 0.2 + 0.3 * random.NextNormal();
        var found = Assert.Single(With("rewards/gold/mean", Gold).Events);
        Assert.Equal(("over_optimisation", "rewards/gold/mean"), (found.Alarm, found.Metric));
        Assert.InRange(found.From, 62, 80);
        Assert.Null(found.To);
        Assert.True(found.Value < found.Limit);
        Assert.Contains("while reward rose from", found.Message);
        // The same fall with a reward that falls too is a failure of another kind.
        Assert.Empty(With("rewards/gold/mean", Gold, "alarms: { over_optimisation: { proxy: entropy } }").Events);
        Assert.Empty(Watch(step => new() { ["reward"] = -step, ["rewards/gold/mean"] = -step }).Events);
    }

    [Fact]
    public void The_gold_metric_is_each_reward_without_weight_or_the_one_that_is_named()
    {
        static double Falling(int step) => 1 - step / 100.0;
        Assert.Equal("objective/rlhf_reward", Assert.Single(With("objective/rlhf_reward", Falling, "alarms: { over_optimisation: { gold: objective/rlhf_reward } }").Events).Metric);
        Assert.Empty(With("objective/rlhf_reward", Falling).Events);
    }

    [Fact]
    public void A_gold_metric_on_held_out_rows_comes_in_rows_of_its_own()
    {
        const string settings = "eval_data: { generator: arithmetic, split: test }\n      eval_steps: 5\n      alarms: { enabled: false, over_optimisation: { gold: eval/reward, window: 5 } }";
        var (falling, steady) = (Watch(settings), Watch(settings));
        var random = new RandomStream(7);
        for (var step = 1; step <= 200; step++)
        {
            var row = Healthy(step, random);
            row["reward"] = 0.5 + 0.01 * step + 0.03 * random.NextNormal();
            falling.Observe(step, row);
            steady.Observe(step, row);
            if (step % 5 != 0)
                continue;
            var noise = 0.05 * random.NextNormal();
            falling.Observe(step, new Dictionary<string, double> { ["eval/reward"] = 1 - Math.Max(0, step - 100) * 0.02 + noise });
            steady.Observe(step, new Dictionary<string, double> { ["eval/reward"] = 1 + noise });
        }

        var found = Assert.Single(falling.Events);
        Assert.Equal(("over_optimisation", "eval/reward"), (found.Alarm, found.Metric));
        Assert.InRange(found.From, 105, 160);
        Assert.Empty(steady.Events);
        Assert.Empty(falling.Unseeing());
    }

    [Theory]
    [InlineData("over_optimisation: { gold: gold }", "r.yaml:11: stages.0.grpo.alarms.over_optimisation.gold: this stage logs no metric gold; rewards/gold/mean was probably meant.")]
    [InlineData("over_optimisation: { gold: rewards/gld/mean }", "this stage logs no metric rewards/gld/mean; rewards/gold/mean was probably meant.")]
    [InlineData("over_optimisation: { gold: something/else }", "this stage logs no metric something/else; there are reward, ")]
    [InlineData("over_optimisation: { proxy: rewad }", "alarms.over_optimisation.proxy: this stage logs no metric rewad; reward was probably meant.")]
    [InlineData("over_optimisation: { gold: tokens_per_second }", "tokens_per_second comes from a clock")]
    [InlineData("over_optimisation: { gold: eval/reward }", "this stage logs no metric eval/reward: that needs eval_data and eval_steps; ")]
    public void A_metric_that_the_stage_cannot_log_is_refused(string alarm, string message) =>
        Assert.Contains(message, Assert.Throws<BadInputException>(() => Stage($"alarms: {{ {alarm} }}")).Message);

    [Fact]
    public void An_alarm_that_can_never_be_raised_is_refused_where_it_was_set_and_left_out_where_it_is_a_default()
    {
        Assert.Contains("alarms.kl: it watches objective/kl, which this stage does not log: it has no reference policy; give beta a value above 0",
            Assert.Throws<BadInputException>(() => Stage("beta: 0\n      alarms: { kl: { above: 5 } }")).Message);
        Assert.Contains("kl", AlarmSettings.Watch(Stage("beta: 0"), null).Watched);
        Assert.Contains("r.yaml:3: alarms.over_optimisation.gold: this stage logs no metric rewards/gld/mean; rewards/gold/mean was probably meant.",
            Assert.Throws<BadInputException>(() => Recipe("", "alarms: { over_optimisation: { gold: rewards/gld/mean } }")).Message);
        static string Rloo(string alarms, string samples) => $"{{ name: rl, policy: base, data: {{ generator: arithmetic }}, reward: math, steps: 10, {samples}, alarms: {{ {alarms} }} }}";
        Assert.Contains("one completion per prompt has no variance", Refused("reinforce", Rloo("zero_variance_groups: { above: 0.5 }", "num_generations: 1")));
        Assert.Contains("alarms.over_optimisation.gold: there is nothing to compare with", Refused("rloo", Rloo("over_optimisation: { sigmas: 3 }", "num_generations: 2")));

        static string Refused(string kind, string stage) => Assert.Throws<BadInputException>(() => RecipeBinder.Parse<Recipe>(
            $"name: a\nmodel: {{ config: models/nano.json, tokenizer: bytes }}\nstages:\n  - {kind}: {stage}\n", "r.yaml", [])).Message;
    }

    [Fact]
    public void What_only_the_run_can_tell_is_said_once_after_a_window_of_steps()
    {
        var random = new RandomStream(3);
        // A stage of this kind logs it with kl_in: loss alone.
        var monitor = Watch("kl_in: reward\n      alarms: { over_optimisation: { gold: kl, window: 4 } }");
        var said = Enumerable.Range(1, 8).Select(step =>
        {
            monitor.Observe(step, Healthy(step, random));
            return monitor.Unseeing().ToArray();
        }).ToArray();
        Assert.Equal([4], said.Index().Where(pair => pair.Item.Length > 0).Select(pair => pair.Index + 1));
        Assert.StartsWith("the alarm over_optimisation sees nothing: no step so far has logged kl. There are reward, rewards/gold/mean, ", Assert.Single(said[3]));
        // A metric that was not named is none of the user's.
        var quiet = Watch();
        for (var step = 1; step <= 20; step++)
            quiet.Observe(step, new Dictionary<string, double> { ["loss"] = 1 });
        Assert.Empty(quiet.Unseeing());
    }

    [Theory]
    [InlineData("objective/kl", 0.2, "kl", "", "above 10")]
    [InlineData("objective/kl", 0.2, "kl", "alarms: { kl: { above: 5 } }", "above 5")]
    [InlineData("objective/kl", 0.2, "kl", "adaptive_kl: { target: 4 }", "above 6 (1.5 times adaptive_kl.target)")]
    [InlineData("completions/mean_length", 1, "length_drift", "", "1.5 times its start")]
    [InlineData("completions/mean_length", 1, "length_drift", "alarms: { length_drift: { above: 2 } }", "2 times its start")]
    [InlineData("completions/mean_length", -0.2, "length_drift", "alarms: { length_drift: { below: 0.8 } }", "0.8 times its start")]
    [InlineData("frac_reward_zero_std", 0.02, "zero_variance_groups", "", "above 0.95")]
    [InlineData("frac_reward_zero_std", 0.02, "zero_variance_groups", "alarms: { zero_variance_groups: { above: 0.9 } }", "above 0.9")]
    [InlineData("completions/clipped_ratio", 0.01, "clipped_completions", "", "above 0.4")]
    [InlineData("completions/clipped_ratio", 0.01, "clipped_completions", "alarms: { clipped_completions: { above: 0.2 } }", "above 0.2")]
    [InlineData("entropy", -0.001, "entropy", "", "0.05 of its start")]
    [InlineData("entropy", -0.001, "entropy", "alarms: { entropy: { below_start: 0.5 } }", "0.5 of its start")]
    [InlineData("entropy", -0.001, "entropy", "alarms: { entropy: { below: 0.0702 } }", "below 0.0702")]
    public void A_metric_that_leaves_its_bound_raises_its_alarm_once_at_that_bound(string metric, double perStep, string alarm, string settings, string bound)
    {
        var start = metric switch { "completions/mean_length" => 25, "entropy" => 0.1, "frac_reward_zero_std" => 0.105, _ => 0 };
        double Course(int step) => Math.Max(metric == "entropy" ? 1e-4 : 0, start + perStep * step);
        var found = Assert.Single(With(metric, Course, settings).Events);
        Assert.Equal((alarm, metric), (found.Alarm, found.Metric));
        Assert.Contains(bound, found.Message);
        // The mean over ten steps in a straight line is the value four and a half steps before: worked out from the bound in the message.
        var crossed = Enumerable.Range(10, Steps).First(step => Sign(Mean(step) - found.Limit) == Sign(perStep));
        Assert.Equal(crossed, found.From);
        Assert.Equal(Mean(crossed), found.Value, 1e-9);
        Assert.Null(found.To);

        double Mean(int step) => Enumerable.Range(step - 9, 10).Average(Course);
        static int Sign(double x) => Math.Sign(x);
    }

    [Fact]
    public void An_alarm_is_raised_once_while_the_metric_wavers_at_the_bound_and_again_after_it_was_over()
    {
        // Ten steps each at a level: over the bound, just below it, well below it, over it again.
        double[] levels = [5, 10.5, 9.6, 10.4, 9.2, 8, 8, 12];
        var monitor = With("objective/kl", step => levels[Math.Min((step - 1) / 10, levels.Length - 1)]);
        Assert.Equal(2, monitor.Events.Count);
        // The mean is over 10 at the last step of level 10.5 only, and at most 9 from the second step of level 8.
        Assert.Equal((20, 52), (monitor.Events[0].From, monitor.Events[0].To));
        Assert.Null(monitor.Events[1].To);
        Assert.Equal(["kl"], monitor.Active);
    }

    [Fact]
    public void A_window_averages_out_single_steps()
    {
        Assert.Empty(With("objective/kl", step => step % 10 == 0 ? 50 : 1).Events);
        Assert.NotEmpty(With("objective/kl", step => step % 10 == 0 ? 50 : 1, "alarms: { kl: { window: 2 } }").Events);
    }

    [Fact]
    public void Alarms_are_watched_as_stage_and_recipe_say()
    {
        string[] all = ["over_optimisation", "kl", "length_drift", "entropy", "zero_variance_groups", "clipped_completions"];
        Assert.Empty(Watch("alarms: off").Watched);
        Assert.Empty(Watch("", "alarms: off").Watched);
        Assert.Equal(all, Watch("alarms: on", "alarms: off").Watched);
        Assert.Equal(all.Except(["kl"]), Watch("alarms: { kl: off }").Watched);
        Assert.Equal(all.Except(["kl", "entropy"]), Watch("alarms: { kl: off }", "alarms: { entropy: off, kl: { above: 3 } }").Watched);
        Assert.Equal(["kl"], Watch("alarms: { kl: { above: 2 } }", "alarms: off").Watched);
        Assert.Equal(["kl"], Watch("alarms: { enabled: false, kl: { above: 2 } }").Watched);
        Assert.Equal(3, ((KlAlarm)AlarmSettings.Of(null, new() { Kl = new() { Above = 3 } }).Single(alarm => alarm.Name == "kl")).Above);
    }

    [Theory]
    [InlineData("alarms: { entrpy: off }", "r.yaml:11: stages.0.grpo.alarms.entrpy: unknown key. Did you mean entropy?")]
    [InlineData("alarms: { rewards: off }", "Valid keys: enabled, over_optimisation, kl, length_drift, entropy, zero_variance_groups, clipped_completions.")]
    [InlineData("alarms: { kl: 5 }", "stages.0.grpo.alarms.kl: expected its settings, off or on, found \"5\". Write it like { key: value }.")]
    [InlineData("alarms: { kl: { over: 5 } }", "stages.0.grpo.alarms.kl.over: unknown key.")]
    [InlineData("alarms: { entropy: { below_start: 2 } }", "2 is out of range. It must be between 0 and 1")]
    [InlineData("alarms: { length_drift: { above: 1, below: 1 } }", "alarms.length_drift.above: 1 is not above below, 1; widen the range.")]
    public void Wrong_settings_are_named(string settings, string message) =>
        Assert.Contains(message, Assert.Throws<BadInputException>(() => Stage(settings)).Message);

    [Fact]
    public void Every_alarm_says_what_it_means_what_to_do_and_where_it_comes_from() => Assert.All(AlarmSettings.Defaults, alarm =>
    {
        Assert.EndsWith(".", alarm.Meaning);
        Assert.EndsWith(".", alarm.Remedy);
        Assert.Matches("20[0-9]{2}.*, arXiv [0-9]{4}\\.[0-9]{5}", alarm.Source);
        Assert.Contains(alarm.Name, RecipeWriter.Write(new AlarmSettings()));
    });

    [Fact]
    public void The_written_recipe_reads_back()
    {
        var recipe = Recipe("alarms: { kl: { above: 5, stop: true }, entropy: off }", "alarms: off");
        var again = RecipeBinder.Parse<Recipe>(RecipeWriter.Write(recipe), "r.yaml", []);
        Assert.Equal(recipe.Alarms, again.Alarms);
        Assert.Equal(((OnlineStage)recipe.Stages[0]).Alarms, ((OnlineStage)again.Stages[0]).Alarms);
    }
}
