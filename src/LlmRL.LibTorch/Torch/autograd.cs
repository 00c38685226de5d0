using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Gradients.</summary>
    public static unsafe class autograd
    {
        /// <summary>Gradients of Σ grad_outputs·outputs with respect to the inputs; <see cref="Tensor.grad"/> stays as it is.</summary>
        public static IList<Tensor> grad(
            IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false,
            bool allow_unused = false)
        {
            nint[] outputHandles = Handles(outputs);
            nint[] inputHandles = Handles(inputs);
            nint[] gradientHandles = Handles(grad_outputs);
            nint[] results = new nint[inputHandles.Length];
            fixed (nint* o = outputHandles, i = inputHandles, g = gradientHandles, r = results)
            {
                int status = NativeMethods.llmrl_grad(
                    o, outputHandles.Length, i, inputHandles.Length, g, gradientHandles.Length, retain_graph || create_graph ? 1 : 0, create_graph ? 1 : 0,
                    allow_unused ? 1 : 0, r);
                NativeTorch.Check(status, "autograd.grad");
            }
            KeepAlive(outputs, inputs, grad_outputs);
            return Array.ConvertAll(results, handle => new Tensor(handle));
        }

        /// <summary>Adds gradients of Σ grad_tensors·tensors to <see cref="Tensor.grad"/> of all leaves, or of the given inputs.</summary>
        public static void backward(
            IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            nint[] handles = Handles(tensors);
            nint[] gradientHandles = Handles(grad_tensors);
            nint[] inputHandles = Handles(inputs);
            fixed (nint* t = handles, g = gradientHandles, i = inputHandles)
            {
                int status = NativeMethods.llmrl_backward(
                    t, handles.Length, g, gradientHandles.Length, retain_graph ?? create_graph ? 1 : 0, create_graph ? 1 : 0, i, inputHandles.Length);
                NativeTorch.Check(status, "backward");
            }
            KeepAlive(tensors, grad_tensors, inputs);
        }

        /// <summary>Adds gradients of one tensor to <see cref="Tensor.grad"/> of all leaves, or of the given inputs.</summary>
        public static void backward(
            Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        /// <summary>Adds gradients of Σ grad_tensor·tensor to <see cref="Tensor.grad"/> of all leaves, or of the given inputs.</summary>
        public static void backward(Tensor tensor, Tensor grad_tensor, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        private static nint[] Handles(IList<Tensor>? tensors)
        {
            if (tensors is null) return [];
            nint[] handles = new nint[tensors.Count];
            for (int i = 0; i < handles.Length; i++) handles[i] = tensors[i]?.Handle ?? 0;
            return handles;
        }

        private static void KeepAlive(object first, object? second, object? third)
        {
            GC.KeepAlive(first);
            GC.KeepAlive(second);
            GC.KeepAlive(third);
        }
    }
}
