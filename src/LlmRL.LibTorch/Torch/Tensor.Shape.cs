using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>The same memory with another shape; one size may be −1.</summary>
        public Tensor view(params long[] shape) => Aten.View.Call(this, shape);

        /// <summary>The same memory with the shape of another tensor.</summary>
        public Tensor view_as(Tensor other) => Aten.View.Call(this, other.shape);

        /// <summary>Another shape, copying only when a view is impossible; one size may be −1.</summary>
        public Tensor reshape(params long[] shape) => Aten.Reshape.Call(this, shape);

        /// <summary>View with two dimensions exchanged.</summary>
        public Tensor transpose(long dim0, long dim1) => Aten.TransposeInt.Call(this, dim0, dim1);

        /// <summary>In place: exchanges two dimensions.</summary>
        public Tensor transpose_(long dim0, long dim1) => Self(Aten.TransposeInPlace.Run(this, dim0, dim1));

        /// <summary>View of a matrix with rows and columns exchanged.</summary>
        public Tensor t() => Aten.T.Call(this);

        /// <summary>View with dimensions in another order.</summary>
        public Tensor permute(params long[] permutation) => Aten.Permute.Call(this, permutation);

        /// <summary>View with dimensions in another order.</summary>
        public Tensor permute(IEnumerable<long> permutation) => Aten.Permute.Call(this, permutation.ToArray());

        /// <summary>This tensor, or a copy in row-major order without gaps.</summary>
        public Tensor contiguous() => Aten.Contiguous.Call(this);

        /// <summary>View that repeats dimensions of size 1; −1 keeps a size.</summary>
        public Tensor expand(params long[] sizes) => Aten.Expand.Call(this, sizes);

        /// <summary>View that repeats dimensions of size 1; −1 keeps a size.</summary>
        public Tensor expand(long[] sizes, bool isImplicit = false) => Aten.Expand.Call(this, sizes, isImplicit);

        /// <summary>View that repeats dimensions of size 1; −1 keeps a size.</summary>
        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) => Aten.Expand.Call(this, sizes.ToArray(), isImplicit);

        /// <summary>View that repeats dimensions of size 1; −1 keeps a size.</summary>
        public Tensor expand(Size sizes, bool isImplicit = false) => Aten.Expand.Call(this, sizes, isImplicit);

        /// <summary>View with the shape of another tensor.</summary>
        public Tensor expand_as(Tensor other) => Aten.Expand.Call(this, other.shape);

        /// <summary>View with the shape that broadcasting gives.</summary>
        public Tensor broadcast_to(params long[] shape) => Aten.BroadcastTo.Call(this, shape);

        /// <summary>View without dimensions of size 1, all or one.</summary>
        public Tensor squeeze(long? dim = null) => dim is long given ? Aten.SqueezeDim.Call(this, given) : Aten.Squeeze.Call(this);

        /// <summary>View with a dimension of size 1 inserted.</summary>
        public Tensor unsqueeze(long dim) => Aten.Unsqueeze.Call(this, dim);

        /// <summary>In place: inserts a dimension of size 1.</summary>
        public Tensor unsqueeze_(long dim) => Self(Aten.UnsqueezeInPlace.Run(this, dim));

        /// <summary>Merges the dimensions from start to end.</summary>
        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Aten.FlattenUsingInts.Call(this, start_dim, end_dim);

        /// <summary>Splits a dimension into several.</summary>
        public Tensor unflatten(long dim, params long[] sizes) => Aten.UnflattenInt.Call(this, dim, sizes);

        /// <summary>Splits a dimension into several.</summary>
        public Tensor unflatten(long dim, Size sizes) => Aten.UnflattenInt.Call(this, dim, sizes);

        /// <summary>View of length entries from start on.</summary>
        public Tensor narrow(long dim, long start, long length) => Aten.Narrow.Call(this, dim, start, length);

        /// <summary>View of every step-th entry from start (included) to finish (not included).</summary>
        public Tensor slice(long dim, long start, long finish, long step) => Aten.SliceTensor.Call(this, dim, start, finish, step);

        /// <summary>View of one entry; the dimension disappears.</summary>
        public Tensor select(long dim, long index) => Aten.SelectInt.Call(this, dim, index);

        /// <summary>Views of size entries each; the last may be shorter.</summary>
        public Tensor[] split(long size, int dim = 0) => Aten.SplitTensor.CallList(this, size, dim);

        /// <summary>Views of the given sizes.</summary>
        public Tensor[] split(long[] sizes, long dim = 0) => Aten.SplitWithSizes.CallList(this, sizes, dim);

        /// <summary>Views of the given sizes.</summary>
        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) => Aten.SplitWithSizes.CallList(this, sizes.ToArray(), dim);

        /// <summary>Views of the given sizes along the first dimension.</summary>
        public Tensor[] split(params long[] sizes) => Aten.SplitWithSizes.CallList(this, sizes);

        /// <summary>Views of about equal size.</summary>
        public Tensor[] chunk(long chunks, long dim = 0) => Aten.Chunk.CallList(this, chunks, dim);

        /// <summary>Views of the entries of one dimension, which disappears.</summary>
        public Tensor[] unbind(long dimension = 0) => Aten.UnbindInt.CallList(this, dimension);

        /// <summary>View of all windows of a size along a dimension, as a new last dimension.</summary>
        public Tensor unfold(long dimension, long size, long step) => Aten.Unfold.Call(this, dimension, size, step);

        /// <summary>Copies laid side by side, per dimension.</summary>
        public Tensor repeat(params long[] sizes) => Aten.Repeat.Call(this, sizes);

        /// <summary>Each entry repeated as often as its number says.</summary>
        public Tensor repeat_interleave(Tensor repeats, long? dim = null, long? output_size = null) =>
            Aten.RepeatInterleaveSelfTensor.Call(this, repeats, dim, output_size);

        /// <summary>Each entry repeated.</summary>
        public Tensor repeat_interleave(long repeats, long? dim = null, long? output_size = null) =>
            Aten.RepeatInterleaveSelfInt.Call(this, repeats, dim, output_size);

        /// <summary>Copies laid side by side, as NumPy's tile.</summary>
        public Tensor tile(long[] reps) => Aten.Tile.Call(this, reps);

        /// <summary>Shifts entries along a dimension, wrapping around.</summary>
        public Tensor roll(long shifts, long? dims = null) => Aten.Roll.Call(this, shifts, dims is long given ? new long[] { given } : []);

        /// <summary>Shifts entries along dimensions, wrapping around.</summary>
        public Tensor roll(long[] shifts, long[] dims) => Aten.Roll.Call(this, shifts, dims);

        /// <summary>Reverses the order along dimensions.</summary>
        public Tensor flip(params long[] dims) => Aten.Flip.Call(this, dims);

        /// <summary>View with dimensions moved to other places.</summary>
        public Tensor movedim(long[] source, long[] destination) => Aten.MovedimIntlist.Call(this, source, destination);

        /// <summary>View of the memory with any sizes and strides.</summary>
        public Tensor as_strided(long[] size, long[] strides, long storageOffset = 0) =>
            Aten.AsStrided.Call(this, size, strides, storageOffset);

        /// <summary>Zeros above the diagonal.</summary>
        public Tensor tril(long diagonal = 0) => Aten.Tril.Call(this, diagonal);

        /// <summary>Zeros below the diagonal.</summary>
        public Tensor triu(long diagonal = 0) => Aten.Triu.Call(this, diagonal);

        /// <summary>The diagonal of a matrix, or the matrix of a diagonal.</summary>
        public Tensor diag(long diagonal = 0) => Aten.Diag.Call(this, diagonal);

        /// <summary>View with all dimensions in reverse order.</summary>
        public Tensor T => Aten.NumpyT.Call(this);

        /// <summary>View with the last two dimensions exchanged.</summary>
        public Tensor mT => Aten.TransposeInt.Call(this, -2L, -1L);
    }
}
