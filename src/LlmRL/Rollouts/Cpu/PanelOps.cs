using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Element-wise parts of a block on panels: (features, 16), one vector register holds a feature of 16 columns.</summary>
internal static unsafe class PanelOps
{
    private const int Lanes = PanelProduct.Lanes;

    /// <summary>Normalises every column over its features; bias null where the norm has none. In place is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Norm(NormKind kind, float* x, float* weight, float* bias, int features, float epsilon, float* y)
    {
        var mean = kind == NormKind.LayerNorm ? Sum(x, features) / Vector512.Create((float)features) : Vector512<float>.Zero;
        var variance = SumOfSquares(x, mean, features) / Vector512.Create((float)features);
        var scale = Vector512<float>.One / Vector512.Sqrt(variance + Vector512.Create(epsilon));
        for (var f = 0; f < features; f++)
        {
            var value = (Vector512.Load(x + f * Lanes) - mean) * scale * Vector512.Create(weight[f]);
            if (bias != null)
                value += Vector512.Create(bias[f]);
            value.Store(y + f * Lanes);
        }
    }

    /// <summary>Rotary embedding of one head in place: pairs (i, i + R/2) turn by the angle whose cosine and sine lie in (R/2, 16) panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(float* head, float* cos, float* sin, int turning)
    {
        var half = turning / 2;
        for (var i = 0; i < half; i++)
        {
            float* a = head + i * Lanes, b = head + (i + half) * Lanes;
            Vector512<float> x = Vector512.Load(a), y = Vector512.Load(b), c = Vector512.Load(cos + i * Lanes), s = Vector512.Load(sin + i * Lanes);
            Vector512.FusedMultiplyAdd(x, c, -(y * s)).Store(a);
            Vector512.FusedMultiplyAdd(y, c, x * s).Store(b);
        }
    }

    /// <summary>y ← silu(y) · up over <paramref name="floats"/> values, a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SwiGlu(float* y, float* up, nint floats)
    {
        for (nint i = 0; i < floats; i += Lanes)
            (VectorMath.Silu(Vector512.Load(y + i)) * Vector512.Load(up + i)).Store(y + i);
    }

    /// <summary>y ← gelu(y) over <paramref name="floats"/> values, a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gelu(MlpKind kind, float* y, nint floats)
    {
        if (kind == MlpKind.GeluTanh)
            for (nint i = 0; i < floats; i += Lanes)
                VectorMath.GeluTanh(Vector512.Load(y + i)).Store(y + i);
        else
            for (nint i = 0; i < floats; i += Lanes)
                VectorMath.Gelu(Vector512.Load(y + i)).Store(y + i);
    }

    private static Vector512<float> Sum(float* x, int features)
    {
        Vector512<float> even, odd;
        even = odd = Vector512<float>.Zero;
        var f = 0;
        for (; f + 2 <= features; f += 2)
        {
            even += Vector512.Load(x + f * Lanes);
            odd += Vector512.Load(x + (f + 1) * Lanes);
        }

        return f < features ? even + odd + Vector512.Load(x + f * Lanes) : even + odd;
    }

    private static Vector512<float> SumOfSquares(float* x, Vector512<float> mean, int features)
    {
        Vector512<float> a, b, c, d;
        a = b = c = d = Vector512<float>.Zero;
        var f = 0;
        for (; f + 4 <= features; f += 4)
        {
            Vector512<float> p = Vector512.Load(x + f * Lanes) - mean, q = Vector512.Load(x + (f + 1) * Lanes) - mean;
            Vector512<float> r = Vector512.Load(x + (f + 2) * Lanes) - mean, s = Vector512.Load(x + (f + 3) * Lanes) - mean;
            a = Vector512.FusedMultiplyAdd(p, p, a);
            b = Vector512.FusedMultiplyAdd(q, q, b);
            c = Vector512.FusedMultiplyAdd(r, r, c);
            d = Vector512.FusedMultiplyAdd(s, s, d);
        }

        for (; f < features; f++)
        {
            var p = Vector512.Load(x + f * Lanes) - mean;
            a = Vector512.FusedMultiplyAdd(p, p, a);
        }

        return (a + b) + (c + d);
    }
}
