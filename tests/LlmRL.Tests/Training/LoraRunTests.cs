using LlmRL.Algorithms;
using LlmRL.Faults;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Tokenization;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>Whole runs whose stages train adapters.</summary>
[Collection(TensorCollection.Name)]
public sealed class LoraRunTests : IDisposable
{
    private const string
        Sft = "  - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 3, batch_size: 4 }\n",
        Online = "policy: sft, data: { generator: arithmetic, split: rl, count: 30 }, reward: { length: { target: 3 } }, steps: 4, num_generations: 2, prompts_per_step: 4, max_completion_length: 5, "
            + "learning_rate: 1e-2, beta: 0.1, save_steps: 1, log_completions_steps: 1";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_stage_leaves_the_merged_model_and_its_adapters()
    {
        var run = New("run", Sft + $"  - grpo: {{ name: grpo, {Online}, lora: {{ r: 4, alpha: 16 }} }}\n  - evaluate: {{ name: eval, policies: [sft, grpo], data: {{ generator: arithmetic, split: test, count: 5 }}, max_completion_length: 5 }}");
        run.Run();
        var (start, final) = (run.Directory.Final("sft"), run.Directory.Final("grpo"));
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors"], Directory.GetFiles(Path.Combine(final, "adapter")).Select(Path.GetFileName).Order());
        using var merged = ModelFolder.Load(final, trainable: false);
        using var again = ModelFolder.LoadMerged(start, Path.Combine(final, "adapter"), trainable: false);
        using var alone = ModelFolder.Load(Path.Combine(final, "adapter"), trainable: false);
        using var before = ModelFolder.Load(start, trainable: false);
        var expected = Values(merged);
        Assert.Equal(expected, Values(again));
        Assert.Equal(expected, Values(alone));
        Assert.NotEqual(expected, Values(before));
        Assert.Equal(before.Parameters["embed"].data<float>().ToArray(), merged.Parameters["embed"].data<float>().ToArray());
        Assert.True(Directory.Exists(run.Directory.Checkpoint("grpo", 4)));
        Assert.False(File.Exists(Path.Combine(run.Directory.Checkpoint("grpo", 4), "model.safetensors")));
        Assert.Equal("bytes", TokenizerLoader.Load(ModelFolder.TokenizerFolder(Path.Combine(final, "adapter"))) is ByteTokenizer ? "bytes" : "another");

        var steps = MetricsReader.Read(run.Directory.MetricsPath).Where(row => row.Stage == "grpo").Select(row => row.Values).ToArray();
        // Rollouts read merged weights, training reads base and adapters: they must be the same policy. The reference is the start, so that the first KL is 0.
        Assert.All(steps, row => Assert.InRange(row["sampling/sampling_logp_difference/max"], 0, 1e-4));
        Assert.Equal(0, steps[0]["kl"], 6);
        Assert.True(steps[^1]["kl"] > 1e-5, "nothing was learned: the test shows nothing");
    }

    [Fact]
    public void A_resumed_run_ends_with_the_same_bytes()
    {
        var pairs = folder["pairs.jsonl"];
        File.WriteAllLines(pairs, Enumerable.Range(0, 12).Select(i => $$"""{"prompt": "Q: {{i}}\nA:", "chosen": " {{i}}{{i}}", "rejected": " no {{i}}"}"""));
        const string lora = "lora: { r: 2, dropout: 0.2 }";
        var stages = Sft
            + $"  - reward_model: {{ name: rm, data: {{ path: {pairs} }}, policy: sft, steps: 4, batch_size: 4, save_steps: 1, learning_rate: 1e-2, {lora} }}\n"
            + $"  - dpo: {{ name: dpo, data: {{ path: {pairs} }}, policy: sft, steps: 4, batch_size: 4, save_steps: 1, learning_rate: 1e-2, {lora} }}\n"
            + $"  - ppo: {{ name: ppo, {Online}, value: rm, num_ppo_epochs: 2, num_mini_batches: 2, {lora} }}";
        var whole = New("whole", stages);
        whole.Run();
        var run = New("stopped", stages);
        foreach (var (stage, resume) in new[] { ("rm", false), ("dpo", true), ("ppo", true) })
        {
            using (Disk.Inject(new FaultIn(Path.Combine("checkpoints", stage, "step-3"))))
                Assert.Throws<IOException>(() => run.Run(resume));
            Assert.Equal(2, run.Directory.CheckpointSteps(stage)[^1]);
        }

        Assert.Contains("resuming after step 2 of 4", run.Run(resume: true));
        var (wanted, found) = (FaultedWrites.Results(whole.Root), FaultedWrites.Results(run.Root));
        Assert.Contains(wanted.Keys, name => name.EndsWith("ppo/adapter/adapter_model.safetensors", StringComparison.Ordinal));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));
    }

    [Fact]
    public void The_reference_is_the_policy_without_its_adapters()
    {
        using var models = Models(new LoraOptions { R = 2 }, reference: null);
        Assert.Same(models.Policy, models.Reference);
        Assert.Null(models.Policy.Parameters.Gradients);
        // PPO's value network starts at 0 though the head that it trains is drawn at random.
        Assert.All(models.Value!.TrainedParameters["score"].detach().contiguous().data<float>().ToArray(), value => Assert.Equal(0, value));
        using var whole = Models(null, reference: null);
        Assert.NotSame(whole.Policy, whole.Reference);
    }

    [Theory]
    [InlineData("lora: { lora_alpha: 4 }", "lora.lora_alpha: unknown key. Did you mean alpha?")]
    [InlineData("lora: { lora_dropout: 0.1 }", "Did you mean dropout?")]
    [InlineData("lora: { rank: 4 }", "lora.rank: unknown key")]
    [InlineData("lora: { r: 0 }", "lora.r: 0 is out of range")]
    [InlineData("lora: { dropout: 1 }", "lora.dropout: 1 is out of range")]
    [InlineData("lora: { target_modules: [all-linear, q_proj] }", "lora.target_modules: all-linear already stands for all")]
    [InlineData("lora: { target_modules: [q_proj, c_attn] }", "stages.0.grpo.lora.target_modules: 'c_attn' is no projection of a llama model's blocks")]
    [InlineData("lora: {}, sync_ref_model: true", "sync_ref_model: with lora")]
    public void Settings_that_cannot_be_meant_are_refused_by_key(string settings, string text)
    {
        var run = New("run", $"  - grpo: {{ name: grpo, {Online.Replace("policy: sft", "policy: base", StringComparison.Ordinal)}, {settings} }}");
        Assert.Contains(text, Assert.Throws<BadInputException>(() => run.Run()).Message);
    }

    [Fact]
    public void Targets_may_be_one_name_or_several()
    {
        Assert.Equal(["all-linear"], Read("{}"));
        Assert.Equal(["q_proj"], Read("{ target_modules: q_proj }"));
        Assert.Equal(["q_proj", "v_proj"], Read("{ target_modules: [q_proj, v_proj] }"));

        IReadOnlyList<string> Read(string text)
        {
            File.WriteAllText(folder["lora.yaml"], text);
            return RecipeBinder.Load<LoraOptions>(folder["lora.yaml"]).TargetModules;
        }
    }

    private OnlineModels Models(LoraOptions? lora, string? reference)
    {
        var config = folder["tiny.json"];
        File.WriteAllText(config, TinyRun.Config);
        var stage = new Ppo { Name = "ppo", Steps = 1, Policy = Recipe.BaseModel, Reference = reference, Data = new DataSource { Generator = "arithmetic" }, Reward = new MathReward(), Lora = lora };
        var environment = new RunEnvironment
        {
            Recipe = new Recipe { Name = "r", Model = new ModelSource { Config = config, Tokenizer = "bytes" }, Stages = [stage] },
            Tokenizer = new ByteTokenizer(),
            Device = CPU,
            Console = RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false),
            Time = TimeProvider.System,
        };
        return new OnlineModels(stage, new StageContext(stage, environment));
    }

    private SmallRun New(string name, string stages)
    {
        Directory.CreateDirectory(folder[name]);
        return new SmallRun(folder[name], stages);
    }

    private static float[] Values(Transformer model) => model.Parameters.Values.data<float>().ToArray();

    private sealed class FaultIn(string name) : IDiskFaults
    {
        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            operation == DiskOperation.Write && path.Contains(name, StringComparison.Ordinal) ? new WriteFault(0, new IOException("No space left on device")) : null;
    }
}
