using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Whether x = y, elementwise.</summary>
        public Tensor eq(Tensor target) => Aten.EqTensor.Call(this, target);

        /// <summary>Whether x = a number, elementwise.</summary>
        public Tensor eq(Scalar target) => Aten.EqScalar.Call(this, target);

        /// <summary>Whether x ≠ y, elementwise.</summary>
        public Tensor ne(Tensor target) => Aten.NeTensor.Call(this, target);

        /// <summary>Whether x ≠ a number, elementwise.</summary>
        public Tensor ne(Scalar target) => Aten.NeScalar.Call(this, target);

        /// <summary>Whether x &lt; y, elementwise.</summary>
        public Tensor lt(Tensor target) => Aten.LtTensor.Call(this, target);

        /// <summary>Whether x &lt; a number, elementwise.</summary>
        public Tensor lt(Scalar target) => Aten.LtScalar.Call(this, target);

        /// <summary>Whether x ≤ y, elementwise.</summary>
        public Tensor le(Tensor target) => Aten.LeTensor.Call(this, target);

        /// <summary>Whether x ≤ a number, elementwise.</summary>
        public Tensor le(Scalar target) => Aten.LeScalar.Call(this, target);

        /// <summary>Whether x &gt; y, elementwise.</summary>
        public Tensor gt(Tensor target) => Aten.GtTensor.Call(this, target);

        /// <summary>Whether x &gt; a number, elementwise.</summary>
        public Tensor gt(Scalar target) => Aten.GtScalar.Call(this, target);

        /// <summary>Whether x ≥ y, elementwise.</summary>
        public Tensor ge(Tensor target) => Aten.GeTensor.Call(this, target);

        /// <summary>Whether x ≥ a number, elementwise.</summary>
        public Tensor ge(Scalar target) => Aten.GeScalar.Call(this, target);

        /// <summary>Both true (not zero), elementwise.</summary>
        public Tensor logical_and(Tensor other) => Aten.LogicalAnd.Call(this, other);

        /// <summary>Either true (not zero), elementwise.</summary>
        public Tensor logical_or(Tensor other) => Aten.LogicalOr.Call(this, other);

        /// <summary>Exactly one true (not zero), elementwise.</summary>
        public Tensor logical_xor(Tensor other) => Aten.LogicalXor.Call(this, other);

        /// <summary>Whether elements are false (zero).</summary>
        public Tensor logical_not() => Aten.LogicalNot.Call(this);

        /// <summary>Whether shape and all elements are the same.</summary>
        public bool equal(Tensor target) => Aten.Equal.CallScalar(this, target).ToBoolean();

        /// <summary>Whether all |x − y| ≤ atol + rtol·|y|.</summary>
        public bool allclose(Tensor target, double rtol = 1E-05, double atol = 1E-08, bool equal_nan = false) =>
            Aten.Allclose.CallScalar(this, target, rtol, atol, equal_nan).ToBoolean();
    }
}
