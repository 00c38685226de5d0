using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Tests.Rewards;
using LlmRL.Tests.Runs;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>Rewards in whole runs of a tiny model.</summary>
[Collection(TensorCollection.Name)]
public class RewardRunTests
{
    private const string Common = "policy: base, data: { generator: arithmetic, split: rl, count: 64 }, max_completion_length: 4, log_completions_steps: 0, learning_rate: 1e-2, "
        + "steps: 3, prompts_per_step: 4, num_generations: 2, beta: 0";

    private static string Grpo(string url, string extra = "") =>
        $"  - grpo: {{ name: grpo, {Common}, reward: {{ http: {{ url: \"{url}\", batch_size: 3, retries: 1, backoff: 0{extra} }} }} }}";

    private static Reply Good(Request request) => FaultyServer.Scores(request, text => text.Count(char.IsLetter));

    [Fact]
    public void A_server_scores_in_batches_what_the_same_function_would()
    {
        using var server = new FaultyServer((_, request) => Good(request));
        using var run = new TinyRun(Grpo(server.Url));
        Assert.Equal([0.0, 0, 0], run.Metric("grpo", "rewards/http/failures"));
        Assert.Equal(run.Metric("grpo", "reward"), run.Metric("grpo", "rewards/http/mean"));
        Assert.Equal(24, server.Requests.Sum(request => request.Completions.Length));
        Assert.All(server.Requests, request => Assert.InRange(request.Completions.Length, 1, 3));
        Assert.Equal(24 * run.Metric("grpo", "reward").Average(), server.Requests.SelectMany(request => request.Completions).Sum(text => text.Count(char.IsLetter)), 9);
    }

    [Fact]
    public void A_server_that_fails_stops_the_run_with_a_checkpoint_and_resume_gives_the_same_bytes()
    {
        using var folder = new TemporaryFolder();
        // Three requests a step: the last step's first request and all that follow fail.
        var broken = true;
        using var server = new FaultyServer((number, request) => broken && number >= 6 ? new Reply("", "503 Gone") : Good(request));
        var fault = Assert.Throws<RewardFailedException>(() => Run(folder.Path, "broken", Grpo(server.Url)));
        Assert.Contains("stage grpo, step 3: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("step-2", fault.Message, StringComparison.Ordinal);
        Assert.Contains("--resume", fault.Message, StringComparison.Ordinal);

        broken = false;
        Run(folder.Path, "broken", Grpo(server.Url), resume: true);
        Run(folder.Path, "whole", Grpo(server.Url));
        byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(folder.Path, run, "final", "grpo", "model.safetensors"));
        Assert.Equal(Weights("whole"), Weights("broken"));
    }

    [Fact]
    public void Failures_are_scored_or_dropped_where_the_recipe_says_so()
    {
        // The first request of the run fails both times.
        using (var server = new FaultyServer((number, request) => number < 2 ? Reply.Closed : Good(request)))
        using (var run = new TinyRun(Grpo(server.Url, ", max_parallel: 1, on_failure: score, failure_score: -7")))
        {
            AssertFirstBatchFailed(run);
            Assert.True(run.Metric("grpo", "reward")[0] < -1);
            Assert.Empty(run.Metric("grpo", "rewards/dropped_groups"));
        }

        using (var server = new FaultyServer((number, request) => number < 2 ? Reply.Closed : Good(request)))
        using (var run = new TinyRun(Grpo(server.Url, ", max_parallel: 1, on_failure: drop")))
        {
            AssertFirstBatchFailed(run);
            // Up to three completions belong to one to three of the four prompts.
            Assert.InRange(Assert.Single(run.Metric("grpo", "rewards/dropped_groups")), 1, 3);
            Assert.All(run.Metric("grpo", "reward"), reward => Assert.True(reward >= 0));
        }
    }

    /// <summary>A batch has up to three completions: as many as were there when the server was free.</summary>
    private static void AssertFirstBatchFailed(TinyRun run)
    {
        var failures = run.Metric("grpo", "rewards/http/failures");
        Assert.InRange(failures[0], 1, 3);
        Assert.Equal([0.0, 0], failures[1..]);
    }

    [Fact]
    public void Several_rewards_are_logged_unscaled_and_learnt_from_on_one_scale()
    {
        const string Reward = "{ weighted: { normalize: before, terms: [{ reward: { regex: { pattern: 'z' } } }, { reward: { regex: { pattern: '[a-m]' } }, weight: 100, name: early }] } }";
        using var run = new TinyRun($"  - grpo: {{ name: grpo, {Common}, reward: {Reward} }}");
        var (z, early) = (run.Metric("grpo", "rewards/regex/mean"), run.Metric("grpo", "rewards/early/mean"));
        Assert.All(early, mean => Assert.InRange(mean, 0, 1));
        Assert.True(early.Max() > 0);
        var reward = run.Metric("grpo", "reward");
        for (var step = 0; step < reward.Length; step++)
            Assert.Equal(z[step] + 100 * early[step], reward[step], 9);
    }

    [Fact]
    public void A_recipe_that_cannot_work_is_refused_before_it_starts()
    {
        var fault = Assert.Throws<BadInputException>(() => new TinyRun(Grpo("http://localhost:1", ", headers: { A: $LLMRL_TEST_MISSING }")));
        Assert.Contains("reward", fault.Message, StringComparison.Ordinal);
        Assert.Contains("LLMRL_TEST_MISSING", fault.Message, StringComparison.Ordinal);
        fault = Assert.Throws<BadInputException>(() => new TinyRun(Grpo("http://localhost:1", ", on_failure: score")));
        Assert.Contains("failure_score", fault.Message, StringComparison.Ordinal);
    }

    private static void Run(string folder, string name, string stages, bool resume = false)
    {
        _ = Tiny.Llama;
        var config = Path.Combine(folder, "tiny.json");
        File.WriteAllText(config, TinyRun.Config);
        var file = Path.Combine(folder, "recipe.yaml");
        File.WriteAllText(file, $"name: tiny\nseed: 5\nmodel: {{ config: {config}, tokenizer: bytes }}\nstages:\n{stages}\n");
        var options = new PipelineOptions { Out = Path.Combine(folder, name), Device = CPU, DeviceText = "cpu", RecipeFile = file, Resume = resume };
        using var console = RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false);
        new Pipeline(RecipeBinder.Load<Recipe>(file), options, console, TimeProvider.System).Run(CancellationToken.None);
    }
}
