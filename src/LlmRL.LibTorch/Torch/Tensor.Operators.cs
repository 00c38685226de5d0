using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, Tensor right) => left.add(right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, Scalar right) => left.add(right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, int right) => left.add((Scalar)right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, long right) => left.add((Scalar)right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, float right) => left.add((Scalar)right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Tensor left, double right) => left.add((Scalar)right);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(Scalar left, Tensor right) => right.add(left);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(int left, Tensor right) => right.add((Scalar)left);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(long left, Tensor right) => right.add((Scalar)left);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(float left, Tensor right) => right.add((Scalar)left);

        /// <summary>left + right, elementwise.</summary>
        public static Tensor operator +(double left, Tensor right) => right.add((Scalar)left);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, Tensor right) => left.sub(right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, Scalar right) => left.sub(right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, int right) => left.sub((Scalar)right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, long right) => left.sub((Scalar)right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, float right) => left.sub((Scalar)right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Tensor left, double right) => left.sub((Scalar)right);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(Scalar left, Tensor right) => Aten.RsubScalar.Call(right, left);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(int left, Tensor right) => Aten.RsubScalar.Call(right, (Scalar)left);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(long left, Tensor right) => Aten.RsubScalar.Call(right, (Scalar)left);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(float left, Tensor right) => Aten.RsubScalar.Call(right, (Scalar)left);

        /// <summary>left - right, elementwise.</summary>
        public static Tensor operator -(double left, Tensor right) => Aten.RsubScalar.Call(right, (Scalar)left);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, Tensor right) => left.mul(right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, Scalar right) => left.mul(right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, int right) => left.mul((Scalar)right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, long right) => left.mul((Scalar)right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, float right) => left.mul((Scalar)right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Tensor left, double right) => left.mul((Scalar)right);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(Scalar left, Tensor right) => right.mul(left);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(int left, Tensor right) => right.mul((Scalar)left);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(long left, Tensor right) => right.mul((Scalar)left);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(float left, Tensor right) => right.mul((Scalar)left);

        /// <summary>left * right, elementwise.</summary>
        public static Tensor operator *(double left, Tensor right) => right.mul((Scalar)left);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, Tensor right) => left.div(right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, Scalar right) => left.div(right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, int right) => left.div((Scalar)right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, long right) => left.div((Scalar)right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, float right) => left.div((Scalar)right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Tensor left, double right) => left.div((Scalar)right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(Scalar left, Tensor right) => Divide(left, right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(int left, Tensor right) => Divide((Scalar)left, right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(long left, Tensor right) => Divide((Scalar)left, right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(float left, Tensor right) => Divide((Scalar)left, right);

        /// <summary>left / right, elementwise.</summary>
        public static Tensor operator /(double left, Tensor right) => Divide((Scalar)left, right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, Tensor right) => left.remainder(right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, Scalar right) => left.remainder(right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, int right) => left.remainder((Scalar)right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, long right) => left.remainder((Scalar)right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, float right) => left.remainder((Scalar)right);

        /// <summary>left % right, elementwise.</summary>
        public static Tensor operator %(Tensor left, double right) => left.remainder((Scalar)right);

        /// <summary>left == right, elementwise.</summary>
        public static Tensor operator ==(Tensor left, Tensor right) => left.eq(right);

        /// <summary>left == right, elementwise.</summary>
        public static Tensor operator ==(Tensor left, Scalar right) => left.eq(right);

        /// <summary>left != right, elementwise.</summary>
        public static Tensor operator !=(Tensor left, Tensor right) => left.ne(right);

        /// <summary>left != right, elementwise.</summary>
        public static Tensor operator !=(Tensor left, Scalar right) => left.ne(right);

        /// <summary>left &lt; right, elementwise.</summary>
        public static Tensor operator <(Tensor left, Tensor right) => left.lt(right);

        /// <summary>left &lt; right, elementwise.</summary>
        public static Tensor operator <(Tensor left, Scalar right) => left.lt(right);

        /// <summary>left &lt;= right, elementwise.</summary>
        public static Tensor operator <=(Tensor left, Tensor right) => left.le(right);

        /// <summary>left &lt;= right, elementwise.</summary>
        public static Tensor operator <=(Tensor left, Scalar right) => left.le(right);

        /// <summary>left &gt; right, elementwise.</summary>
        public static Tensor operator >(Tensor left, Tensor right) => left.gt(right);

        /// <summary>left &gt; right, elementwise.</summary>
        public static Tensor operator >(Tensor left, Scalar right) => left.gt(right);

        /// <summary>left &gt;= right, elementwise.</summary>
        public static Tensor operator >=(Tensor left, Tensor right) => left.ge(right);

        /// <summary>left &gt;= right, elementwise.</summary>
        public static Tensor operator >=(Tensor left, Scalar right) => left.ge(right);

        /// <summary>Negation.</summary>
        public static Tensor operator -(Tensor tensor) => tensor.neg();

        /// <summary>Bitwise (for truth values: logical) and.</summary>
        public static Tensor operator &(Tensor left, Tensor right) => Aten.BitwiseAndTensor.Call(left, right);

        /// <summary>Bitwise (for truth values: logical) or.</summary>
        public static Tensor operator |(Tensor left, Tensor right) => Aten.BitwiseOrTensor.Call(left, right);

        /// <summary>Bitwise (for truth values: logical) not.</summary>
        public static Tensor operator ~(Tensor left) => Aten.BitwiseNot.Call(left);

        /// <summary>The value of a tensor with one element.</summary>
        public static explicit operator float(Tensor value) => value.ToScalar().ToSingle();

        /// <summary>The value of a tensor with one element.</summary>
        public static explicit operator double(Tensor value) => value.ToScalar().ToDouble();

        /// <summary>The value of a tensor with one element.</summary>
        public static explicit operator long(Tensor value) => value.ToScalar().ToInt64();

        /// <summary>The value of a tensor with one element.</summary>
        public static explicit operator int(Tensor value) => value.ToScalar().ToInt32();

        /// <summary>The value of a tensor with one element.</summary>
        public static explicit operator bool(Tensor value) => value.ToScalar().ToBoolean();

        private static Tensor Divide(Scalar left, Tensor right)
        {
            using Tensor inverse = right.reciprocal();
            return inverse.mul(left);
        }
    }
}
