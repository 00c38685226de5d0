using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LlmRL.Numerics;

/// <summary>Elementary functions over one vector register of 16 floats.</summary>
internal static class VectorMath
{
    private const float Log2E = 1.44269504f, Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;
    private const float ExpLowest = -87.3f, ExpHighest = 88.3f;

    /// <summary>e^x with a relative error below 2e-7; 0 below −87.3, e^88.3 above 88.3, NaN of NaN.</summary>
    /// <remarks>x = n·ln 2 + r with |r| ≤ ½ ln 2; e^r by its Taylor series to r⁷ (remainder 5e-9); n goes into the exponent bits.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // The second operand is what these give where one is not a number, and so is the result.
        var clamped = Vector512.MaxNative(Vector512.Create(ExpLowest), Vector512.MinNative(Vector512.Create(ExpHighest), x));
        var n = Vector512.Round(clamped * Vector512.Create(Log2E));
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), clamped);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(1f / 5040), r, Vector512.Create(1f / 720));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 120));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 24));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 6));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        var scale = (Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23;
        var result = p * scale.AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(ExpLowest)), Vector512<float>.Zero, result);
    }

    /// <summary>x · σ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Silu(Vector512<float> x) => x / (Vector512<float>.One + Exp(-x));

    /// <summary>GELU's tanh approximation, ½x(1 + tanh u) = x · σ(2u) with u = √(2/π)(x + 0.044715 x³) (Hendrycks &amp; Gimpel 2016, arXiv 1606.08415).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> GeluTanh(Vector512<float> x)
    {
        const float TwiceRootTwoOverPi = 1.5957691216f;
        var cubic = Vector512.FusedMultiplyAdd(x * x * Vector512.Create(0.044715f), x, x);
        return x / (Vector512<float>.One + Exp(cubic * Vector512.Create(-TwiceRootTwoOverPi)));
    }

    /// <summary>Exact GELU, x·Φ(x) = ½x(1 + erf(x/√2)), absolute error below 2e-7·|x|.</summary>
    /// <remarks>erf by formula 7.1.26 of Abramowitz &amp; Stegun (1964).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gelu(Vector512<float> x)
    {
        var z = Vector512.Abs(x) * Vector512.Create(0.70710678f);
        var t = Vector512<float>.One / Vector512.FusedMultiplyAdd(z, Vector512.Create(0.3275911f), Vector512<float>.One);
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(1.061405429f), t, Vector512.Create(-1.453152027f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(1.421413741f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-0.284496736f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(0.254829592f));
        var tail = p * t * Exp(-z * z) * Vector512.Create(0.5f); // 1 − Φ(|x|)
        var phi = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), tail, Vector512<float>.One - tail);
        return x * phi;
    }
}
