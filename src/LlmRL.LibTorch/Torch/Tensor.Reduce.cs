using System.Runtime.CompilerServices;
using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Sum of all elements.</summary>
        public Tensor sum(ScalarType? type = null) => Aten.Sum.Call(this, type);

        /// <summary>Sum over dimensions.</summary>
        public Tensor sum(long[] dim, bool keepdim = false, ScalarType? type = null) => Aten.SumDimIntList.Call(this, dim, keepdim, type);

        /// <summary>Sum over dimensions.</summary>
        public Tensor sum(ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) =>
            Aten.SumDimIntList.Call(this, dim.ToArray(), keepdim, type);

        /// <summary>Sum over a dimension.</summary>
        [OverloadResolutionPriority(1)] // sum(0) would else mean the dtype of value 0.
        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => Aten.SumDimIntList.Call(this, dim, keepdim, type);

        /// <summary>Sum over two dimensions.</summary>
        public Tensor sum(long dim0, long dim1, bool keepdim = false, ScalarType? type = null) =>
            Aten.SumDimIntList.Call(this, new[] { dim0, dim1 }, keepdim, type);

        /// <summary>Mean of all elements.</summary>
        public Tensor mean() => Aten.Mean.Call(this);

        /// <summary>Mean over dimensions.</summary>
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) =>
            Aten.MeanDim.Call(this, dimensions, keepdim, type);

        /// <summary>Product of all elements.</summary>
        public Tensor prod(ScalarType? type = null) => Aten.Prod.Call(this, type);

        /// <summary>Product over a dimension.</summary>
        [OverloadResolutionPriority(1)]
        public Tensor prod(long dim, bool keepdim = false, ScalarType? type = null) => Aten.ProdDimInt.Call(this, dim, keepdim, type);

        /// <summary>Largest element.</summary>
        public Tensor max() => Aten.Max.Call(this);

        /// <summary>The larger of two, elementwise.</summary>
        public Tensor max(Tensor other) => Aten.Maximum.Call(this, other);

        /// <summary>Largest elements along a dimension and where they are.</summary>
        public (Tensor values, Tensor indexes) max(long dim, bool keepdim = false) => Aten.MaxDim.Call2(this, dim, keepdim);

        /// <summary>Smallest element.</summary>
        public Tensor min() => Aten.Min.Call(this);

        /// <summary>The smaller of two, elementwise.</summary>
        public Tensor min(Tensor other) => Aten.Minimum.Call(this, other);

        /// <summary>Smallest elements along a dimension and where they are.</summary>
        public (Tensor values, Tensor indexes) min(long dim, bool keepdim = false) => Aten.MinDim.Call2(this, dim, keepdim);

        /// <summary>Largest elements over dimensions; ties share the gradient.</summary>
        public Tensor amax(params long[] dims) => Aten.Amax.Call(this, dims);

        /// <summary>Largest elements over dimensions; ties share the gradient.</summary>
        public Tensor amax(long[] dims, bool keepdim = false, Tensor? @out = null) => Store(Aten.Amax.Call(this, dims, keepdim), @out);

        /// <summary>Largest elements over dimensions; ties share the gradient.</summary>
        public Tensor amax(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) =>
            Store(Aten.Amax.Call(this, dims.ToArray(), keepdim), @out);

        /// <summary>Smallest elements over dimensions; ties share the gradient.</summary>
        public Tensor amin(params long[] dims) => Aten.Amin.Call(this, dims);

        /// <summary>Smallest elements over dimensions; ties share the gradient.</summary>
        public Tensor amin(long[] dims, bool keepdim = false, Tensor? @out = null) => Store(Aten.Amin.Call(this, dims, keepdim), @out);

        /// <summary>Smallest elements over dimensions; ties share the gradient.</summary>
        public Tensor amin(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) =>
            Store(Aten.Amin.Call(this, dims.ToArray(), keepdim), @out);

        /// <summary>Flat index of the largest element.</summary>
        public Tensor argmax() => Aten.Argmax.Call(this);

        /// <summary>Index of the largest element along a dimension.</summary>
        public Tensor argmax(long dim, bool keepdim = false) => Aten.Argmax.Call(this, dim, keepdim);

        /// <summary>Flat index of the smallest element.</summary>
        public Tensor argmin() => Aten.Argmin.Call(this);

        /// <summary>Index of the smallest element along a dimension.</summary>
        public Tensor argmin(long dim, bool keepdim = false) => Aten.Argmin.Call(this, dim, keepdim);

        /// <summary>Whether any element is true (not zero).</summary>
        public Tensor any() => Aten.Any.Call(this);

        /// <summary>Whether any element along a dimension is true (not zero).</summary>
        public Tensor any(long dim, bool keepdim = false) => Aten.AnyDim.Call(this, dim, keepdim);

        /// <summary>Whether all elements are true (not zero).</summary>
        public Tensor all() => Aten.All.Call(this);

        /// <summary>Whether all elements along a dimension are true (not zero).</summary>
        public Tensor all(long dim, bool keepdim = false) => Aten.AllDim.Call(this, dim, keepdim);

        /// <summary>Standard deviation of all elements, divided by n − 1 when unbiased, else by n.</summary>
        public Tensor std(bool unbiased = true) => Aten.Std.Call(this, unbiased);

        /// <summary>Standard deviation over dimensions.</summary>
        public Tensor std(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            As(Aten.StdDim.Call(this, dimensions, unbiased, keepdim), type);

        /// <summary>Standard deviation over dimensions.</summary>
        public Tensor std(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            std(dimensions.ToArray(), unbiased, keepdim, type);

        /// <summary>Standard deviation over a dimension.</summary>
        public Tensor std(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            As(Aten.StdDim.Call(this, dim, unbiased, keepdim), type);

        /// <summary>Variance of all elements, divided by n − 1 when unbiased, else by n.</summary>
        public Tensor var(bool unbiased = true) => Aten.Var.Call(this, unbiased);

        /// <summary>Variance over dimensions.</summary>
        public Tensor var(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            As(Aten.VarDim.Call(this, dimensions, unbiased, keepdim), type);

        /// <summary>Variance over dimensions.</summary>
        public Tensor var(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            var(dimensions.ToArray(), unbiased, keepdim, type);

        /// <summary>Variance over a dimension.</summary>
        public Tensor var(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            As(Aten.VarDim.Call(this, dim, unbiased, keepdim), type);

        /// <summary>(Σ|x|ᵖ)^(1/p) over all elements.</summary>
        public Tensor norm(float p = 2) => Aten.NormScalar.Call(this, p);

        /// <summary>(Σ|x|ᵖ)^(1/p) over a dimension.</summary>
        public Tensor norm(int dim, bool keepdim = false, float p = 2) => Aten.NormScalarOptDim.Call(this, p, dim, keepdim);

        /// <summary>log Σ eˣ over a dimension, without overflow.</summary>
        public Tensor logsumexp(long dim, bool keepdim = false) => Aten.Logsumexp.Call(this, dim, keepdim);

        private static Tensor As(Tensor result, ScalarType? type)
        {
            if (type is not ScalarType wanted || wanted == result.dtype) return result;
            using (result) return result.to_type(wanted);
        }

        private static Tensor Store(Tensor result, Tensor? target)
        {
            if (target is null) return result;
            using (result) return target.copy_(result);
        }
    }
}
