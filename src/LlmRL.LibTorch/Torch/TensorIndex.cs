namespace TorchSharp;

public static partial class torch
{
    /// <summary>One entry between the brackets of an index: a number, a range, a mask, indices, or a placeholder.</summary>
    public readonly struct TensorIndex
    {
        private TensorIndex(Kind type, long start = 0, long? stop = null, long step = 1, Tensor? tensor = null)
        {
            Type = type;
            Start = start;
            Stop = stop;
            Step = step;
            Values = tensor;
        }

        internal enum Kind
        {
            Slice,
            Single,
            None,
            Ellipsis,
            Bool,
            Tensor,
        }

        /// <summary>All dimensions that the other entries leave.</summary>
        public static TensorIndex Ellipsis => new(Kind.Ellipsis);

        /// <summary>A new dimension of size 1.</summary>
        public static TensorIndex None => new(Kind.None);

        /// <summary>A new dimension of size 1.</summary>
        public static TensorIndex Null => None;

        /// <summary>A whole dimension.</summary>
        public static TensorIndex Colon => Slice();

        internal Kind Type { get; }

        internal long Start { get; }

        internal long? Stop { get; }

        internal long Step { get; }

        internal Tensor? Values { get; }

        /// <summary>Every step-th entry from start (included) to stop (not included); negative numbers count from the end.</summary>
        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) => new(Kind.Slice, start ?? 0, stop, step ?? 1);

        /// <summary>Entries from start (included) to end (not included).</summary>
        public static TensorIndex Slice((int? start, int? end) range) => Slice(range.start, range.end);

        /// <summary>Entries of a range.</summary>
        public static TensorIndex Slice(Range range)
        {
            long start = range.Start.IsFromEnd ? -range.Start.Value : range.Start.Value;
            // ^0 as the end is the size itself, which −0 cannot say.
            long? stop = !range.End.IsFromEnd ? range.End.Value : range.End.Value == 0 ? null : -range.End.Value;
            if (range.Start is { IsFromEnd: true, Value: 0 }) start = long.MaxValue;
            return Slice(start, stop);
        }

        /// <summary>A new dimension of size 1 (true) or 0 (false).</summary>
        public static TensorIndex Bool(bool value) => new(Kind.Bool, value ? 1 : 0);

        /// <summary>One entry; the dimension disappears.</summary>
        public static TensorIndex Single(long? index) => index is long given ? new(Kind.Single, given) : None;

        /// <summary>The entries named by integers, or those where a mask is true.</summary>
        public static TensorIndex Tensor(Tensor tensor) => new(Kind.Tensor, tensor: tensor);

        /// <summary>One entry; the dimension disappears.</summary>
        public static implicit operator TensorIndex(long value) => Single(value);

        /// <summary>The entries named by integers, or those where a mask is true.</summary>
        public static implicit operator TensorIndex(Tensor value) => Tensor(value);

        /// <summary>Entries from start (included) to end (not included).</summary>
        public static implicit operator TensorIndex((int? start, int? end) range) => Slice(range);

        /// <summary>Entries of a range.</summary>
        public static implicit operator TensorIndex(Range range) => Slice(range);

        /// <summary>One entry, possibly counted from the end.</summary>
        public static implicit operator TensorIndex(Index index) => Single(index.IsFromEnd ? -index.Value : index.Value);
    }
}
