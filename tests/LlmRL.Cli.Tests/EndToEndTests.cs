using System.Text.Json;
using System.Text.RegularExpressions;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Sweeps;

namespace LlmRL.Cli.Tests;

/// <summary>Every kind of stage on both generators, with models that train in seconds, and everything that a run leaves behind.</summary>
public sealed class EndToEndTests(EndToEndTests.Arithmetic arithmetic, EndToEndTests.Tldr tldr) : IClassFixture<EndToEndTests.Arithmetic>, IClassFixture<EndToEndTests.Tldr>
{
    [Fact]
    public void A_verifier_run_trains_every_policy()
    {
        var stages = arithmetic.Stages();
        Assert.Equal(["sft", "none", "mean", "moving", "value", "rloo", "ppo", "grpo", "dapo", "eval"], stages.Keys);
        foreach (var policy in stages.Keys.SkipLast(1).Skip(1))
        {
            arithmetic.HasMetrics(policy, "reward/first", "reward/last");
            arithmetic.HasMetrics("eval", $"pass@1/{policy}", $"pass@1_se/{policy}", $"pass@4/{policy}", $"kl/{policy}", $"reward/{policy}", $"length/{policy}", $"clipped_ratio/{policy}", $"distinct-2/{policy}");
        }

        arithmetic.HasMetrics("sft", "loss/first", "loss", "eval/loss", "mean_token_accuracy");
        Assert.Equal(0, arithmetic.Metric("eval", "kl/sft"), 1e-4);
        Assert.True(arithmetic.Metric("sft", "loss") < arithmetic.Metric("sft", "loss/first"), "SFT learned nothing");
        Assert.True(arithmetic.Metric("eval", "kl/grpo") != 0, "GRPO changed nothing");
    }

    [Fact]
    public void A_preference_run_trains_reward_model_and_policies()
    {
        Assert.Equal(["sft", "rm", "dpo", "ppo", "reinforce", "eval"], tldr.Stages().Keys);
        tldr.HasMetrics("rm", "loss", "accuracy", "eval/accuracy", "margin");
        tldr.HasMetrics("dpo", "loss/first", "loss", "rewards/accuracies", "rewards/margins", "logps/chosen", "nll_loss", "eval/rewards/accuracies");
        tldr.HasMetrics("eval", "win_rate/dpo", "win_rate/ppo", "win_rate_se/ppo", "gold/ppo", "kl/ppo", "reward/ppo", "accuracy/rm", "accuracy_limit/rm", "win_rate/sft");
        Assert.InRange(tldr.Metric("eval", "win_rate/ppo"), 0, 1);
        Assert.InRange(tldr.Metric("eval", "accuracy/rm"), 0, 1);
    }

    [Fact]
    public void The_resolved_recipe_says_the_same_as_the_one_that_was_run()
    {
        foreach (var run in new RunOf[] { arithmetic, tldr })
        {
            var recipe = RecipeBinder.Parse<Recipe>(Absolute(run, File.ReadAllText(run.Place["recipe.yaml"])), "recipe.yaml");
            var resolved = RecipeBinder.Parse<Recipe>(Absolute(run, File.ReadAllText(run.Place["run/recipe.yaml"])), "run/recipe.yaml");
            Assert.Equal(Fingerprint.Text(recipe), Fingerprint.Text(resolved));
        }

        // Paths in a recipe are relative to where the program runs, which is not where the tests do.
        static string Absolute(RunOf run, string text) => text.Replace("tiny.json", run.Place["tiny.json"]);
    }

    [Fact]
    public void Logs_events_and_report_are_there()
    {
        foreach (var run in new RunOf[] { arithmetic, tldr })
        {
            foreach (var stage in run.Stages().Keys)
                Assert.NotEmpty(Directory.GetFiles(run.Place["run/tensorboard/" + stage], "*tfevents*"));
            var steps = run.Stages().Where(pair => pair.Value.GetProperty("kind").GetString() != "evaluate").Sum(pair => pair.Value.GetProperty("steps").GetInt32());
            Assert.Equal(steps, File.ReadLines(run.Place["run/metrics.jsonl"]).Count(line => !line.Contains("\"stage\":\"eval\"", StringComparison.Ordinal)));
            Assert.NotEmpty(File.ReadLines(run.Place["run/samples.jsonl"]));
            var report = File.ReadAllText(run.Place["run/report.html"]);
            Assert.Contains("<svg", report);
            Assert.DoesNotMatch("(src|href)\\s*=\\s*[\"']?(https?:|//)", report);
            Assert.DoesNotContain("@import", report);
            Assert.Empty(Directory.GetFiles(run.Place["run"], "*.tmp", SearchOption.AllDirectories));
            using var summary = JsonDocument.Parse(File.ReadAllText(run.Place["run/summary.json"]));
            Assert.Equal(["name", "seed", "seconds"], summary.RootElement.EnumerateObject().Select(property => property.Name).Take(3));
        }
    }

    [Fact]
    public void Policies_write_completions_and_reward_models_refuse_to()
    {
        var output = arithmetic.Place.Run("generate", "--model", "run/final/grpo", "--prompt", "Q: 1+2+3\nA:", "--n", "3", "--max-new-tokens", "8", "--json").Succeeded().Output;
        var rows = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(3, rows.Length);
        foreach (var row in rows)
        {
            Assert.Equal(["prompt", "completion", "tokens", "logprob", "finish_reason"], row.EnumerateObject().Select(property => property.Name));
            Assert.Equal("Q: 1+2+3\nA:", row.GetProperty("prompt").GetString());
            Assert.InRange(row.GetProperty("tokens").GetArrayLength(), 1, 8);
            Assert.True(row.GetProperty("logprob").GetDouble() < 0);
            Assert.Contains(row.GetProperty("finish_reason").GetString(), new[] { "stop", "length" });
        }

        tldr.Place.Run("generate", "--model", "run/final/ppo", "--prompt", "the dog", "--max-new-tokens", "4", "--temperature", "0").Succeeded();
        tldr.Place.Run("generate", "--model", "run/final/rm", "--prompt", "the dog").RefusedInOneLine("run/final/rm", "reward or value model", "language model is needed");
        arithmetic.Place.Run("generate", "--model", "run/final/sft", "--prompt", "Q", "--max-new-tokens", "400").RefusedInOneLine("160 positions");
    }

    /// <summary>A finished run.</summary>
    public abstract class RunOf : IDisposable
    {
        protected RunOf(string recipe)
        {
            Place.Write("recipe.yaml", recipe);
            Place.Run("run", "recipe.yaml", "--out", "run").Succeeded();
        }

        public Workplace Place { get; } = new();

        public OrderedDictionary<string, JsonElement> Stages()
        {
            var stages = new OrderedDictionary<string, JsonElement>();
            foreach (var stage in JsonDocument.Parse(File.ReadAllText(Place["run/summary.json"])).RootElement.GetProperty("stages").EnumerateArray())
                stages.Add(stage.GetProperty("name").GetString()!, stage);
            return stages;
        }

        public double Metric(string stage, string name) => Stages()[stage].GetProperty("metrics").GetProperty(name).GetDouble();

        public void HasMetrics(string stage, params string[] names)
        {
            var metrics = Stages()[stage].GetProperty("metrics");
            foreach (var name in names)
            {
                Assert.True(metrics.TryGetProperty(name, out var value), $"{stage} has no {name}, but {string.Join(", ", metrics.EnumerateObject().Select(metric => metric.Name))}");
                Assert.Equal(JsonValueKind.Number, value.ValueKind);
            }
        }

        public void Dispose() => Place.Dispose();
    }

    public sealed class Arithmetic() : RunOf(Stages(File.ReadAllText(Path.Combine(Llmrl.Root, "recipes", "quickstart.yaml"))))
    {
        private const string Online = "policy: sft, data: { generator: arithmetic, split: rl, count: 50 }, reward: { weighted: { terms: [ { reward: { math: { format_bonus: 0.1 } } }, "
            + "{ reward: { length: { target: 8 } }, weight: 0.5 } ] } }, steps: 3, prompts_per_step: 4, max_completion_length: 12";

        // The shipped recipe's name and seed, so that the test speaks of what people run.
        private static string Stages(string shipped) => shipped[..shipped.IndexOf("model:", StringComparison.Ordinal)] + $$"""
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 200 }, eval_data: { generator: arithmetic, split: test, count: 10 }, steps: 12, batch_size: 8 }
              - reinforce: { name: none, baseline: none, {{Online}} }
              - reinforce: { name: mean, baseline: batch_mean, whiten_advantages: true, {{Online}} }
              - reinforce: { name: moving, baseline: moving_average, reward_to_go: false, {{Online}} }
              - reinforce: { name: value, baseline: value, {{Online}} }
              - rloo: { name: rloo, num_generations: 4, {{Online}} }
              - ppo: { name: ppo, num_ppo_epochs: 2, num_mini_batches: 2, whiten_rewards: true, missing_eos_penalty: 1, {{Online}} }
              - grpo: { name: grpo, num_generations: 4, num_iterations: 2, entropy_coef: 0.01, {{Online}} }
              - grpo: { name: dapo, num_generations: 4, loss_type: dapo, beta: 0, epsilon_high: 0.28, mask_truncated_completions: true, {{Online}} }
              - evaluate: { name: eval, policies: [sft, none, mean, moving, value, rloo, ppo, grpo, dapo], data: { generator: arithmetic, split: test, count: 12 }, pass_at_k: [1, 4],
                  reward: { math: {} }, max_completion_length: 12 }
            """;
    }

    public sealed class Tldr() : RunOf("""
        name: tiny-tldr
        model: { config: tiny.json, tokenizer: words, vocabulary_data: { generator: tldr, count: 200 } }
        stages:
          - sft: { name: sft, data: { generator: tldr, count: 100 }, steps: 6, batch_size: 4 }
          - reward_model: { name: rm, policy: sft, data: { generator: tldr, split: reward, count: 100 }, steps: 6, batch_size: 4, center_rewards_coefficient: 0.01,
              center_on: { generator: tldr, count: 10 }, eval_data: { generator: tldr, split: test, count: 10 } }
          - dpo: { name: dpo, policy: sft, reference: base, data: { generator: tldr, split: reward, count: 100 }, steps: 6, batch_size: 4, loss_type: robust, label_smoothing: 0.1,
              rpo_alpha: 0.5, eval_data: { generator: tldr, split: test, count: 10 } }
          - ppo: { name: ppo, policy: sft, value: rm, data: { generator: tldr, split: rl, count: 50 }, reward: { reward_model: { model: rm } }, steps: 3, prompts_per_step: 8, max_completion_length: 16 }
          - reinforce: { name: reinforce, policy: sft, baseline: value, value: rm, data: { generator: tldr, split: rl, count: 50 }, reward: gold, steps: 2, prompts_per_step: 4, max_completion_length: 16 }
          - evaluate: { name: eval, policies: [sft, dpo, ppo], data: { generator: tldr, split: test, count: 12 }, judge: gold, reward: { reward_model: { model: rm } }, max_completion_length: 16,
              reward_models: [rm], pairs: { generator: tldr, split: test, count: 20 } }
        """);
}

/// <summary>The shipped recipes can be read, and every file that they name is there.</summary>
public sealed class ShippedRecipeTests(TrainedModel trained) : IClassFixture<TrainedModel>
{
    public static TheoryData<string> Recipes => [.. Files.Where(path => !IsSweep(path))];

    public static TheoryData<string> Sweeps => [.. Files.Where(IsSweep)];

    private static IEnumerable<string> Files => Directory.GetFiles(Path.Combine(Llmrl.Root, "recipes"), "*.yaml", SearchOption.AllDirectories)
        // What begins with an underscore is there to be extended.
        .Where(path => Path.GetFileName(path)[0] != '_').Order(StringComparer.Ordinal);

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_shipped_recipe_binds(string path)
    {
        // A recipe for a model, or a model and data, of the user's own stands with a placeholder.
        var text = File.ReadAllText(path);
        using var place = new Workplace();
        var folder = TrainedModel.Copy(trained.Policy, place, "model");
        var overrides = new List<string>();
        if (text.Contains("{ path: FOLDER", StringComparison.Ordinal))
            overrides.Add("model.path=" + trained.Policy);
        foreach (var name in new[] { "model", "folder" }.Where(name => Regex.IsMatch(text, $@"\b{name}: FOLDER")))
            overrides.Add($"vars.{name}={folder}");
        foreach (Match file in Regex.Matches(text, @"\$\{folder\}/([\w.*-]+)"))
            File.WriteAllText(Path.Combine(folder, file.Groups[1].Value.Replace("*", "1")), "");
        var recipe = RecipeBinder.Load<Recipe>(path, overrides);
        AssertNamed(path, recipe.Name);
        Assert.NotEmpty(recipe.Stages);
        if (RecipeBinder.HasKey(path, "extends"))
            Assert.NotEmpty(RecipeBinder.Load<Recipe>(path, "scale=full").Stages);
    }

    [Theory]
    [MemberData(nameof(Sweeps))]
    public void Every_run_of_a_shipped_sweep_binds(string path)
    {
        var plan = SweepPlan.Make(RecipeBinder.Load<SweepRecipe>(path), "runs");
        AssertNamed(path, plan.Sweep.Name);
        Assert.True(plan.Runs.Count > 1, "nothing is compared");
    }

    /// <summary>A recipe is named after its file, with the folder's name before it or without.</summary>
    private static void AssertNamed(string path, string name)
    {
        var (folder, file) = (Path.GetFileName(Path.GetDirectoryName(path)), Path.GetFileNameWithoutExtension(path));
        Assert.Contains(name, new[] { file, $"{folder}-{file}" });
    }

    private static bool IsSweep(string path) => RecipeBinder.HasKey(path, "sweep");
}
