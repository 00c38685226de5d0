namespace TorchSharp
{
    /// <summary>How a quotient is rounded.</summary>
    public enum RoundingMode
    {
        /// <summary>Not at all.</summary>
        None,

        /// <summary>Towards zero.</summary>
        trunc,

        /// <summary>Down.</summary>
        floor,
    }

    /// <summary>What padding is filled with; the numbers are TorchSharp's.</summary>
    public enum PaddingModes
    {
        /// <summary>Zeros.</summary>
        Zeros = 0,

        /// <summary>The neighbours, mirrored.</summary>
        Reflect = 1,

        /// <summary>The last element, repeated.</summary>
        Replicate = 2,

        /// <summary>The other end.</summary>
        Circular = 3,

        /// <summary>A given value.</summary>
        Constant = 4,
    }

    public static partial class torch
    {
        public static partial class nn
        {
            /// <summary>How the terms of a loss are combined; the numbers are libtorch's.</summary>
            public enum Reduction
            {
                /// <summary>Not at all: one loss per term.</summary>
                None = 0,

                /// <summary>The mean of the terms.</summary>
                Mean = 1,

                /// <summary>The sum of the terms.</summary>
                Sum = 2,
            }
        }
    }
}

namespace TorchSharp.Modules
{
    /// <summary>The Gaussian error linear unit.</summary>
    public static class GELU
    {
        /// <summary>By which formula it is computed.</summary>
        public enum Approximate
        {
            /// <summary>Exactly, by erf.</summary>
            none,

            /// <summary>By tanh, as GPT-2 does.</summary>
            tanh,
        }
    }
}
