using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>A tensor that an optimizer trains. Takes over the native tensor of its argument, and outlives dispose scopes.</summary>
    public sealed class Parameter : Tensor
    {
        /// <summary>Empties <paramref name="data"/> and takes its place.</summary>
        public Parameter(Tensor data, bool requires_grad = true) : base(data.DecoupleFromNativeHandle())
        {
            DetachFromDisposeScope();
            this.requires_grad = requires_grad;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        /// <summary>Building blocks of networks.</summary>
        public static partial class nn
        {
            /// <summary>A tensor that an optimizer trains; empties <paramref name="data"/>.</summary>
            public static Modules.Parameter Parameter(Tensor data, bool requires_grad = true) => new(data, requires_grad);
        }
    }
}
