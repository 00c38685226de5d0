using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>The entries of a dimension named by a vector of indices.</summary>
        public Tensor index_select(long dim, Tensor index) => Aten.IndexSelect.Call(this, dim, index);

        /// <summary>Adds alpha·source to the entries named by the indices.</summary>
        public Tensor index_add(long dim, Tensor index, Tensor source, Scalar alpha) => Aten.IndexAdd.Call(this, dim, index, source, alpha);

        /// <summary>In place: adds alpha·source to the entries named by the indices.</summary>
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Self(Aten.IndexAddInPlace.Run(this, dim, index, source, alpha));

        /// <summary>In place: replaces the entries named by the indices.</summary>
        public Tensor index_copy_(long dim, Tensor index, Tensor source) => Self(Aten.IndexCopyInPlace.Run(this, dim, index, source));

        /// <summary>In place: fills the entries named by the indices.</summary>
        public Tensor index_fill_(long dim, Tensor index, Scalar value) =>
            Self(Aten.IndexFillInPlaceIntScalar.Run(this, dim, index, value));

        /// <summary>out[i][j] = x[i][index[i][j]] (for dim 1).</summary>
        public Tensor gather(long dim, Tensor index) => Aten.Gather.Call(this, dim, index);

        /// <summary>Copy with out[i][index[i][j]] = src[i][j] (for dim 1).</summary>
        public Tensor scatter(long dim, Tensor index, Tensor src) => Aten.ScatterSrc.Call(this, dim, index, src);

        /// <summary>In place: x[i][index[i][j]] = src[i][j] (for dim 1).</summary>
        public Tensor scatter_(long dim, Tensor index, Tensor src) => Self(Aten.ScatterInPlaceSrc.Run(this, dim, index, src));

        /// <summary>Copy with out[i][index[i][j]] += src[i][j] (for dim 1).</summary>
        public Tensor scatter_add(long dim, Tensor index, Tensor src) => Aten.ScatterAdd.Call(this, dim, index, src);

        /// <summary>In place: x[i][index[i][j]] += src[i][j] (for dim 1).</summary>
        public Tensor scatter_add_(long dim, Tensor index, Tensor src) => Self(Aten.ScatterAddInPlace.Run(this, dim, index, src));

        /// <summary>Copy with the value where the mask is true.</summary>
        public Tensor masked_fill(Tensor mask, Scalar value) => Aten.MaskedFillScalar.Call(this, mask, value);

        /// <summary>In place: the value where the mask is true.</summary>
        public Tensor masked_fill_(Tensor mask, Scalar value) => Self(Aten.MaskedFillInPlaceScalar.Run(this, mask, value));

        /// <summary>The elements where the mask is true, as a vector.</summary>
        public Tensor masked_select(Tensor mask) => Aten.MaskedSelect.Call(this, mask);

        /// <summary>Copy with successive elements of the value where the mask is true.</summary>
        public Tensor masked_scatter(Tensor mask, Tensor value) => Aten.MaskedScatter.Call(this, mask, value);

        /// <summary>x where the condition is true, else y.</summary>
        public Tensor where(Tensor condition, Tensor y) => Aten.WhereSelf.Call(condition, this, y);

        /// <summary>Elements by flat indices.</summary>
        public Tensor take_along_dim(Tensor indices) => Aten.TakeAlongDim.Call(this, indices);

        /// <summary>Like gather, broadcasting the other dimensions.</summary>
        public Tensor take_along_dim(Tensor indices, long dim) => Aten.TakeAlongDim.Call(this, indices, dim);

        /// <summary>Indices of the elements that are not zero, one row each.</summary>
        public Tensor nonzero() => Aten.Nonzero.Call(this);
    }
}
