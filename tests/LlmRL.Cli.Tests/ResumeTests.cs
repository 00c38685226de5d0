namespace LlmRL.Cli.Tests;

/// <summary>A run that was interrupted or killed in every stage, and resumed each time, ends with the same bytes as an undisturbed one.</summary>
public sealed class ResumeTests(ResumeTests.Undisturbed undisturbed) : IClassFixture<ResumeTests.Undisturbed>, IDisposable
{
    private const string Recipe = """
        name: resume
        seed: 3
        model: { config: tiny.json, tokenizer: words, vocabulary_data: { generator: tldr, count: 200 } }
        stages:
          - sft: { name: sft, data: { generator: tldr, count: 100 }, steps: 25, batch_size: 4, save_steps: SAVE }
          - reward_model: { name: rm, policy: sft, data: { generator: tldr, split: reward, count: 100 }, steps: 20, batch_size: 4, save_steps: SAVE }
          - dpo: { name: dpo, policy: sft, data: { generator: tldr, split: reward, count: 100 }, steps: 20, batch_size: 4, save_steps: SAVE }
          - ppo: { name: ppo, policy: sft, value: rm, data: { generator: tldr, split: rl, count: 100 }, reward: { reward_model: { model: rm } }, steps: 9, num_ppo_epochs: 2,
              num_mini_batches: 2, prompts_per_step: 8, max_completion_length: 16, log_completions_steps: 1, save_steps: SAVE }
          - grpo: { name: grpo, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { gold: {} }, steps: 9, num_generations: 4, prompts_per_step: 4,
              max_completion_length: 16, log_completions_steps: 1, save_steps: SAVE }
          - reinforce: { name: reinforce, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { gold: {} }, steps: 9, baseline: moving_average,
              prompts_per_step: 8, max_completion_length: 16, log_completions_steps: 1, save_steps: SAVE }
          - rebel: { name: rebel, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { keywords: { words: [the] } }, steps: 9, prompts_per_step: 8,
              num_iterations: 2, max_completion_length: 6, adaptive_kl: { horizon: 50 }, dynamic_sampling: {}, sync_ref_model: true, ref_model_sync_steps: 3,
              log_completions_steps: 1, save_steps: SAVE }
          - control: { name: control, environment: cartpole, algorithm: { actor_critic: { num_steps: 64, train_v_iters: 3 } }, num_envs: 4, steps: 120, save_steps: SAVE }
        """;

    private static readonly string[] Stages = ["sft", "rm", "dpo", "ppo", "grpo", "reinforce", "rebel", "control"];

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void An_interrupted_run_goes_on_as_if_nothing_had_happened()
    {
        place.Write("recipe.yaml", Recipe.Replace("SAVE", "0"));
        foreach (var stage in Stages)
        {
            using var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "run", "--resume");
            run.WaitForSteps(place["run/metrics.jsonl"], stage, 3);
            run.Interrupt();
            var outcome = run.WaitForEnd(TimeSpan.FromSeconds(10));
            Assert.True(outcome.ExitCode == 130, $"exit code {outcome.ExitCode}\n{outcome.Output}\n{outcome.Error}");
            Assert.Contains("--resume", outcome.Error);
            Assert.Contains("checkpoint run/checkpoints/", outcome.Output);
            Assert.NotEmpty(Directory.GetDirectories(place["run/checkpoints"]));
        }

        Assert.Contains("resuming after step", place.Run("run", "recipe.yaml", "--out", "run", "--resume").Succeeded().Output);
        undisturbed.AssertSame(place);
    }

    [Fact]
    public void A_killed_run_goes_on_from_its_last_checkpoint()
    {
        place.Write("recipe.yaml", Recipe.Replace("SAVE", "2"));
        foreach (var stage in Stages)
        {
            using var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "run", "--resume");
            run.WaitForSteps(place["run/metrics.jsonl"], stage, 4);
            run.Process.Kill();
            run.Process.WaitForExit();
        }

        place.Run("run", "recipe.yaml", "--out", "run", "--resume").Succeeded();
        undisturbed.AssertSame(place);
    }

    [Fact]
    public void Rows_of_an_earlier_stage_that_runs_again_do_not_disturb_a_resumed_one()
    {
        place.Write("recipe.yaml", """
            name: two
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: first, data: { generator: arithmetic, count: 50 }, steps: STEPS, batch_size: 2 }
              - sft: { name: second, policy: base, data: { generator: arithmetic, count: 50 }, steps: 200, batch_size: 4 }
            """.Replace("STEPS", "6"));
        using (var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "run"))
        {
            run.WaitForSteps(place["run/metrics.jsonl"], "second", 5);
            run.Interrupt();
            Assert.Equal(130, run.WaitForEnd().ExitCode);
        }

        // The first stage logs fewer rows now, so the second one's lie elsewhere in the file.
        place.Run("run", "recipe.yaml", "--out", "run", "--resume", "--set", "stages.first.steps=3").Succeeded();
        var steps = File.ReadLines(place["run/metrics.jsonl"]).Where(line => line.Contains("\"second\"", StringComparison.Ordinal))
            .Select(line => int.Parse(line["{\"step\":".Length..line.IndexOf(',', StringComparison.Ordinal)])).ToArray();
        Assert.Equal(Enumerable.Range(1, 200), steps);
    }

    /// <summary>The run that nothing happens to.</summary>
    public sealed class Undisturbed : IDisposable
    {
        private readonly Workplace place = new();

        public Undisturbed()
        {
            place.Write("recipe.yaml", Recipe.Replace("SAVE", "0"));
            place.Run("run", "recipe.yaml", "--out", "run").Succeeded();
        }

        public void AssertSame(Workplace other)
        {
            foreach (var file in new[] { "metrics.jsonl", "samples.jsonl" })
                Assert.Equal(File.ReadAllText(place["run/" + file]), File.ReadAllText(other["run/" + file]));
            var (expected, actual) = (place.Files("run/final"), other.Files("run/final"));
            Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
            foreach (var (name, bytes) in expected)
                Assert.True(bytes.AsSpan().SequenceEqual(actual[name]), $"final/{name} differs");
            Assert.Equal(Headlines(place), Headlines(other));
        }

        public void Dispose() => place.Dispose();

        /// <summary>summary.json without the times.</summary>
        private static string Headlines(Workplace place) =>
            string.Join('\n', File.ReadLines(place["run/summary.json"]).Where(line => !line.Contains("\"seconds\"", StringComparison.Ordinal) && !line.Contains("\"command\"", StringComparison.Ordinal)));
    }
}
