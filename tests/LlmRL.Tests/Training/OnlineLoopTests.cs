namespace LlmRL.Tests.Training;

/// <summary>The loop's own options, in whole runs of a tiny model that learns to say certain words.</summary>
[Collection(TensorCollection.Name)]
public class OnlineLoopTests
{
    private const string Common = "policy: base, data: { generator: arithmetic, split: rl, count: 64 }, max_completion_length: 4, log_completions_steps: 0, learning_rate: 1e-2";

    [Fact]
    public void Rebel_raises_the_reward_and_regresses_to_it()
    {
        using var run = new TinyRun($"  - rebel: {{ name: rebel, {Common}, reward: {{ regex: {{ pattern: 'z' }} }}, steps: 40, prompts_per_step: 32, beta: 0 }}");
        Assert.True(run.Summary.Stage("rebel")!.Metrics["reward/last"] > run.Summary.Stage("rebel")!.Metrics["reward/first"] + 0.3);
    }

    [Fact]
    public void Rejection_sampling_raises_the_reward()
    {
        using var run = new TinyRun($"  - rejection_sampling: {{ name: raft, {Common}, reward: {{ regex: {{ pattern: 'z' }} }}, steps: 40, prompts_per_step: 16 }}");
        Assert.True(run.Summary.Stage("raft")!.Metrics["reward/last"] > run.Summary.Stage("raft")!.Metrics["reward/first"] + 0.3);
    }

    [Fact]
    public void Dynamic_sampling_replaces_groups_that_all_score_the_same()
    {
        string Stage(string name, string extra) =>
            $"  - grpo: {{ name: {name}, {Common}, reward: {{ regex: {{ pattern: '[a-m]' }} }}, steps: 2, prompts_per_step: 16, num_generations: 2, beta: 0{extra} }}";
        using var run = new TinyRun(Stage("plain", "") + "\n" + Stage("dynamic", ", dynamic_sampling: { max_rounds: 20 }"));
        Assert.True(run.Metric("plain", "frac_reward_zero_std")[0] > 0.2);
        Assert.Equal(0, run.Metric("dynamic", "frac_reward_zero_std")[0]);
        Assert.True(run.Metric("dynamic", "dynamic_sampling/replaced_groups")[0] > 3);
        Assert.Empty(run.Metric("plain", "dynamic_sampling/replaced_groups"));
    }

    [Fact]
    public void Target_kl_ends_the_epochs_and_the_step_over_it_is_not_taken()
    {
        string Stage(string name, string extra) =>
            $"  - grpo: {{ name: {name}, {Common}, reward: {{ regex: {{ pattern: '[a-m]' }} }}, steps: 3, prompts_per_step: 16, num_generations: 4, num_iterations: 6, beta: 0{extra} }}";
        using var run = new TinyRun(Stage("free", "") + "\n" + Stage("held", ", target_kl: 0.001"));
        Assert.Equal([1.0, 1.0, 1.0], run.Metric("held", "early_stop"));
        Assert.Empty(run.Metric("free", "early_stop"));
        // Six steps of size 0.01 against the one that went over the target.
        Assert.True(run.Metric("held", "approx_kl")[0] < run.Metric("free", "approx_kl")[0]);
    }

    [Fact]
    public void The_reference_follows_the_policy()
    {
        string Stage(string name, string extra) =>
            $"  - grpo: {{ name: {name}, {Common}, reward: {{ regex: {{ pattern: '[a-m]' }} }}, steps: 4, prompts_per_step: 8, num_generations: 4, beta: 0.01{extra} }}";
        using var run = new TinyRun(Stage("fixed", "") + "\n" + Stage("synced", ", sync_ref_model: true, ref_model_sync_steps: 1, ref_model_mixup_alpha: 1"));
        // A reference that was copied from the policy after every step is the policy that samples.
        Assert.All(run.Metric("synced", "objective/kl"), kl => Assert.True(Math.Abs(kl) < 1e-4, $"{kl}"));
        Assert.True(run.Metric("fixed", "objective/kl")[^1] > 1e-3);
    }

    [Fact]
    public void Weights_are_mixed()
    {
        using var model = Tiny.Model(seed: 1);
        using var other = Tiny.Model(seed: 2);
        var expected = model.Parameters.Values.data<float>().ToArray().Zip(other.Parameters.Values.data<float>().ToArray(), (a, b) => 0.4f * a + 0.6f * b).ToArray();
        model.Parameters.MixIn(other.Parameters, 0.6);
        Tiny.AssertClose(expected, model.Parameters.Values.data<float>().ToArray(), 1e-6);
    }

    [Fact]
    public void Dense_rewards_are_learned_token_by_token()
    {
        const string rows = """{"prompt": "q", "answer": "zyx"}""";
        using var run = new TinyRun("""
              - reinforce: { name: r, policy: base, data: { path: DATA }, reward: { prefix_match: {} }, steps: 120, prompts_per_step: 1, num_generations: 256, beta: 0,
                  baseline: batch_mean, max_completion_length: 4, log_completions_steps: 0, learning_rate: 1e-2, entropy_coef: 0.05 }
            """, rows);
        // Right prefixes are worth 1/4 a token, and adding a token to them is a reward of its own. Six seeds ended between 0.38 and 0.75.
        Assert.True(run.Summary.Stage("r")!.Metrics["reward/first"] < 0.02);
        Assert.True(run.Summary.Stage("r")!.Metrics["reward/last"] > 0.35, $"{run.Summary.Stage("r")!.Metrics["reward/last"]}");
        Assert.Equal(run.Metric("r", "reward")[3], run.Metric("r", "rewards/prefix_match/mean")[3], 9);
    }
}
