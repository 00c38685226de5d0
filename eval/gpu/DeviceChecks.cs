using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Training;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Gpu;

/// <summary>What a comparison found.</summary>
/// <param name="Measure">What <paramref name="Error"/> is.</param>
/// <param name="Error">How far the device is from the CPU.</param>
/// <param name="Tolerance">How far it may be.</param>
internal sealed record Finding(string Measure, double Error, double Tolerance)
{
    /// <summary>False for NaN, too.</summary>
    public bool Holds => Error <= Tolerance;
}

/// <summary>
/// Compares a device with the fused kernels of the CPU. On a GPU the operators that run there are tested; on the CPU the very same operators, which the kernels
/// replace there otherwise, so that everything here runs on a machine without a GPU.
/// </summary>
/// <param name="models">The folder with <c>nano.json</c> and its like.</param>
/// <param name="device">What is compared.</param>
internal sealed partial class DeviceChecks(string models, Device device)
{
    private const double FloatTolerance = 1e-4, Bf16Tolerance = 1.0 / 128, LearningRate = 1e-3;
    private const int MicroBatchTokens = 96, MemorySteps = 30;
    private const string ForAllElse = "nano", Relative = "largest difference of the gradient ÷ its largest element, or of the loss";

    private static readonly string[] Architectures = ["nano", "qwen2-nano", "qwen3-nano", "mistral-nano", "gpt2-nano", "pythia-nano"];

    /// <summary>All comparisons, in the order of what builds on what.</summary>
    public static IReadOnlyDictionary<string, Func<DeviceChecks, Finding>> ByName { get; } = new OrderedDictionary<string, Func<DeviceChecks, Finding>>(
    [
        .. Architectures.Select(name => KeyValuePair.Create<string, Func<DeviceChecks, Finding>>($"logits/{name}", checks => checks.Logits(name))),
        new("loss/sft", checks => checks.Offline(new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = MicroBatchTokens })),
        new("loss/reward", checks => checks.Offline(new RewardModel { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = MicroBatchTokens })),
        new("loss/dpo", checks => checks.Offline(new Dpo { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = MicroBatchTokens, Beta = 0.2 })),
        new("loss/grpo", checks => checks.Online(new Grpo { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null!, EntropyCoef = 0.02 })),
        new("loss/ppo", checks => checks.Online(new Ppo { Name = "s", Steps = 1, Policy = "", Data = null!, Reward = null! })),
        new("optimizer/adamw", checks => checks.Optimizer()),
        new("bf16/operators", checks => checks.Bf16()),
        .. TrainingComparisons,
        new("sampling/log_probs", checks => checks.SampledLogProbs()),
        .. Architectures.Select(name => KeyValuePair.Create<string, Func<DeviceChecks, Finding>>($"decode/{name}", checks => checks.Decoding.Tokens(name))),
        new("decode/options", checks => checks.Decoding.Options(ForAllElse)),
        new("decode/log_probs", checks => checks.Decoding.LogProbs(ForAllElse)),
        new("decode/graphs", checks => checks.Decoding.Graphs(ForAllElse)),
        new("decode/memory", checks => checks.Decoding.Memory(ForAllElse)),
        new("repeat/gradient", checks => checks.Repeat()),
        new("memory/tensors", checks => checks.LiveTensors()),
        new("memory/device", checks => checks.DeviceMemory()),
        new("memory/exhausted", checks => checks.Exhausted()),
    ]);

    private DecodeChecks Decoding => new(device, (onDevice, name) => Model(onDevice ? Side.Device : Side.Kernels, name));

    private Finding Logits(string architecture)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return new("largest difference of a logit", CheckInputs.Difference(Of(Side.Kernels), Of(Side.Device)), FloatTolerance);

        float[] Of(Side side)
        {
            using var model = Model(side, architecture);
            int[][] sequences = [.. new[] { 17, 1, 40, 8, 33 }.Select((length, i) => CheckInputs.Tokens(model.Config.VocabSize, length, (ulong)i))];
            using var batch = new TokenBatch(sequences, model.Device);
            return Host(model.Logits(model.Hidden(batch)));
        }
    }

    private Finding Offline(OfflineStage stage)
    {
        return Compare(Of(Side.Kernels), Of(Side.Device));

        (double Loss, float[] Gradient) Of(Side side)
        {
            using var model = Model(side, ForAllElse, scalarHead: stage is RewardModel);
            var rows = CheckInputs.Rows(model.Config.VocabSize, stage is Sft ? 1 : 2);
            if (stage is Dpo)
            {
                using var reference = Model(side, ForAllElse, seed: 2);
                OfflineModels.AddReferenceLogProbs(reference, rows, MicroBatchTokens);
            }

            return Gradient(model, () => OfflineLoop.Accumulate(stage, model, rows, train: true)["loss"]);
        }
    }

    private Finding Online(OnlineStage stage)
    {
        using var sampled = Model(Side.Kernels, ForAllElse);
        var trajectories = CheckInputs.Trajectories(sampled, noise: 0.1);
        return Compare(Of(Side.Kernels), Of(Side.Device));

        (double Loss, float[] Gradient) Of(Side side)
        {
            using var policy = Model(side, ForAllElse);
            using var value = stage.ValueModel is null ? null : Model(side, ForAllElse, scalarHead: true, seed: 2);
            var metrics = new BatchMetrics();
            var share = BatchShare.Of(trajectories);
            var gradient = Gradient(policy, () =>
            {
                foreach (var micro in MicroBatches.Split(trajectories, trajectory => trajectory.Prompt.Length + trajectory.Length, MicroBatchTokens))
                    OnlineLoop.Accumulate(stage, policy, value, micro, share, metrics, firstEpoch: true);
                return metrics["loss"];
            });
            return value is null ? gradient : (gradient.Loss, [.. gradient.Gradient, .. Host(value.Parameters.Gradients!)]);
        }
    }

    /// <summary>Five steps with the same gradients, clipped and with weight decay.</summary>
    private Finding Optimizer()
    {
        const int steps = 5;
        return new($"largest difference of a weight after {steps} steps ÷ the learning rate", CheckInputs.Difference(Of(Side.Kernels), Of(Side.Device)) / LearningRate, 1e-3);

        float[] Of(Side side)
        {
            using var model = Model(side, ForAllElse);
            using var optimizer = new AdamW(model.Parameters, new AdamWOptions { WeightDecay = 0.1, MaxGradNorm = 1 }) { UsesKernels = side == Side.Kernels };
            var random = new RandomStream(CounterRandom.Key(5));
            for (var step = 0; step < steps; step++)
            {
                using var scope = NewDisposeScope();
                using (no_grad())
                    model.Parameters.Gradients!.copy_(tensor(CheckInputs.Normal(random, (int)model.Parameters.Count, 1e-3)));
                optimizer.Step(LearningRate);
            }

            return Host(model.Parameters.Values);
        }
    }

    /// <summary>The operators of a layer on numbers of 8 bits, against float32 on the same numbers.</summary>
    private Finding Bf16()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var random = new RandomStream(CounterRandom.Key(6));
        Tensor Rounded(int rows, int columns) => tensor(CheckInputs.Normal(random, rows * columns, 1), [rows, columns]).to_type(ScalarType.BFloat16);
        var (x, weight) = (Rounded(96, 256), Rounded(192, 256));
        var ids = tensor(CheckInputs.Tokens(192, 64, 1).Select(id => (long)id).ToArray());
        var largest = 0.0;
        foreach (var operation in new Func<Tensor, Tensor, Tensor, Tensor>[]
        {
            (a, b, _) => F.linear(a, b, null), (a, _, _) => F.silu(a), (a, _, _) => a.softmax(-1), (a, _, _) => a.log_softmax(-1), (_, b, i) => b.index_select(0, i),
            (a, _, _) => a * (a.square().mean([-1], keepdim: true) + 1e-6).rsqrt(), (a, b, _) => a.unsqueeze(0).bmm(b.t().unsqueeze(0)),
        })
        {
            var expected = Host(operation(x.to_type(ScalarType.Float32), weight.to_type(ScalarType.Float32), ids));
            var actual = Host(operation(x.to(device), weight.to(device), ids.to(device)).to_type(ScalarType.Float32));
            largest = Math.Max(largest, CheckInputs.Difference(expected, actual) / expected.Max(Math.Abs));
        }

        return new("largest difference ÷ largest number, of seven operators", largest, Bf16Tolerance);
    }

    private Finding SampledLogProbs()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var model = Model(Side.Device, ForAllElse);
        using var host = Model(Side.Kernels, ForAllElse);
        var trajectories = CheckInputs.Trajectories(host, noise: 0);
        using var batch = new PolicyBatch(trajectories, device, BatchShare.Of(trajectories)) { Metrics = new BatchMetrics() };
        using var forward = batch.Forward(model, temperature: 1);
        var largest = 0.0;
        PolicyBatch.Unpad(batch.LogProbs, trajectories, (trajectory, values) => largest = Math.Max(largest, CheckInputs.Difference(trajectory.LogProbs, values)));
        return new("largest difference of a log-probability from the one recorded in sampling", largest, FloatTolerance);
    }

    private Finding Repeat()
    {
        using var model = Model(Side.Device, ForAllElse);
        var rows = CheckInputs.Rows(model.Config.VocabSize, 1);
        var stage = new Sft { Name = "s", Steps = 1, Data = null! };
        (double Loss, float[] Gradient) Once() => Gradient(model, () => OfflineLoop.Accumulate(stage, model, rows, train: true)["loss"]);
        return Compare(Once(), Once()) with { Tolerance = 1e-5 };
    }

    private Finding LiveTensors()
    {
        var grown = 0L;
        Train(() => grown = Tensor.TotalCount - grown);
        return new($"tensors alive after {MemorySteps} steps beyond those before them", grown, 0);
    }

    private Finding DeviceMemory()
    {
        if (device.type != DeviceType.CUDA)
            return new("megabytes (no GPU: not looked at)", 0, 0);
        var (before, after) = (0L, 0L);
        Train(() => (before, after) = (after, cuda.mem_get_info().Free));
        return new($"megabytes of GPU memory taken by {MemorySteps} steps", (before - after) / 1e6, 16);
    }

    /// <summary>A lack of memory is told from other faults, so that micro-batches are halved.</summary>
    private Finding Exhausted()
    {
        try
        {
            using var scope = NewDisposeScope();
            zeros(1L << 46, dtype: ScalarType.Float32, device: device);
            return new("256 TB were allocated", 1, 0);
        }
        catch (Exception fault)
        {
            return NativeTorch.IsOutOfMemory(fault) ? new("an allocation beyond the memory is recognised", 0, 0) : new($"not recognised: {fault.Message}", 1, 0);
        }
    }

    /// <summary>Training steps; tells before the first of those that count, and after the last.</summary>
    private void Train(Action look)
    {
        using var model = Model(Side.Device, ForAllElse);
        using var optimizer = new AdamW(model.Parameters, new AdamWOptions()) { UsesKernels = false };
        var rows = CheckInputs.Rows(model.Config.VocabSize, 1);
        var stage = new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = MicroBatchTokens };
        for (var step = 0; step < MemorySteps + 5; step++)
        {
            if (step == 5)
                look();
            OfflineLoop.Accumulate(stage, model, rows, train: true);
            optimizer.Step(LearningRate);
        }

        look();
    }

    private static Finding Compare((double Loss, float[] Gradient) expected, (double Loss, float[] Gradient) actual)
    {
        var loss = Math.Abs(expected.Loss - actual.Loss) / Math.Max(1, Math.Abs(expected.Loss));
        return new(Relative, Math.Max(loss, CheckInputs.Difference(expected.Gradient, actual.Gradient) / expected.Gradient.Max(Math.Abs)), FloatTolerance);
    }

    private static (double Loss, float[] Gradient) Gradient(Transformer model, Func<double> backward)
    {
        model.Parameters.ZeroGradients();
        using var scope = NewDisposeScope();
        var loss = backward();
        return (loss, Host(model.Parameters.Gradients!));
    }

    private static float[] Host(Tensor values)
    {
        using var host = values.detach().cpu().contiguous();
        return host.data<float>().ToArray();
    }

    private Transformer Model(Side side, string architecture, bool scalarHead = false, ulong seed = 1)
    {
        var config = ModelConfigFile.Read(Path.Combine(models, $"{architecture}.json"));
        var model = new Transformer(config, scalarHead, device: side == Side.Kernels ? CPU : device) { UsesKernels = side == Side.Kernels };
        model.Parameters.Initialize(config, seed);
        return model;
    }

    /// <summary>The two that are compared.</summary>
    private enum Side
    {
        /// <summary>The CPU's fused kernels.</summary>
        Kernels,

        /// <summary>ATen operators on the device.</summary>
        Device,
    }
}
