using LlmRL.Models;
using LlmRL.Models.Kernels;
using LlmRL.Models.Lora;
using LlmRL.Rollouts.Device;
using TorchSharp;

namespace LlmRL.Rollouts;

/// <summary>Chooses the engine by where a model lives.</summary>
public static class RolloutEngines
{
    /// <summary>The engine of a model without adapters: the CPU's fused decoder, or operators on the model's own device. The model must outlive it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="warn">Is told what goes slower than it could.</param>
    public static IRolloutEngine Of(Transformer model, Action<string>? warn = null) => Of(model, null, warn, onDevice: false);

    /// <summary>The same of a model that may have adapters.</summary>
    /// <param name="model">The model.</param>
    /// <param name="merged">Its adapters' merged weights for that engine; null: it has none.</param>
    /// <param name="warn">Is told what goes slower than it could.</param>
    /// <param name="onDevice">Whether operators decode on the CPU too, as they do elsewhere.</param>
    internal static IRolloutEngine Of(Transformer model, MergedWeights? merged, Action<string>? warn, bool onDevice) =>
        onDevice || DecodesOnDevice(model.Device) ? new DeviceRolloutEngine(model, merged, warn) : new RolloutEngine(merged?.Pointers() ?? model.DecoderWeights());

    /// <summary>Whether a model on a device is sampled from in operators there, as it is on every device where the CPU's kernels do not run or are not wanted.</summary>
    internal static bool DecodesOnDevice(torch.Device device) => device.type != DeviceType.CPU || !CpuKernels.AreWanted;
}
