using LlmRL.Control;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Control;

/// <summary>Whole stages, from a recipe without a model to the files that they leave.</summary>
[Collection(TensorCollection.Name)]
public sealed class ControlStageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    static ControlStageTests() => _ = Tiny.Llama;

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Ppo_learns_to_balance_a_pole()
    {
        var (stage, directory) = Run("control: { name: pole, environment: cartpole, algorithm: { ppo: { num_iterations: 6 } }, steps: 40, learning_rate: 2e-3, eval_episodes: 20 }");

        // A random policy holds the pole for about 22 steps.
        Assert.InRange(Logged(directory, "return")[0], 10, 40);
        Assert.True(stage.Metrics["return"] > 200, $"return {stage.Metrics["return"]} after 40 phases");
        Assert.Equal(stage.Metrics["return"], stage.Metrics["episode_length"]);
        Assert.Equal(40 * 8 * 128, stage.Metrics["environment_steps"]);
        Assert.All(Logged(directory, "approx_kl"), kl => Assert.InRange(kl, 0, 0.1));
        Assert.True(File.Exists(Path.Combine(directory.Final("pole"), "model.safetensors")));
        Assert.Contains("CartPole-v1", File.ReadAllText(Path.Combine(directory.Final("pole"), "config.json")));
        var report = File.ReadAllText(directory.ReportPath);
        Assert.Contains("Classic control", report);
        Assert.Contains("Measured at the end: return", report);
    }

    [Theory]
    [InlineData("reinforce: {}")]
    [InlineData("reinforce: { reward_to_go: true, baseline: value, train_v_iters: 3 }")]
    [InlineData("actor_critic: { num_steps: 50 }")]
    [InlineData("ppo: { num_steps: 50, num_mini_batches: 3, cliprange_value: 0.2 }")]
    public void Micro_batches_change_rounding_alone(string algorithm)
    {
        var stage = $"control: {{ name: pole, environment: cartpole, algorithm: {{ {algorithm} }}, num_envs: 4, steps: 1, entropy_coef: 0.01, eval_episodes: 1, micro_batch_tokens: SIZE }}";
        // One phase alone: a later one may sample another action where a probability differs in its last digit.
        var (_, whole) = Run(stage.Replace("SIZE", "8192"), "whole");
        var (_, parts) = Run(stage.Replace("SIZE", "16"), "parts");

        foreach (var metric in new[] { "loss", "entropy", "grad_norm", "loss/value_avg", "approx_kl", "policy/clipfrac_avg" })
        {
            var (expected, actual) = (Logged(whole, metric), Logged(parts, metric));
            Assert.Equal(expected.Length, actual.Length);
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, Math.Max(1e-6, 1e-4 * Math.Abs(pair.First))));
        }
    }

    [Fact]
    public void A_target_kl_ends_the_epochs_early()
    {
        const string stage = "control: { name: pole, environment: cartpole, algorithm: { ppo: { num_steps: 50, num_iterations: 5 } }, num_envs: 2, steps: 2, eval_episodes: 1 }";
        byte[] Weights(string name, string stage) => File.ReadAllBytes(Path.Combine(Run(stage, name).Directory.Final("pole"), "model.safetensors"));
        var (one, all) = (Weights("one", stage.Replace("num_iterations: 5", "num_iterations: 1")), Weights("all", stage));

        Assert.Equal(one, Weights("held", stage.Replace("num_iterations: 5", "num_iterations: 5, target_kl: 0")));
        Assert.Equal(all, Weights("free", stage.Replace("num_iterations: 5", "num_iterations: 5, target_kl: 100")));
        Assert.NotEqual(one, all);
    }

    [Fact]
    public void A_headline_that_turns_up_late_is_shown_in_its_place()
    {
        // Acrobot's first episodes take 500 steps, so that the first phases log no return.
        using var output = new StringWriter();
        Run("control: { name: swing, environment: acrobot, algorithm: { actor_critic: { num_steps: 250 } }, num_envs: 2, steps: 2, eval_episodes: 1 }", output: output);
        Assert.Contains("swing  2/2  return -", output.ToString());
        Assert.DoesNotContain("llmrl generate", output.ToString());
    }

    [Fact]
    public void A_loss_that_is_not_finite_leaves_its_batch_and_replay_says_where_it_begins()
    {
        // Each step takes a weight times 1 − 10·10: they grow until a square overflows.
        var message = Assert.Throws<NonFiniteException>(() => Run(Wild)).Message;
        var batch = Directory.GetDirectories(folder["run/non-finite"]).Single();
        Assert.Contains($"The batch is in {batch}; llmrl replay {batch} says where it begins", message);
        var said = new List<string>();
        Assert.True(Replay.Run(batch, CPU, said.Add));
        Assert.StartsWith("pole, step ", said[0]);
        Assert.Matches("✗ the value network's loss of steps [0-9]+ to [0-9]+: ", said.First(line => line.StartsWith('✗')));
        Assert.Equal("reproduced: the first line marked ✗ is where it begins", said[^1]);
    }

    [Theory]
    [InlineData("observation", "✗ observations: 1 of ")]
    [InlineData("weight", "✗ value network: weight 0.bias: 1 of ")]
    [InlineData("nothing", "not reproduced: everything is finite on this machine")]
    public void Replay_of_a_control_batch_looks_at_inputs_and_weights_first(string fault, string text)
    {
        Assert.Throws<NonFiniteException>(() => Run(Wild));
        var batch = Directory.GetDirectories(folder["run/non-finite"]).Single();
        var stage = (ControlStage)RecipeBinder.Load<Recipe>(Path.Combine(batch, SavedBatch.RecipeName)).Stages[0];
        // The networks as they are drawn are harmless.
        using (var agent = new ControlAgent(stage, key: 1))
        {
            using (no_grad())
            {
                if (fault == "weight")
                    agent.Value!.Parameters["0.bias"][0].fill_(float.NaN);
            }

            agent.Save(batch);
        }

        var saved = SavedBatch.Read(batch);
        var steps = saved.Steps! with { OldLogProbs = [.. saved.Steps.OldLogProbs.Select(_ => -0.7f)] };
        if (fault == "observation")
            steps.Observations[3] = float.PositiveInfinity;
        (saved with { Steps = steps }).Write(batch);
        var said = new List<string>();
        Assert.Equal(fault != "nothing", Replay.Run(batch, CPU, said.Add));
        Assert.StartsWith(text, said.Find(line => line.StartsWith('✗')) ?? said[^1]);
    }

    [Fact]
    public void A_saved_control_batch_is_the_one_that_was_trained_on()
    {
        Assert.Throws<NonFiniteException>(() => Run(Wild));
        var saved = SavedBatch.Read(Directory.GetDirectories(folder["run/non-finite"]).Single()).Steps!;
        using var scope = NewDisposeScope();
        var batch = ControlBatch.Of(saved);
        Assert.Equal(saved.Observations, batch.ToSaved().Observations);
        Assert.Equal(saved.Returns, batch.ToSaved().Returns);
        Assert.Equal(saved.Segments, batch.Share.Sequences);
        Assert.Equal(saved.Actions.Length, batch.Share.Tokens);
    }

    [Fact]
    public void An_entropy_collapse_is_an_alarm_and_may_stop_the_stage()
    {
        const string stage = "control: { name: pole, environment: cartpole, algorithm: { ppo: {} }, num_envs: 2, steps: 12, learning_rate: 0.5, eval_episodes: 1, alarms: { entropy: { below_start: 0.5, window: 2 } } }";
        using var output = new StringWriter();
        var (watched, directory) = Run(stage, output: output);
        var found = Assert.Single(watched.Alarms!);
        Assert.Equal(("entropy", "entropy"), (found.Alarm, found.Metric));
        Assert.Contains("alarm: pole: entropy since step", output.ToString());
        Assert.Contains("<rect class=\"alarm\"", File.ReadAllText(directory.ReportPath));
        // Watching changes nothing, stopping ends the stage there.
        var (off, plain) = Run(stage.Replace("{ entropy: { below_start: 0.5, window: 2 } }", "off"), "off");
        Assert.Null(off.Alarms);
        Assert.Equal(File.ReadAllBytes(plain.MetricsPath), File.ReadAllBytes(directory.MetricsPath));
        var (stopped, cut) = Run(stage.Replace("window: 2", "window: 2, stop: true"), "stop");
        Assert.Equal(found.From, stopped.Steps);
        Assert.Equal([found.From], cut.CheckpointSteps("pole"));
        Assert.Equal(found.From, Logged(cut, "entropy").Length);
    }

    private const string Wild = "control: { name: pole, environment: cartpole, algorithm: { ppo: { num_iterations: 10 } }, num_envs: 2, steps: 20, learning_rate: 10, weight_decay: 10, lr_scheduler_type: constant, eval_episodes: 1, alarms: off }";

    [Theory]
    [InlineData("- control: { name: a, environment: cartpole, algorithm: { ppo: {} }, steps: 1, alarms: { kl: { above: 5 } } }", "alarms.kl", "it watches objective/kl, which this stage does not log; take the alarm out")]
    [InlineData("- control: { name: a, environment: cartpole, algorithm: { ppo: {} }, steps: 1, alarms: { over_optimisation: { sigmas: 2 } } }", "alarms.over_optimisation", "there is one measure of reward")]
    [InlineData("- sft: { name: sft, data: { generator: arithmetic }, steps: 1 }", "model", "stage 'sft' works on a language model")]
    [InlineData("- control: { name: a, environment: cartpole, algorithm: { reinforce: { baseline: value } }, steps: 1 }", "reward_to_go", "needs reward_to_go: true")]
    [InlineData("- control: { name: a, environment: cartpole, algorithm: { reinforce: { baseline: leave_one_out } }, num_envs: 1, steps: 1 }", "num_envs", "2 or more")]
    [InlineData("- control: { name: a, environment: pong, algorithm: { reinforce: {} }, steps: 1 }", "environment", "cartpole, acrobot")]
    [InlineData("- control: { name: a, environment: cartpole, algorithm: { grpo: {} }, steps: 1 }", "algorithm", "actor_critic, ppo, reinforce")]
    public void A_recipe_that_does_not_fit_is_refused(string stage, string key, string text)
    {
        var fault = Assert.Throws<BadInputException>(() => RecipeBinder.Parse<Recipe>($"name: x\nstages:\n  {stage}\n", "x.yaml", []));
        Assert.Contains(key, fault.Message);
        Assert.Contains(text, fault.Message);
    }

    [Fact]
    public void A_control_policy_is_no_language_model()
    {
        var fault = Assert.Throws<BadInputException>(() => RecipeBinder.Parse<Recipe>("""
            name: x
            model: { config: models/nano.json, tokenizer: bytes }
            stages:
              - control: { name: pole, environment: cartpole, algorithm: { ppo: {} }, steps: 1 }
              - sft: { name: sft, policy: pole, data: { generator: arithmetic }, steps: 1 }
            """, "x.yaml", []));
        Assert.Contains("stage 'pole' trains no language model", fault.Message);
    }

    private (StageSummary Stage, RunDirectory Directory) Run(string stage, string name = "run", TextWriter? output = null)
    {
        var options = new PipelineOptions { Out = Path.Combine(folder.Path, name), Device = CPU, DeviceText = "cpu" };
        using var console = RunConsole.Create(output ?? TextWriter.Null, TimeProvider.System, live: false);
        var recipe = RecipeBinder.Parse<Recipe>($"name: control\nseed: 5\nstages:\n  - {stage}\n", "control.yaml", []);
        var summary = new Pipeline(recipe, options, console, TimeProvider.System).Run(CancellationToken.None);
        return (summary.Stages[0], RunDirectory.Create(options.Out));
    }

    private static double[] Logged(RunDirectory directory, string metric) =>
        [.. MetricsReader.Read(directory.MetricsPath).Where(row => row.Values.ContainsKey(metric)).Select(row => row.Values[metric])];
}
