using LlmRL.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>The step as libtorch's one kernel over all buffers, where it has one for the device.</summary>
public sealed partial class AdamW
{
    private static readonly Operator FusedOperator = Operator.Get("aten::_fused_adamw_");
    private static readonly bool HasFusedOperator = FusedOperator.Exists;
    private bool? usesFusedOperator;

    /// <summary>
    /// Whether a step off the CPU's kernels is libtorch's <c>_fused_adamw_</c> (2.0 and later on CUDA, 2.4 and later on the CPU), whose ε, too, stands beside √v̂ and which
    /// divides gradients by a number on the way; otherwise it is some ten operators with a temporary buffer.
    /// </summary>
    internal bool UsesFusedOperator
    {
        get => HasFusedOperator && (usesFusedOperator ?? parameters.Values.device_type == DeviceType.CUDA);
        set => usesFusedOperator = value;
    }

    private void StepFused(double learningRate, double scale)
    {
        using var scope = NewDisposeScope();
        var device = parameters.Values.device;
        Tensor step = full([], (double)StepCount, dtype: ScalarType.Float32, device: device), divisor = full([], 1 / scale, dtype: ScalarType.Float32, device: device);
        foreach (var runs in Runs().GroupBy(run => run.Decays))
        {
            Tensor[] Of(Tensor flat) => [.. runs.Select(run => flat.narrow(0, run.Start, run.Count))];
            FusedOperator.Run(
                Of(parameters.Values), Of(parameters.Gradients!), Of(Moment), Of(SquaredMoment), Array.Empty<Tensor?>(), Enumerable.Repeat(step, runs.Count()).ToArray(),
                learningRate, options.Beta1, options.Beta2, runs.Key ? options.WeightDecay : 0.0, options.Epsilon, false, false, divisor);
        }
    }

    /// <summary>Neighbouring parameters with the same decay, together.</summary>
    private List<(long Start, long Count, bool Decays)> Runs()
    {
        var runs = new List<(long Start, long Count, bool Decays)>();
        for (var i = 0; i < parameters.Specs.Count; i++)
        {
            var decays = options.WeightDecay != 0 && parameters.Specs[i].Decays;
            if (runs.Count > 0 && runs[^1].Decays == decays)
                runs[^1] = runs[^1] with { Count = runs[^1].Count + parameters.Specs[i].Elements };
            else
                runs.Add((parameters.Offsets[i], parameters.Specs[i].Elements, decays));
        }

        return runs;
    }
}
