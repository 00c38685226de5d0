namespace LlmRL.Cli.Tests;

/// <summary>Every fault of a recipe ends with exit code 2 and one message that names file, line, key, value and remedy, before anything is written.</summary>
public sealed class RecipeFaultTests : IDisposable
{
    // Lines matter: the tests below name them.
    private const string Recipe = """
        name: faulty
        seed: 1
        model:
          config: tiny.json
          tokenizer: bytes
        stages:
          - sft:
              name: sft
              data: { generator: arithmetic, split: train, count: 100 }
              steps: 2
              batch_size: 4
              learning_rate: 1e-3
          - grpo:
              name: grpo
              policy: sft
              data: { generator: arithmetic, split: rl, count: 100 }
              reward: { math: {} }
              steps: 2
              num_generations: 2
              prompts_per_step: 2
              max_completion_length: 8
          - evaluate:
              name: eval
              policies: [sft, grpo]
              data: { generator: arithmetic, split: test, count: 20 }
              pass_at_k: [1]
              max_completion_length: 8
        """;

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("seed: 1", "sede: 1", "2", "sede", "seed")]
    [InlineData("batch_size: 4", "batch_sise: 4", "11", "stages.0.sft.batch_sise", "Did you mean batch_size?")]
    [InlineData("tokenizer: bytes", "tokeniser: bytes", "5", "model.tokeniser", "Did you mean tokenizer?")]
    [InlineData("reward: { math: {} }", "reward: { math: { strickt: true } }", "17", "stages.1.grpo.reward.math.strickt", "Did you mean strict?")]
    [InlineData("steps: 2\n      batch", "steps: many\n      batch", "10", "stages.0.sft.steps", "\"many\"", "whole number")]
    [InlineData("learning_rate: 1e-3", "learning_rate: -1", "12", "stages.0.sft.learning_rate", "-1", "between 0 and 10")]
    [InlineData("num_generations: 2", "num_generations: 1", "19", "stages.1.grpo.num_generations", "1 is out of range", "between 2 and")]
    [InlineData("- grpo:", "- grop:", "13", "unknown kind \"grop\"", "Did you mean grpo?")]
    [InlineData("policy: sft", "policy: sfd", "15", "stages.1.grpo.policy", "'sfd'", "base, sft")]
    [InlineData("name: eval", "name: sft", "23", "stages.2.evaluate.name", "two stages are named 'sft'")]
    [InlineData("name: eval", "name: a/b", "23", "stages.2.evaluate.name", "'a/b'", "letters, digits")]
    [InlineData("policies: [sft, grpo]", "policies: [sft, eval]", "24", "stages.2.evaluate.policies", "'eval'", "grpo")]
    [InlineData("split: rl,", "split: lr,", "16", "stages.1.grpo.data.split", "'lr'", "train (or sft), reward, rl or test")]
    [InlineData("split: train,", "split: rewards,", "9", "stages.0.sft.data.split", "rewards", "use train (or sft), reward, rl or test")]
    [InlineData("generator: arithmetic, split: rl", "generator: arithmatic, split: rl", "16", "stages.1.grpo.data.generator", "'arithmatic'", "arithmetic, tldr")]
    [InlineData("count: 20 }", "count: 2000000, arithmetic: { max_operand: 3, max_steps: 2 } }", "25", "stages.2.evaluate.data.count", "distinct problems")]
    [InlineData("reward: { math: {} }", "reward: { reward_model: { model: sft } }", "17", "stages.1.grpo.reward", "no reward model")]
    [InlineData("config: tiny.json", "config: tinny.json", "4", "model.config", "tinny.json", "no such file")]
    [InlineData("tokenizer: bytes", "tokenizer: byte", "5", "model.tokenizer", "byte: no such file or folder")]
    [InlineData("config: tiny.json", "path: nowhere", "4", "model.path", "nowhere: no such folder")]
    [InlineData("seed: 1", "seed: [1", "yaml", "not valid YAML")]
    [InlineData("seed: 1", "seed: 1\nseed: 2", "3", "seed", "duplicate key")]
    [InlineData("max_completion_length: 8\n  - evaluate", "max_completion_length: 500\n  - evaluate", "16", "stages.1.grpo.data", "max_completion_length 500", "160 positions", "Lower")]
    [InlineData("batch_size: 4", "max_length: 3", "9", "stages.0.sft.data", "max_length is 3", "Shorten")]
    [InlineData("pass_at_k: [1]", "pass_at_k: [0]", "26", "stages.2.evaluate.pass_at_k", "k is 0", "at least 1")]
    public void A_faulty_recipe_is_refused(string right, string wrong, string line, params string[] texts)
    {
        Assert.Contains(right, Recipe);
        place.Write("recipe.yaml", Recipe.Replace(right, wrong));
        var where = line == "yaml" ? "recipe.yaml:" : $"recipe.yaml:{line}: ";
        place.Run("run", "recipe.yaml", "--out", "out").RefusedInOneLine([where, .. texts]);
        Assert.False(Directory.Exists(place["out"]), "a run directory was made");
    }

    [Fact]
    public void All_faults_of_a_recipe_are_named_at_once()
    {
        place.Write("recipe.yaml", Recipe.Replace("seed: 1", "sede: 1").Replace("policy: sft", "polisy: sft"));
        var lines = place.Run("run", "recipe.yaml", "--out", "out").Refused().Message.Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("recipe.yaml:2: sede: ", lines[0]);
        Assert.StartsWith("recipe.yaml:15: stages.1.grpo.polisy: ", lines[1]);
    }

    [Theory]
    [InlineData("stages.grpo.stepps=3", "--set stages.grpo.stepps=3", "stepps", "Did you mean steps?")]
    [InlineData("stages.grpo.steps=few", "--set stages.grpo.steps=few", "stages.1.grpo.steps", "whole number")]
    [InlineData("stages.rloo.steps=3", "--set stages.rloo.steps=3", "no item rloo", "grpo")]
    [InlineData("seed", "--set seed", "KEY=VALUE")]
    public void A_faulty_override_is_refused(string set, params string[] texts)
    {
        place.Write("recipe.yaml", Recipe);
        place.Run("run", "recipe.yaml", "--out", "out", "--set", set).RefusedInOneLine(texts);
        Assert.False(Directory.Exists(place["out"]));
    }

    [Fact]
    public void Faulty_options_of_run_are_refused()
    {
        place.Write("recipe.yaml", Recipe);
        place.Write("file", "");
        place.Run("run", "missing.yaml").RefusedInOneLine("missing.yaml", "no such file", "recipes/");
        place.Run("run", "recipe.yaml", "--stage", "gpro").RefusedInOneLine("--stage gpro", "sft, grpo, eval");
        place.Run("run", "recipe.yaml", "--device", "gpu").RefusedInOneLine("--device gpu", "auto, cpu or cuda");
        place.Run("run", "recipe.yaml", "--out", "file").RefusedInOneLine("--out file", "is a file");
        place.Run("run").Refused("RECIPE");
        Assert.False(Directory.Exists(place["runs"]));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_is_refused()
    {
        place.Write("recipe.yaml", Recipe);
        // Even the superuser makes no folder there.
        place.Run("run", "recipe.yaml", "--out", "/proc/llmrl").RefusedInOneLine("--out /proc/llmrl", "cannot be written to");
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused()
    {
        place.Write("recipe.yaml", Recipe);
        var outcome = place.Run("run", "recipe.yaml", "--out", "out", "--device", "cuda", "--stage", "sft");
        if (outcome.ExitCode != 0)
            outcome.RefusedInOneLine("--device cuda", "no CUDA device", "--device cpu");
    }
}
