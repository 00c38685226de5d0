using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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

    /// <summary>Writes a panel's features [0, <paramref name="features"/>) as rows: column l goes to rows + l·rowStride, for l below <paramref name="columns"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToRows(float* panel, int features, float* rows, nint rowStride, int columns)
    {
        var f = 0;
        var block = stackalloc float[Lanes * Lanes];
        for (; Avx512F.IsSupported && f + Lanes <= features; f += Lanes)
        {
            Transpose(panel + f * Lanes, Lanes, block, Lanes);
            for (var l = 0; l < columns; l++)
                Vector512.Load(block + l * Lanes).Store(rows + l * rowStride + f);
        }

        for (; f < features; f++)
            for (var l = 0; l < columns; l++)
                rows[l * rowStride + f] = panel[f * Lanes + l];
    }

    /// <summary>The inverse of <see cref="ToRows"/>; columns from <paramref name="columns"/> on become 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToPanel(float* rows, nint rowStride, int columns, int features, float* panel)
    {
        var f = 0;
        for (; Avx512F.IsSupported && columns == Lanes && f + Lanes <= features; f += Lanes)
            Transpose(rows + f, rowStride, panel + f * Lanes, Lanes);
        for (; f < features; f++)
            for (var l = 0; l < Lanes; l++)
                panel[f * Lanes + l] = l < columns ? rows[l * rowStride + f] : 0;
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

    // 16 × 16 in two rounds: 4 × 4 blocks inside 128-bit lanes, four rows at a time, then the lanes themselves.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* from, nint fromStride, float* to, nint toStride)
    {
        var quads = stackalloc float[Lanes * Lanes]; // vector 4·i + j: column 4·lane + j of rows 4i … 4i + 3
        for (var i = 0; i < 4; i++)
        {
            var row = from + 4 * i * fromStride;
            Vector512<float> a = Vector512.Load(row), b = Vector512.Load(row + fromStride);
            Vector512<float> c = Vector512.Load(row + 2 * fromStride), d = Vector512.Load(row + 3 * fromStride);
            Vector512<double> abLow = Avx512F.UnpackLow(a, b).AsDouble(), abHigh = Avx512F.UnpackHigh(a, b).AsDouble();
            Vector512<double> cdLow = Avx512F.UnpackLow(c, d).AsDouble(), cdHigh = Avx512F.UnpackHigh(c, d).AsDouble();
            var target = quads + 4 * i * Lanes;
            Avx512F.UnpackLow(abLow, cdLow).AsSingle().Store(target);
            Avx512F.UnpackHigh(abLow, cdLow).AsSingle().Store(target + Lanes);
            Avx512F.UnpackLow(abHigh, cdHigh).AsSingle().Store(target + 2 * Lanes);
            Avx512F.UnpackHigh(abHigh, cdHigh).AsSingle().Store(target + 3 * Lanes);
        }

        for (var j = 0; j < 4; j++)
        {
            Vector512<float> a = Vector512.Load(quads + j * Lanes), b = Vector512.Load(quads + (4 + j) * Lanes);
            Vector512<float> c = Vector512.Load(quads + (8 + j) * Lanes), d = Vector512.Load(quads + (12 + j) * Lanes);
            Vector512<float> abLow = Avx512F.Shuffle4x128(a, b, 0x44), abHigh = Avx512F.Shuffle4x128(a, b, 0xEE);
            Vector512<float> cdLow = Avx512F.Shuffle4x128(c, d, 0x44), cdHigh = Avx512F.Shuffle4x128(c, d, 0xEE);
            Avx512F.Shuffle4x128(abLow, cdLow, 0x88).Store(to + j * toStride);
            Avx512F.Shuffle4x128(abLow, cdLow, 0xDD).Store(to + (4 + j) * toStride);
            Avx512F.Shuffle4x128(abHigh, cdHigh, 0x88).Store(to + (8 + j) * toStride);
            Avx512F.Shuffle4x128(abHigh, cdHigh, 0xDD).Store(to + (12 + j) * toStride);
        }
    }
}
