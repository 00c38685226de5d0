using LlmRL.Models.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>What a model's passes read and compute in. Trained weights, gradients and the optimizer's state are float32 in any case.</summary>
public enum WeightType
{
    /// <summary>bfloat16 on CUDA, float32 on the CPU.</summary>
    Auto,

    /// <summary>float32.</summary>
    Float32,

    /// <summary>bfloat16, with float32 master copies of what is trained.</summary>
    Bfloat16,
}

/// <summary>Which type a setting means on a device.</summary>
public static class WeightTypes
{
    /// <summary>The type for a device.</summary>
    /// <exception cref="BadInputException">bfloat16 is asked of the CPU's kernels, which read float32.</exception>
    public static ScalarType Choose(WeightType type, Device device) => (type, device.type) switch
    {
        (WeightType.Float32, _) or (WeightType.Auto, DeviceType.CPU) => ScalarType.Float32,
        (WeightType.Bfloat16, DeviceType.CPU) when CpuKernels.AreWanted => throw new BadInputException(
            $"bfloat16 needs CUDA: the CPU's kernels read float32. Leave dtype out, or set {CpuKernels.Variable}=1 to run ATen operators in the kernels' place, which is slower."),
        _ => ScalarType.BFloat16,
    };

    /// <summary>A type as recipes spell it.</summary>
    public static string Name(ScalarType type) => type.ToString().ToLowerInvariant();
}
