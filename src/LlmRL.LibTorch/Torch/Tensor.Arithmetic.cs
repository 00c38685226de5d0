using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>x + y.</summary>
        public Tensor add(Tensor target) => Aten.AddTensor.Call(this, target);

        /// <summary>x + alpha·y.</summary>
        public Tensor add(Tensor target, Scalar alpha) => Aten.AddTensor.Call(this, target, alpha);

        /// <summary>x + scalar.</summary>
        public Tensor add(Scalar scalar) => Aten.AddScalar.Call(this, scalar);

        /// <summary>x + alpha·scalar.</summary>
        public Tensor add(Scalar scalar, Scalar alpha) => Aten.AddScalar.Call(this, scalar, alpha);

        /// <summary>In place: x + y.</summary>
        public Tensor add_(Tensor target) => Self(Aten.AddInPlaceTensor.Run(this, target));

        /// <summary>In place: x + alpha·y.</summary>
        public Tensor add_(Tensor target, Scalar alpha) => Self(Aten.AddInPlaceTensor.Run(this, target, alpha));

        /// <summary>In place: x + scalar.</summary>
        public Tensor add_(Scalar scalar) => Self(Aten.AddInPlaceScalar.Run(this, scalar));

        /// <summary>In place: x + alpha·scalar.</summary>
        public Tensor add_(Scalar scalar, Scalar alpha) => Self(Aten.AddInPlaceScalar.Run(this, scalar, alpha));

        /// <summary>x − y.</summary>
        public Tensor sub(Tensor target) => Aten.SubTensor.Call(this, target);

        /// <summary>x − scalar.</summary>
        public Tensor sub(Scalar target) => Aten.SubScalar.Call(this, target);

        /// <summary>In place: x − y.</summary>
        public Tensor sub_(Tensor target) => Self(Aten.SubInPlaceTensor.Run(this, target));

        /// <summary>In place: x − scalar.</summary>
        public Tensor sub_(Scalar target) => Self(Aten.SubInPlaceScalar.Run(this, target));

        /// <summary>x·y, elementwise.</summary>
        public Tensor mul(Tensor target) => Aten.MulTensor.Call(this, target);

        /// <summary>x·scalar.</summary>
        public Tensor mul(Scalar target) => Aten.MulScalar.Call(this, target);

        /// <summary>In place: x·y, elementwise.</summary>
        public Tensor mul_(Tensor target) => Self(Aten.MulInPlaceTensor.Run(this, target));

        /// <summary>In place: x·scalar.</summary>
        public Tensor mul_(Scalar target) => Self(Aten.MulInPlaceScalar.Run(this, target));

        /// <summary>x / y, elementwise; integers give floats unless rounded.</summary>
        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? Aten.DivTensor.Call(this, target) : Aten.DivTensorMode.Call(this, target, Name(rounding_mode));

        /// <summary>x / scalar; integers give floats unless rounded.</summary>
        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? Aten.DivScalar.Call(this, target) : Aten.DivScalarMode.Call(this, target, Name(rounding_mode));

        /// <summary>In place: x / y, elementwise.</summary>
        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            Self(rounding_mode == RoundingMode.None ? Aten.DivInPlaceTensor.Run(this, target) : Aten.DivInPlaceTensorMode.Run(this, target, Name(rounding_mode)));

        /// <summary>In place: x / scalar.</summary>
        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            Self(rounding_mode == RoundingMode.None ? Aten.DivInPlaceScalar.Run(this, target) : Aten.DivInPlaceScalarMode.Run(this, target, Name(rounding_mode)));

        /// <summary>x to the power of y, elementwise.</summary>
        public Tensor pow(Tensor exponent) => Aten.PowTensorTensor.Call(this, exponent);

        /// <summary>x to a power.</summary>
        public Tensor pow(Scalar exponent) => Aten.PowTensorScalar.Call(this, exponent);

        /// <summary>In place: x to a power.</summary>
        public Tensor pow_(Scalar exponent) => Self(Aten.PowInPlaceScalar.Run(this, exponent));

        /// <summary>⌊x / y⌋, elementwise.</summary>
        public Tensor floor_divide(Tensor other) => Aten.FloorDivide.Call(this, other);

        /// <summary>⌊x / scalar⌋.</summary>
        public Tensor floor_divide(Scalar other) => Aten.FloorDivideScalar.Call(this, other);

        /// <summary>x − y·⌊x / y⌋, with the sign of y.</summary>
        public Tensor remainder(Tensor target) => Aten.RemainderTensor.Call(this, target);

        /// <summary>x − s·⌊x / s⌋, with the sign of s.</summary>
        public Tensor remainder(Scalar scalar) => Aten.RemainderScalar.Call(this, scalar);

        /// <summary>x + weight·(end − x).</summary>
        public Tensor lerp(Tensor end, Tensor weight) => Aten.LerpTensor.Call(this, end, weight);

        /// <summary>x + weight·(end − x).</summary>
        public Tensor lerp(Tensor end, Scalar weight) => Aten.LerpScalar.Call(this, end, weight);

        /// <summary>In place: x + weight·(end − x).</summary>
        public Tensor lerp_(Tensor end, Tensor weight) => Self(Aten.LerpInPlaceTensor.Run(this, end, weight));

        /// <summary>In place: x + weight·(end − x).</summary>
        public Tensor lerp_(Tensor end, Scalar weight) => Self(Aten.LerpInPlaceScalar.Run(this, end, weight));

        /// <summary>x + value·t1·t2.</summary>
        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) => Aten.Addcmul.Call(this, tensor1, tensor2, value);

        /// <summary>In place: x + value·t1·t2.</summary>
        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Self(Aten.AddcmulInPlace.Run(this, tensor1, tensor2, value));

        /// <summary>x + value·t1 / t2.</summary>
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) => Aten.Addcdiv.Call(this, tensor1, tensor2, value);

        /// <summary>In place: x + value·t1 / t2.</summary>
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Self(Aten.AddcdivInPlace.Run(this, tensor1, tensor2, value));

        /// <summary>In place: x + t1 / t2.</summary>
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2) => Self(Aten.AddcdivInPlace.Run(this, tensor1, tensor2));

        /// <summary>Matrix product, batched where there are more dimensions.</summary>
        public Tensor matmul(Tensor target) => Aten.Matmul.Call(this, target);

        /// <summary>Product of two matrices.</summary>
        public Tensor mm(Tensor target) => Aten.Mm.Call(this, target);

        /// <summary>Product of two batches of matrices: (B, n, k) by (B, k, m).</summary>
        public Tensor bmm(Tensor batch2) => Aten.Bmm.Call(this, batch2);

        /// <summary>Product of a matrix and a vector.</summary>
        public Tensor mv(Tensor target) => Aten.Mv.Call(this, target);

        /// <summary>Sum of the products of two vectors.</summary>
        public Tensor dot(Tensor target) => Aten.Dot.Call(this, target);

        /// <summary>Products of all pairs from two vectors.</summary>
        public Tensor outer(Tensor vec2) => Aten.Outer.Call(this, vec2);

        /// <summary>Sum of products over the last dimension of both.</summary>
        public Tensor inner(Tensor vec2) => Aten.Inner.Call(this, vec2);

        /// <summary>beta·x + alpha·(mat1 · mat2).</summary>
        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) => Aten.Addmm.Call(this, mat1, mat2, beta, alpha);

        /// <summary>In place: beta·x + alpha·(mat1 · mat2).</summary>
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) =>
            Self(Aten.AddmmInPlace.Run(this, mat1, mat2, beta, alpha));

        /// <summary>beta·x + alpha·(batch1 · batch2), batch by batch.</summary>
        public Tensor baddbmm(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) =>
            Aten.Baddbmm.Call(this, batch1, batch2, beta, alpha);

        /// <summary>In place: beta·x + alpha·(batch1 · batch2), batch by batch.</summary>
        public Tensor baddbmm_(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) =>
            Self(Aten.BaddbmmInPlace.Run(this, batch1, batch2, beta, alpha));

        /// <summary>In place: every element becomes the value.</summary>
        public Tensor fill_(Scalar value) => Self(Aten.FillInPlaceScalar.Run(this, value));

        /// <summary>In place: every element becomes 0.</summary>
        public Tensor zero_() => Self(Aten.ZeroInPlace.Run(this));

        /// <summary>In place: takes the values of the source, converting dtype and device, broadcasting its shape.</summary>
        public Tensor copy_(Tensor source, bool nonBlocking = false) => Self(Aten.CopyInPlace.Run(this, source, nonBlocking));

        /// <summary>A copy that gradients flow through.</summary>
        public Tensor clone() => Aten.Clone.Call(this);

        private static string Name(RoundingMode mode) => mode == RoundingMode.trunc ? "trunc" : "floor";
    }
}
