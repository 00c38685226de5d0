using System.Diagnostics;

namespace LlmRL.Cli.Tests;

/// <summary>Signals in the middle of long phases.</summary>
public sealed class InterruptTests : IDisposable
{
    private const string Head = "name: long\nmodel: { config: tiny.json, tokenizer: bytes }\nstages:\n";

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    /// <summary>Each phase by itself would take minutes.</summary>
    [Theory]
    [InlineData("rollout", "  - grpo: { name: long, policy: base, data: { generator: arithmetic, split: rl, count: 100 }, reward: math, steps: 1, prompts_per_step: 20000, num_generations: 16, max_completion_length: 100 }")]
    [InlineData("evaluation", "  - evaluate: { name: long, policies: [base], data: { generator: arithmetic, split: test, count: 20000 }, pass_at_k: [1, 16], max_completion_length: 100 }")]
    public void A_signal_ends_a_long_phase(string phase, string stage)
    {
        place.Write("recipe.yaml", Head + stage + "\n");
        using var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "run");
        WaitForStage();
        Thread.Sleep(500);
        var clock = Stopwatch.StartNew();
        run.Interrupt();
        var outcome = run.WaitForEnd(TimeSpan.FromSeconds(10));
        Assert.True(outcome.ExitCode == 130, $"{phase}: exit code {outcome.ExitCode} after {clock.Elapsed}\n{outcome.Error}");
        Assert.Contains("--resume", outcome.Error);
    }

    [Fact]
    public void A_second_signal_stops_at_once()
    {
        // One optimizer step over a batch that takes minutes: nothing in it can be stopped half way.
        place.Write("recipe.yaml", Head + "  - sft: { name: long, data: { generator: arithmetic, count: 20000 }, steps: 2, batch_size: 1000000 }\n");
        using var run = Llmrl.Start(place.Root, "run", "recipe.yaml", "--out", "run");
        WaitForStage();
        Thread.Sleep(1000);
        run.Interrupt();
        Thread.Sleep(500);
        Assert.False(run.Process.HasExited, "the first signal must wait for the step");
        run.Interrupt();
        var outcome = run.WaitForEnd(TimeSpan.FromSeconds(5));
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains("a second signal stops at once", outcome.Output);
    }

    private void WaitForStage()
    {
        var clock = Stopwatch.StartNew();
        while (!Directory.Exists(place["run/tensorboard/long"]))
        {
            Assert.True(clock.Elapsed.TotalSeconds < 60, "the stage does not start");
            Thread.Sleep(5);
        }
    }
}
