using System.Runtime;
using System.Runtime.InteropServices;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>Training gives back what it takes: tensors live outside the garbage collector's sight, so a forgotten one per step fills the machine overnight.</summary>
[Collection(TensorCollection.Name)]
public partial class MemoryTests
{
    private const int WarmUp = 50, Windows = 5, WindowSteps = 50;

    /// <summary>
    /// 8 kB a step, while a batch's hidden states are 50 kB and its logits 200 kB. What is forgotten shows in every window; what the JIT compiler takes
    /// now and then does not.
    /// </summary>
    private const long AllowedGrowth = WindowSteps * 8192;

    private static readonly ModelConfig Nano = Tiny.Llama with { VocabSize = 256, HiddenSize = 64, HeadDim = 16, IntermediateSize = 128, InitializerRange = 0.05 };

    [Fact]
    public void OnlineStepsAreFlat()
    {
        using var policy = Tiny.Model(Nano);
        using var reference = Tiny.Model(Nano);
        using var value = Tiny.Model(Nano, scalarHead: true);
        using var optimizer = new AdamW(policy.Parameters, new AdamWOptions());
        using var valueOptimizer = new AdamW(value.Parameters, new AdamWOptions());
        using var engine = new RolloutEngine(policy.DecoderWeights(), threads: 1);
        var stage = Tiny.Ppo with { EntropyCoef = 0.01 };
        AssertFlat(step =>
        {
            var prompts = Enumerable.Range(0, 8).Select(i => Enumerable.Range(1, 3 + (i + step) % 7).ToArray()).ToArray();
            var completions = engine.Generate(prompts, 1, new SamplingOptions { MaxNewTokens = 10 + step % 8, StopIds = [2] }, new SampleKey(1, (ulong)step));
            var trajectories = completions.Select(completion => new Trajectory
            {
                Example = new Example { Prompt = "" },
                Prompt = prompts[completion.PromptIndex],
                Completion = completion,
                Text = "",
                Score = completion.Tokens.Length,
            }).ToArray();
            var share = new BatchShare(trajectories.Length, trajectories.Sum(trajectory => trajectory.Length));
            using (no_grad())
            using (NewDisposeScope())
            using (var batch = new PolicyBatch(trajectories, CPU, share) { Metrics = new BatchMetrics() })
            {
                using var forward = batch.Forward(reference, 1);
                PolicyBatch.Unpad(batch.LogProbs, trajectories, (trajectory, values) => trajectory.ReferenceLogProbs = values);
                batch.ForwardValues(value);
                PolicyBatch.Unpad(batch.Values!, trajectories, (trajectory, values) => trajectory.Values = values);
            }

            stage.ComputeAdvantages(new Rollout(trajectories, 1), new Dictionary<string, double>(), new BatchMetrics());
            OnlineLoop.Accumulate(stage, policy, value, trajectories, share, new BatchMetrics(), firstEpoch: true);
            optimizer.Step(1e-4);
            valueOptimizer.Step(1e-4);
        });
    }

    [Fact]
    public void OfflineStepsAreFlat()
    {
        using var model = Tiny.Model(Nano);
        using var reward = Tiny.Model(Nano, scalarHead: true);
        using var reference = Tiny.Model(Nano);
        using var optimizer = new AdamW(model.Parameters, new AdamWOptions());
        using var rewardOptimizer = new AdamW(reward.Parameters, new AdamWOptions());
        var (sft, rewardModel) = (new Sft { Name = "s", Steps = 1, Data = null! }, new RewardModel { Name = "s", Steps = 1, Data = null! });
        var dpo = new Dpo { Name = "s", Steps = 1, Data = null!, RpoAlpha = 1 };
        AssertFlat(step =>
        {
            int[] Tokens(int length) => [.. Enumerable.Range(step, length).Select(i => i * 7 % Nano.VocabSize)];
            var rows = Enumerable.Range(0, 8).Select(i => new EncodedExample([Tokens(12 + (i + step) % 9), Tokens(15 + (i * step) % 11)], 3, new Example { Prompt = "" })).ToList();
            OfflineLoop.Accumulate(sft, model, [.. rows.Select(row => row with { Sequences = [row.Sequences[0]] })], train: true);
            optimizer.Step(1e-4);
            OfflineLoop.Accumulate(rewardModel, reward, rows, train: true);
            rewardOptimizer.Step(1e-4);
            OfflineModels.AddReferenceLogProbs(reference, rows, dpo.MicroBatchTokens);
            OfflineLoop.Accumulate(dpo, model, rows, train: true);
            optimizer.Step(1e-4);
        });
    }

    private static void AssertFlat(Action<int> trainingStep)
    {
        if (!OperatingSystem.IsLinux())
            return;
        for (var step = 0; step < WarmUp; step++)
            trainingStep(step);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // The collector would free forgotten tensors through their finalizers, at times of its own: a training step may not count on that.
        Assert.True(GC.TryStartNoGCRegion(200 << 20));
        var growth = long.MaxValue;
        for (var window = 0; window < Windows; window++)
        {
            var before = NativeBytes();
            for (var step = 0; step < WindowSteps; step++)
                trainingStep(WarmUp + window * WindowSteps + step);
            growth = Math.Min(growth, NativeBytes() - before);
        }

        Assert.Equal(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
        GC.EndNoGCRegion();
        Assert.True(growth < AllowedGrowth, $"every {WindowSteps} training steps took at least {growth / 1e3:F1} kB that they did not give back");
    }

    /// <summary>Bytes that malloc has handed out and not got back, which is where tensors live; the managed heap has no part in it.</summary>
    private static long NativeBytes()
    {
        var info = mallinfo2();
        return (long)(info.InUse + info.Mapped);
    }

    [LibraryImport("libc.so.6")]
    private static partial MallocInfo mallinfo2();

    /// <summary>glibc's <c>struct mallinfo2</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallocInfo
    {
        private readonly nuint arena, freeChunks, fastChunks, mappedRegions;
        public readonly nuint Mapped;
        private readonly nuint most, fastFree;
        public readonly nuint InUse;
        private readonly nuint free, releasable;
    }
}
