using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Models.Operators;
using LlmRL.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Gpu;

/// <summary>Training in bfloat16, fused attention, layers computed again.</summary>
internal sealed partial class DeviceChecks
{
    // A pass of some layers rounds some dozen times in a row, each time by up to 2⁻⁹ and at random.
    private const double Bf16PassTolerance = 16.0 / 512, RepeatTolerance = 1e-5;
    private const string RootMeanSquare = "root mean square difference of the gradient ÷ its root mean square, or the largest of the loss";

    private static KeyValuePair<string, Func<DeviceChecks, Finding>>[] TrainingComparisons =>
    [
        .. new[] { "qwen2-nano", "mistral-nano", "gpt2-nano" }.Select(name => KeyValuePair.Create<string, Func<DeviceChecks, Finding>>($"attention/{name}", checks => checks.FusedAttention(name))),
        new("attention/memory", checks => checks.AttentionMemory()),
        .. new[] { "qwen2-nano", "qwen3-nano", "mistral-nano", "gpt2-nano", "pythia-nano" }.Select(name => KeyValuePair.Create<string, Func<DeviceChecks, Finding>>($"bf16/{name}", checks => checks.Bf16Gradient(name))),
        new("bf16/masters", checks => checks.Masters()),
        new("checkpointing/float32", checks => checks.Checkpointing(ScalarType.Float32)),
        new("checkpointing/bf16", checks => checks.Checkpointing(ScalarType.BFloat16)),
    ];

    /// <summary>libtorch's fused attention against T × T weights on the same device.</summary>
    private Finding FusedAttention(string architecture) =>
        OperatorAttention.HasFused
            ? Compare(SftGradient(Side.Device, architecture, ScalarType.Float32, model => model.UsesFusedAttention = false), SftGradient(Side.Device, architecture, ScalarType.Float32))
            : new("(this libtorch has no fused attention: not looked at)", 0, 0);

    /// <summary>GPU memory of a long sequence's pass, against what the weights of attention alone would take.</summary>
    private Finding AttentionMemory()
    {
        if (device.type != DeviceType.CUDA || !OperatorAttention.HasFused)
            return new("(no GPU or no fused attention: not looked at)", 0, 0);
        const int length = 8192;
        var config = ModelConfigFile.Read(Path.Combine(models, "nano.json")) with { MaxPositions = length };
        using var model = new Transformer(config, device: device);
        model.Parameters.Initialize(config, 1);
        using var batch = new TokenBatch([CheckInputs.Tokens(config.VocabSize, length, 1)], device);
        var before = cuda.mem_get_info().Free;
        using (NewDisposeScope())
            model.Hidden(batch).sum().backward();
        return new("GPU memory taken ÷ that of all T × T weights", (before - cuda.mem_get_info().Free) / (4.0 * length * length * config.NumHeads * config.NumLayers), 0.25);
    }

    /// <summary>A gradient in bfloat16 against the kernels' in float32, with weights that are numbers of bfloat16.</summary>
    private Finding Bf16Gradient(string architecture)
    {
        var (expectedLoss, expected) = SftGradient(Side.Kernels, architecture, ScalarType.Float32);
        var (loss, gradient) = SftGradient(Side.Device, architecture, ScalarType.BFloat16);
        var error = Math.Sqrt(expected.Zip(gradient, (e, g) => Math.Pow(e - g, 2)).Sum() / expected.Sum(e => (double)e * e));
        return new(RootMeanSquare, Math.Max(error, Math.Abs(loss - expectedLoss) / expectedLoss), Bf16PassTolerance);
    }

    /// <summary>Many updates, each below what bfloat16 can tell apart: the float32 masters have moved by their sum, and the copy that passes read follows them.</summary>
    private Finding Masters()
    {
        const int steps = 50;
        using var parameters = new FlatParameters([new ParameterSpec("w", [64], ParameterInit.One, [])], device, trainable: true, ScalarType.BFloat16);
        using var optimizer = new AdamW(parameters, new AdamWOptions { MaxGradNorm = 0 }) { UsesKernels = false };
        using (no_grad())
            parameters.Values.fill_(1.5f);
        for (var step = 0; step < steps; step++)
        {
            parameters.Gradients!.fill_(1f);
            optimizer.Step(LearningRate / 10);
        }

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (master, copy) = (Host(parameters.Values)[0], Host(parameters.Weight("w").to_type(ScalarType.Float32))[0]);
        return new("distance of a weight from the sum of its updates, or of its copy from its neighbour in bfloat16",
            Math.Max(Math.Abs(master - (1.5 - steps * LearningRate / 10)), Math.Abs(copy - (1.5 - 1.0 / 128))), 1e-5);
    }

    /// <summary>Gradients with layers that are computed again against those without.</summary>
    private Finding Checkpointing(ScalarType dtype)
    {
        var found = Compare(SftGradient(Side.Device, "qwen2-nano", dtype), SftGradient(Side.Device, "qwen2-nano", dtype, model => model.GradientCheckpointing = true));
        return found with { Tolerance = dtype == ScalarType.Float32 ? RepeatTolerance : Bf16PassTolerance };
    }

    private (double Loss, float[] Gradient) SftGradient(Side side, string architecture, ScalarType dtype, Action<Transformer>? prepare = null)
    {
        var config = ModelConfigFile.Read(Path.Combine(models, $"{architecture}.json"));
        using var model = new Transformer(config, device: side == Side.Kernels ? CPU : device, dtype: dtype) { UsesKernels = side == Side.Kernels };
        model.Parameters.Initialize(config, 1);
        using (no_grad())
        using (var rounded = model.Parameters.Values.to_type(ScalarType.BFloat16))
            model.Parameters.Values.copy_(rounded);
        prepare?.Invoke(model);
        var stage = new Sft { Name = "s", Steps = 1, Data = null!, MicroBatchTokens = MicroBatchTokens };
        return Gradient(model, () => OfflineLoop.Accumulate(stage, model, CheckInputs.Rows(config.VocabSize, 1), train: true)["loss"]);
    }
}
