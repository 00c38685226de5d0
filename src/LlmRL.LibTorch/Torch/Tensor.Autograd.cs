using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Whether gradients flow to this tensor.</summary>
        public bool requires_grad
        {
            get
            {
                bool value = NativeMethods.llmrl_requires_grad(Handle) != 0;
                GC.KeepAlive(this);
                return value;
            }
            set
            {
                NativeTorch.Check(NativeMethods.llmrl_set_requires_grad(Handle, value ? 1 : 0), "requires_grad");
                GC.KeepAlive(this);
            }
        }

        /// <summary>Whether no operation with gradients made this tensor.</summary>
        public bool is_leaf
        {
            get
            {
                bool value = NativeMethods.llmrl_is_leaf(Handle) != 0;
                GC.KeepAlive(this);
                return value;
            }
        }

        /// <summary>The accumulated gradient (a new object at each read), null when there is none.</summary>
        public Tensor? grad
        {
            get
            {
                nint handle = NativeMethods.llmrl_get_grad(Handle);
                GC.KeepAlive(this);
                return handle == 0 ? null : new Tensor(handle);
            }
            set
            {
                NativeTorch.Check(NativeMethods.llmrl_set_grad(Handle, value?.Handle ?? 0), "grad");
                GC.KeepAlive(this);
                GC.KeepAlive(value);
            }
        }

        /// <summary>Turns gradients on or off for this leaf; returns this same object.</summary>
        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        /// <summary>Turns gradients on or off for this leaf; returns this same object.</summary>
        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);

        /// <summary>Keeps the gradient of a tensor that is not a leaf.</summary>
        public void retain_grad()
        {
            NativeTorch.Check(NativeMethods.llmrl_retain_grad(Handle), "retain_grad");
            GC.KeepAlive(this);
        }

        /// <summary>Adds the gradient of this number to <see cref="grad"/> of all leaves.</summary>
        public void backward() => autograd.backward([this]);

        /// <summary>Adds the gradient of Σ grad·x to <see cref="grad"/> of all leaves, or of the given inputs.</summary>
        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward([this], grad_tensors, retain_graph, create_graph, inputs);
    }
}
