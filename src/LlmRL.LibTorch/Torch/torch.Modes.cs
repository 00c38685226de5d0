using LlmRL.Native;

namespace TorchSharp;

/// <summary>Tensors, their operators and gradients: a subset of TorchSharp's API under the same names, on any libtorch.</summary>
public static partial class torch
{
    /// <summary>The innermost open scope of this thread, null when there is none.</summary>
    public static DisposeScope? CurrentDisposeScope => DisposeScope.Current;

    /// <summary>Opens a scope: tensors made from now on, on this thread, are disposed with it.</summary>
    public static DisposeScope NewDisposeScope() => new();

    /// <summary>Runs the expression in a scope and keeps its result only.</summary>
    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using DisposeScope scope = NewDisposeScope();
        return scope.MoveToOuter(expr());
    }

    /// <summary>Records no gradients on this thread until disposed.</summary>
    public static IDisposable no_grad() => new GradientMode(false);

    /// <summary>Records gradients (or not) on this thread until disposed.</summary>
    public static IDisposable enable_grad(bool enabled = true) => new GradientMode(enabled);

    /// <summary>Records gradients (or not) on this thread until disposed.</summary>
    public static IDisposable set_grad_enabled(bool mode = true) => new GradientMode(mode);

    /// <summary>Whether this thread records gradients.</summary>
    public static bool is_grad_enabled() => NativeMethods.llmrl_grad_enabled() != 0;

    /// <summary>Like <see cref="no_grad"/>, and results can never take part in gradients; cheaper.</summary>
    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);

    /// <summary>Whether this thread is in inference mode.</summary>
    public static bool is_inference_mode_enabled() => NativeMethods.llmrl_inference_mode_enabled() != 0;

    /// <summary>How many threads an operator may use.</summary>
    public static int get_num_threads() => NativeTorch.Threads;

    /// <summary>Sets how many threads an operator may use.</summary>
    public static void set_num_threads(int num) => NativeTorch.Threads = num;

    /// <summary>How many operators may run at once inside libtorch.</summary>
    public static int get_num_interop_threads() => NativeMethods.llmrl_get_num_interop_threads();

    /// <summary>Sets how many operators may run at once inside libtorch; only before the first of them.</summary>
    public static void set_num_interop_threads(int num) => NativeTorch.Check(NativeMethods.llmrl_set_num_interop_threads(num), "set_num_interop_threads");

    /// <summary>Whether a GPU can be used.</summary>
    public static bool cuda_is_available() => cuda.is_available();

    /// <summary>GPUs.</summary>
    public static class cuda
    {
        /// <summary>Whether a GPU can be used.</summary>
        public static bool is_available() => device_count() > 0;

        /// <summary>How many GPUs there are; 0 where libtorch has no CUDA.</summary>
        public static int device_count() => NativeMethods.llmrl_cuda_device_count();

        /// <summary>Waits for the work queued on a GPU (default: the current one).</summary>
        public static void synchronize(Device? device = null) =>
            NativeTorch.Check(NativeMethods.llmrl_cuda_synchronize(device?.index ?? -1), "cuda.synchronize");

        /// <summary>Bytes of the current GPU's memory that no process holds, and all that it has. libtorch keeps what it once took, so the difference does not fall.</summary>
        public static (long Free, long Total) mem_get_info()
        {
            NativeTorch.Check(NativeMethods.llmrl_cuda_memory(out var free, out var total), "cuda.mem_get_info");
            return (free, total);
        }
    }

    private sealed class GradientMode : IDisposable
    {
        private readonly bool _before = is_grad_enabled();
        private bool _left;

        public GradientMode(bool enabled) => NativeMethods.llmrl_set_grad_enabled(enabled ? 1 : 0);

        public void Dispose()
        {
            if (_left) return;
            _left = true;
            NativeMethods.llmrl_set_grad_enabled(_before ? 1 : 0);
        }
    }

    private sealed class InferenceMode(bool enabled) : IDisposable
    {
        private nint _guard = NativeMethods.llmrl_inference_mode_enter(enabled ? 1 : 0);

        public void Dispose()
        {
            nint guard = Interlocked.Exchange(ref _guard, 0);
            if (guard != 0) NativeMethods.llmrl_inference_mode_leave(guard);
        }
    }
}
