using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Running sums along a dimension.</summary>
        public Tensor cumsum(long dim, ScalarType? type = null) => Aten.Cumsum.Call(this, dim, type);

        /// <summary>Running products along a dimension.</summary>
        public Tensor cumprod(long dim, ScalarType? type = null) => Aten.Cumprod.Call(this, dim, type);

        /// <summary>Running maxima along a dimension and where they are.</summary>
        public (Tensor values, Tensor indexes) cummax(long dim) => Aten.Cummax.Call2(this, dim);

        /// <summary>eˣ / Σ eˣ along a dimension.</summary>
        public Tensor softmax(long dim, ScalarType? dtype = null) => Aten.SoftmaxInt.Call(this, dim, dtype);

        /// <summary>x − log Σ eˣ along a dimension.</summary>
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Aten.LogSoftmaxInt.Call(this, dim, dtype);

        /// <summary>The k largest (or smallest) elements along a dimension and where they are.</summary>
        public (Tensor values, Tensor indexes) topk(int k, int dim = -1, bool largest = true, bool sorted = true) =>
            Aten.Topk.Call2(this, k, dim, largest, sorted);

        /// <summary>Elements in order along a dimension and where they were.</summary>
        public (Tensor Values, Tensor Indices) sort(long dim = -1, bool descending = false, bool stable = false) =>
            Aten.SortStable.Call2(this, stable, dim, descending);

        /// <summary>Where the elements in order along a dimension are.</summary>
        public Tensor argsort(long dim = -1, bool descending = false) => Aten.Argsort.Call(this, dim, descending);

        /// <summary>The k-th smallest element along a dimension (k from 1) and where it is.</summary>
        public (Tensor values, Tensor indices) kthvalue(long k, long? dim, bool keepdim = false) =>
            Aten.Kthvalue.Call2(this, k, dim ?? -1, keepdim);

        /// <summary>Quantiles along a dimension, interpolated linearly.</summary>
        public Tensor quantile(Tensor q, long dim = -1, bool keepdim = false) => Aten.Quantile.Call(this, q, dim, keepdim);

        /// <summary>Median of all elements (the lower of two).</summary>
        public Tensor median() => Aten.Median.Call(this);

        /// <summary>How often each integer occurs, or the sum of its weights.</summary>
        public Tensor bincount(Tensor? weights = null, long minlength = 0) => Aten.Bincount.Call(this, weights, minlength);

        /// <summary>Indices drawn with probabilities proportional to the rows.</summary>
        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) =>
            Aten.Multinomial.Call(this, num_samples, replacement, generator);

        /// <summary>In place: 1 with probability p, else 0.</summary>
        public Tensor bernoulli_(double p = 0.5, Generator? generator = null) => Self(Aten.BernoulliInPlaceFloat.Run(this, p, generator));

        /// <summary>In place: uniform in [from, to).</summary>
        public Tensor uniform_(double from, double to, Generator? generator = null) =>
            Self(Aten.UniformInPlace.Run(this, from, to, generator));

        /// <summary>In place: normal with that mean and standard deviation.</summary>
        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null) =>
            Self(Aten.NormalInPlace.Run(this, mean, std, generator));

        /// <summary>In place: exponential with that rate.</summary>
        public Tensor exponential_(double lambda = 1, Generator? generator = null) =>
            Self(Aten.ExponentialInPlace.Run(this, lambda, generator));

        /// <summary>In place: integers from [from, to).</summary>
        public Tensor random_(double from, double to, Generator? generator = null) =>
            Self(Aten.RandomInPlaceFrom.Run(this, (long)from, (long)to, generator));
    }
}
