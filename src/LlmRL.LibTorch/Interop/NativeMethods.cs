using System.Runtime.InteropServices;

namespace LlmRL.Native;

/// <summary>Entry points of the shim (native/*.cpp).</summary>
internal static unsafe partial class NativeMethods
{
    internal const string Library = "llmrl_torch";

    static NativeMethods() => NativeTorch.RegisterResolver();

    [LibraryImport(Library)] internal static partial byte* llmrl_last_error();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint llmrl_operator(string name, string overload);

    [LibraryImport(Library)] internal static partial byte* llmrl_schema(nint op);

    [LibraryImport(Library)] internal static partial int llmrl_call(nint op, NativeValue* arguments, int count, NativeValue* results, int capacity);

    [LibraryImport(Library)] internal static partial void llmrl_free_memory(void* memory);

    [LibraryImport(Library), SuppressGCTransition] internal static partial int llmrl_tensor_info(nint tensor, TensorInfo* info);

    [LibraryImport(Library)] internal static partial void llmrl_tensor_free(nint tensor);

    [LibraryImport(Library), SuppressGCTransition] internal static partial nint llmrl_tensor_alias(nint tensor);

    [LibraryImport(Library)]
    internal static partial nint llmrl_tensor_from_memory(
        void* data, long* sizes, long* strides, int dimensions, int dtype, int deviceType, int deviceIndex, delegate* unmanaged<nint, void> release, nint context);

    [LibraryImport(Library)] internal static partial nint llmrl_generator_new(long seed);

    [LibraryImport(Library)] internal static partial void llmrl_generator_free(nint generator);

    [LibraryImport(Library)] internal static partial int llmrl_generator_seed(nint generator, long seed);

    [LibraryImport(Library)] internal static partial nint llmrl_generator_get_state(nint generator);

    [LibraryImport(Library)] internal static partial int llmrl_generator_set_state(nint generator, nint state);

    [LibraryImport(Library)] internal static partial byte* llmrl_version();

    [LibraryImport(Library)] internal static partial byte* llmrl_config();

    [LibraryImport(Library)] internal static partial int llmrl_get_num_threads();

    [LibraryImport(Library)] internal static partial int llmrl_set_num_threads(int count);

    [LibraryImport(Library)] internal static partial int llmrl_get_num_interop_threads();

    [LibraryImport(Library)] internal static partial int llmrl_set_num_interop_threads(int count);

    [LibraryImport(Library)] internal static partial int llmrl_cuda_device_count();

    [LibraryImport(Library)] internal static partial int llmrl_cuda_synchronize(int index);

    [LibraryImport(Library)] internal static partial int llmrl_cuda_set_device(int index);

    [LibraryImport(Library)] internal static partial int llmrl_cuda_memory(out long free, out long total);

    [LibraryImport(Library)] internal static partial int llmrl_graph_supported();

    [LibraryImport(Library)] internal static partial nint llmrl_graph_new(int device, nint shared);

    [LibraryImport(Library)] internal static partial int llmrl_graph_side_begin(nint graph);

    [LibraryImport(Library)] internal static partial int llmrl_graph_side_end(nint graph);

    [LibraryImport(Library)] internal static partial int llmrl_graph_capture_begin(nint graph);

    [LibraryImport(Library)] internal static partial int llmrl_graph_capture_end(nint graph, int keep);

    [LibraryImport(Library)] internal static partial int llmrl_graph_replay(nint graph);

    [LibraryImport(Library)] internal static partial void llmrl_graph_free(nint graph);

    [LibraryImport(Library)] internal static partial int llmrl_requires_grad(nint tensor);

    [LibraryImport(Library)] internal static partial int llmrl_set_requires_grad(nint tensor, int value);

    [LibraryImport(Library)] internal static partial int llmrl_is_leaf(nint tensor);

    [LibraryImport(Library)] internal static partial int llmrl_retain_grad(nint tensor);

    [LibraryImport(Library)] internal static partial nint llmrl_get_grad(nint tensor);

    [LibraryImport(Library)] internal static partial int llmrl_set_grad(nint tensor, nint gradient);

    [LibraryImport(Library), SuppressGCTransition] internal static partial int llmrl_grad_enabled();

    [LibraryImport(Library), SuppressGCTransition] internal static partial void llmrl_set_grad_enabled(int enabled);

    [LibraryImport(Library)] internal static partial nint llmrl_inference_mode_enter(int enabled);

    [LibraryImport(Library)] internal static partial void llmrl_inference_mode_leave(nint guard);

    [LibraryImport(Library)] internal static partial int llmrl_inference_mode_enabled();

    [LibraryImport(Library)]
    internal static partial int llmrl_backward(
        nint* tensors, int count, nint* gradients, int gradientCount, int retainGraph, int createGraph, nint* inputs, int inputCount);

    [LibraryImport(Library)]
    internal static partial int llmrl_grad(
        nint* outputs, int outputCount, nint* inputs, int inputCount, nint* gradients, int gradientCount, int retainGraph, int createGraph, int allowUnused,
        nint* results);

    [LibraryImport(Library)]
    internal static partial int llmrl_custom_function(
        nint* inputs, int inputCount, nint* outputs, int outputCount,
        delegate* unmanaged<nint, int, nint*, int, byte*, nint*, int, byte*, int, int> callback, nint context);
}
