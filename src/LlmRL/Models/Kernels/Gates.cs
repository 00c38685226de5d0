using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>The MLP's elementwise part and its gradient, one pass each: SwiGLU from rows of 2F (gate, up) to rows of F, or GELU from F to F.</summary>
internal static unsafe class Gates
{
    private const float TwiceRootTwoOverPi = 1.5957691216f, Cubic = 0.044715f, RootHalf = 0.70710678f, InverseRootTwoPi = 0.39894228f;

    /// <summary>y = silu(gate)·up or gelu(up).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(MlpKind kind, float* up, int rows, int inner, float* y)
    {
        var stride = kind == MlpKind.SwiGlu ? 2 * inner : inner;
        for (var row = 0; row < rows; row++, up += stride, y += inner)
        {
            for (var i = 0; i < inner; i += Lanes.Width)
            {
                var count = inner - i;
                var x = Lanes.Load(up + i, count);
                var value = kind switch
                {
                    MlpKind.SwiGlu => VectorMath.Silu(x) * Lanes.Load(up + inner + i, count),
                    MlpKind.GeluTanh => VectorMath.GeluTanh(x),
                    _ => x * NormalCdf(x),
                };
                Lanes.Store(value, y + i, count);
            }
        }
    }

    /// <summary>From ∂loss/∂y to ∂loss/∂up; y once more too, for the gradient of the weights behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(MlpKind kind, float* up, float* gradOutput, int rows, int inner, float* gradUp, float* y, FeatureStrides strides)
    {
        var stride = kind == MlpKind.SwiGlu ? 2 * inner : inner;
        for (var row = 0; row < rows; row++, up += stride, gradUp += stride, gradOutput += inner, y += strides.Row)
        {
            var to = y;
            for (var i = 0; i < inner; i += Lanes.Width, to += strides.Group)
            {
                var count = inner - i;
                Vector512<float> x = Lanes.Load(up + i, count), dy = Lanes.Load(gradOutput + i, count), value;
                if (kind == MlpKind.SwiGlu)
                {
                    // silu'(x) = σ(1 + x(1 − σ))
                    var other = Lanes.Load(up + inner + i, count);
                    var sigmoid = Sigmoid(x);
                    var silu = x * sigmoid;
                    Lanes.Store(dy * silu, gradUp + inner + i, count);
                    Lanes.Store(dy * other * Vector512.FusedMultiplyAdd(silu, Vector512<float>.One - sigmoid, sigmoid), gradUp + i, count);
                    value = silu * other;
                }
                else
                {
                    var slope = kind == MlpKind.GeluTanh ? GeluTanhSlope(x, out value) : GeluSlope(x, out value);
                    Lanes.Store(dy * slope, gradUp + i, count);
                }

                Lanes.Store(value, to, count);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + VectorMath.Exp(-x));

    /// <summary>d/dx x·σ(u) = σ + x·σ(1 − σ)·u′ with u = 2√(2/π)(x + 0.044715x³).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> GeluTanhSlope(Vector512<float> x, out Vector512<float> value)
    {
        var square = x * x;
        var sigmoid = Sigmoid(Vector512.FusedMultiplyAdd(square * Vector512.Create(Cubic), x, x) * Vector512.Create(TwiceRootTwoOverPi));
        var inner = Vector512.FusedMultiplyAdd(square, Vector512.Create(3 * Cubic), Vector512<float>.One) * Vector512.Create(TwiceRootTwoOverPi);
        value = x * sigmoid;
        return Vector512.FusedMultiplyAdd(value * (Vector512<float>.One - sigmoid), inner, sigmoid);
    }

    /// <summary>d/dx x·Φ(x) = Φ(x) + x·φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> GeluSlope(Vector512<float> x, out Vector512<float> value)
    {
        var cdf = NormalCdf(x);
        value = x * cdf;
        return Vector512.FusedMultiplyAdd(x * Vector512.Create(InverseRootTwoPi), VectorMath.Exp(x * x * Vector512.Create(-0.5f)), cdf);
    }

    /// <summary>Φ(x) by formula 7.1.26 of Abramowitz &amp; Stegun (1964), absolute error below 2e-7.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> NormalCdf(Vector512<float> x)
    {
        var z = Vector512.Abs(x) * Vector512.Create(RootHalf);
        var t = Vector512<float>.One / Vector512.FusedMultiplyAdd(z, Vector512.Create(0.3275911f), Vector512<float>.One);
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(1.061405429f), t, Vector512.Create(-1.453152027f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(1.421413741f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-0.284496736f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(0.254829592f));
        var tail = p * t * VectorMath.Exp(-z * z) * Vector512.Create(0.5f);
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), tail, Vector512<float>.One - tail);
    }
}
