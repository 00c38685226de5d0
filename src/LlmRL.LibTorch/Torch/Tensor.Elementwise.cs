using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Negation.</summary>
        public Tensor neg() => Aten.Neg.Call(this);

        /// <summary>Absolute value.</summary>
        public Tensor abs() => Aten.Abs.Call(this);

        /// <summary>e to the power of each element.</summary>
        public Tensor exp() => Aten.Exp.Call(this);

        /// <summary>Natural logarithm.</summary>
        public Tensor log() => Aten.Log.Call(this);

        /// <summary>Logarithm to base 2.</summary>
        public Tensor log2() => Aten.Log2.Call(this);

        /// <summary>log(1 + x), exact near 0.</summary>
        public Tensor log1p() => Aten.Log1p.Call(this);

        /// <summary>eˣ − 1, exact near 0.</summary>
        public Tensor expm1() => Aten.Expm1.Call(this);

        /// <summary>Square root.</summary>
        public Tensor sqrt() => Aten.Sqrt.Call(this);

        /// <summary>1 / √x.</summary>
        public Tensor rsqrt() => Aten.Rsqrt.Call(this);

        /// <summary>x².</summary>
        public Tensor square() => Aten.Square.Call(this);

        /// <summary>1 / x.</summary>
        public Tensor reciprocal() => Aten.Reciprocal.Call(this);

        /// <summary>Largest integer not above.</summary>
        public Tensor floor() => Aten.Floor.Call(this);

        /// <summary>Smallest integer not below.</summary>
        public Tensor ceil() => Aten.Ceil.Call(this);

        /// <summary>Integer part.</summary>
        public Tensor trunc() => Aten.Trunc.Call(this);

        /// <summary>Sign: −1, 0 or 1.</summary>
        public Tensor sign() => Aten.Sign.Call(this);

        /// <summary>Sine.</summary>
        public Tensor sin() => Aten.Sin.Call(this);

        /// <summary>Cosine.</summary>
        public Tensor cos() => Aten.Cos.Call(this);

        /// <summary>1 / (1 + e⁻ˣ).</summary>
        public Tensor sigmoid() => Aten.Sigmoid.Call(this);

        /// <summary>Hyperbolic tangent.</summary>
        public Tensor tanh() => Aten.Tanh.Call(this);

        /// <summary>max(x, 0).</summary>
        public Tensor relu() => Aten.Relu.Call(this);

        /// <summary>x·σ(x).</summary>
        public Tensor silu() => Aten.Silu.Call(this);

        /// <summary>Error function.</summary>
        public Tensor erf() => Aten.Erf.Call(this);

        /// <summary>In place: negation.</summary>
        public Tensor neg_() => Self(Aten.NegInPlace.Run(this));

        /// <summary>In place: absolute value.</summary>
        public Tensor abs_() => Self(Aten.AbsInPlace.Run(this));

        /// <summary>In place: e to the power of each element.</summary>
        public Tensor exp_() => Self(Aten.ExpInPlace.Run(this));

        /// <summary>In place: natural logarithm.</summary>
        public Tensor log_() => Self(Aten.LogInPlace.Run(this));

        /// <summary>In place: square root.</summary>
        public Tensor sqrt_() => Self(Aten.SqrtInPlace.Run(this));

        /// <summary>In place: 1 / √x.</summary>
        public Tensor rsqrt_() => Self(Aten.RsqrtInPlace.Run(this));

        /// <summary>In place: x².</summary>
        public Tensor square_() => Self(Aten.SquareInPlace.Run(this));

        /// <summary>In place: 1 / x.</summary>
        public Tensor reciprocal_() => Self(Aten.ReciprocalInPlace.Run(this));

        /// <summary>In place: 1 / (1 + e⁻ˣ).</summary>
        public Tensor sigmoid_() => Self(Aten.SigmoidInPlace.Run(this));

        /// <summary>In place: hyperbolic tangent.</summary>
        public Tensor tanh_() => Self(Aten.TanhInPlace.Run(this));

        /// <summary>In place: max(x, 0).</summary>
        public Tensor relu_() => Self(Aten.ReluInPlace.Run(this));

        /// <summary>In place: x·σ(x).</summary>
        public Tensor silu_() => Self(Aten.SiluInPlace.Run(this));

        /// <summary>In place: largest integer not above.</summary>
        public Tensor floor_() => Self(Aten.FloorInPlace.Run(this));

        /// <summary>In place: to the nearest integer.</summary>
        public Tensor round_() => Self(Aten.RoundInPlace.Run(this));

        /// <summary>To the nearest integer, ties to even; or to a number of decimals.</summary>
        public Tensor round(long decimals = 0) => decimals == 0 ? Aten.Round.Call(this) : Aten.RoundDecimals.Call(this, decimals);

        /// <summary>x·Φ(x), exact (erf).</summary>
        public Tensor gelu() => Aten.Gelu.Call(this);

        /// <summary>x·Φ(x), exact or by the tanh formula.</summary>
        public Tensor gelu(Modules.GELU.Approximate approximate) =>
            Aten.Gelu.Call(this, approximate == Modules.GELU.Approximate.tanh ? "tanh" : "none");

        /// <summary>log(1 + e^(βx)) / β, linear above the threshold.</summary>
        public Tensor softplus(double beta = 1, double threshold = 20) => Aten.Softplus.Call(this, beta, threshold);

        /// <summary>log(x / (1 − x)); x is first clamped to [eps, 1 − eps] when given.</summary>
        public Tensor logit(double? eps = null) => Aten.Logit.Call(this, eps);

        /// <summary>log σ(x).</summary>
        public Tensor log_sigmoid() => Aten.LogSigmoid.Call(this);

        /// <summary>Whether elements are NaN.</summary>
        public Tensor isnan() => Aten.Isnan.Call(this);

        /// <summary>Whether elements are infinite.</summary>
        public Tensor isinf() => Aten.Isinf.Call(this);

        /// <summary>Whether elements are neither NaN nor infinite.</summary>
        public Tensor isfinite() => Aten.Isfinite.Call(this);

        /// <summary>Replaces NaN and infinities (null: the largest numbers of the dtype).</summary>
        public Tensor nan_to_num(double nan = 0, double? posinf = null, double? neginf = null) =>
            Aten.NanToNum.Call(this, nan, posinf, neginf);

        /// <summary>Limits elements to [min, max]; either may be missing.</summary>
        public Tensor clamp(Scalar? min = null, Scalar? max = null) => Aten.Clamp.Call(this, min, max);

        /// <summary>Limits elements to [min, max], elementwise; either may be missing.</summary>
        public Tensor clamp(Tensor? min = null, Tensor? max = null) => Aten.ClampTensor.Call(this, min, max);

        /// <summary>In place: limits elements to [min, max].</summary>
        public Tensor clamp_(Scalar? min = null, Scalar? max = null) => Self(Aten.ClampInPlace.Run(this, min, max));

        /// <summary>In place: limits elements to [min, max], elementwise.</summary>
        public Tensor clamp_(Tensor? min = null, Tensor? max = null) => Self(Aten.ClampInPlaceTensor.Run(this, min, max));

        /// <summary>max(x, min).</summary>
        public Tensor clamp_min(Scalar min) => Aten.ClampMin.Call(this, min);

        /// <summary>min(x, max).</summary>
        public Tensor clamp_max(Scalar max) => Aten.ClampMax.Call(this, max);

        /// <summary>The larger of two, elementwise; NaN wins.</summary>
        public Tensor maximum(Tensor other) => Aten.Maximum.Call(this, other);

        /// <summary>The smaller of two, elementwise; NaN wins.</summary>
        public Tensor minimum(Tensor other) => Aten.Minimum.Call(this, other);
    }
}
