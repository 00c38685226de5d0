using LlmRL.Native;
using LlmRL.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>Tensors with an element for every weight of a model.</summary>
internal static unsafe class FlatBuffer
{
    /// <summary>Zeros, shape (count), of no dispose scope. On the CPU in large pages, where the system has them: passes walk through all of the memory.</summary>
    public static Tensor Zeros(long count, ScalarType dtype, Device device)
    {
        var buffer = empty([count], dtype: dtype, device: device).DetachFromDisposeScope();
        // Before the memory is touched, or it lies in small pages already.
        if (device.type == DeviceType.CPU)
            HugePages.Advise(NativeTorch.DataPointer(buffer), count * buffer.ElementSize);
        return buffer.zero_();
    }
}
