namespace TorchSharp;

public static partial class torch
{
    /// <summary>A shape.</summary>
    public readonly struct Size
    {
        private readonly long[]? _shape;

        /// <summary>A shape from its sizes.</summary>
        public Size(long[] shape) => _shape = shape;

        /// <summary>Number of dimensions.</summary>
        public int Length => Shape.Length;

        internal long[] Shape => _shape ?? [];

        /// <summary>Size of one dimension.</summary>
        public long this[int idx] => Shape[idx];

        /// <summary>A shape from its sizes.</summary>
        public static implicit operator Size(long[] sizes) => new(sizes);

        /// <summary>Number of elements.</summary>
        public long numel() => Shape.Aggregate(1L, (product, size) => checked(product * size));
    }
}
