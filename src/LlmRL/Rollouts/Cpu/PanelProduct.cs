using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// The matrix product of decoding: Y = W·X (+ bias) for few columns. W (N, K) is row-major as the model holds it, so no packed copy can go
/// stale; X and Y are in panels of 16 columns, (column groups, features, 16), one vector register per feature. Every element of Y is one
/// chain of fused multiply-adds in the order of K, whatever the tile: a column's result does not depend on its neighbours.
/// </summary>
/// <remarks>
/// The kernels of this folder skip tiered compilation: a short run would spend a second in unoptimised code. With AVX-512 and the weights in a
/// cache, this reaches a core's peak from 32 columns on, and about twice OpenBLAS's speed at 16 to 32.
/// </remarks>
internal static unsafe class PanelProduct
{
    /// <summary>Columns in a panel.</summary>
    public const int Lanes = 16;

    /// <summary>Rows of W in a tile: work is best split at multiples of it.</summary>
    public const int TileRows = 8;

    /// <summary>
    /// Rows of Y for <paramref name="rows"/> rows of W. Group g of X starts at x + g·xStride floats, of Y at y + g·yStride;
    /// <paramref name="accumulate"/> adds to Y, otherwise Y is overwritten. Bias may be null.
    /// </summary>
    public static void Multiply(
        float* w, int k, int rows, float* bias, float* x, nint xStride, float* y, nint yStride, int groups, bool accumulate)
    {
        var row = 0;
        for (; row + TileRows <= rows; row += TileRows)
        {
            var wRow = w + (nint)row * k;
            var yRow = y + (nint)row * Lanes;
            var biasRow = bias == null ? null : bias + row;
            var g = 0;
            for (; g + 2 <= groups; g += 2)
                Tile8x2(wRow, k, biasRow, x + g * xStride, xStride, yRow + g * yStride, yStride, accumulate);
            if (g < groups)
                Tile8x1(wRow, k, biasRow, x + g * xStride, yRow + g * yStride, accumulate);
        }

        for (; row < rows; row++)
            for (var g = 0; g < groups; g++)
                Tile1x1(w + (nint)row * k, k, bias == null ? null : bias + row, x + g * xStride, y + g * yStride + (nint)row * Lanes, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8x2(float* w, nint k, float* bias, float* x, nint xStride, float* y, nint yStride, bool accumulate)
    {
        float* w1 = w + k, w2 = w1 + k, w3 = w2 + k, w4 = w3 + k, w5 = w4 + k, w6 = w5 + k, w7 = w6 + k;
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = Vector512<float>.Zero;
        var x1 = x + xStride;
        for (nint i = 0; i < k;)
        {
            var end = Math.Min(i + Lanes, k);
            Prefetch(w + TileRows * (k + i));
            for (; i < end; i++)
            {
                var p = Vector512.Load(x);
                var q = Vector512.Load(x1);
                x += Lanes;
                x1 += Lanes;
                var v = Vector512.Create(w[i]);
                a0 = Vector512.FusedMultiplyAdd(v, p, a0);
                b0 = Vector512.FusedMultiplyAdd(v, q, b0);
                v = Vector512.Create(w1[i]);
                a1 = Vector512.FusedMultiplyAdd(v, p, a1);
                b1 = Vector512.FusedMultiplyAdd(v, q, b1);
                v = Vector512.Create(w2[i]);
                a2 = Vector512.FusedMultiplyAdd(v, p, a2);
                b2 = Vector512.FusedMultiplyAdd(v, q, b2);
                v = Vector512.Create(w3[i]);
                a3 = Vector512.FusedMultiplyAdd(v, p, a3);
                b3 = Vector512.FusedMultiplyAdd(v, q, b3);
                v = Vector512.Create(w4[i]);
                a4 = Vector512.FusedMultiplyAdd(v, p, a4);
                b4 = Vector512.FusedMultiplyAdd(v, q, b4);
                v = Vector512.Create(w5[i]);
                a5 = Vector512.FusedMultiplyAdd(v, p, a5);
                b5 = Vector512.FusedMultiplyAdd(v, q, b5);
                v = Vector512.Create(w6[i]);
                a6 = Vector512.FusedMultiplyAdd(v, p, a6);
                b6 = Vector512.FusedMultiplyAdd(v, q, b6);
                v = Vector512.Create(w7[i]);
                a7 = Vector512.FusedMultiplyAdd(v, p, a7);
                b7 = Vector512.FusedMultiplyAdd(v, q, b7);
            }
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, bias, y, accumulate);
        Finish8(b0, b1, b2, b3, b4, b5, b6, b7, bias, y + yStride, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8x1(float* w, nint k, float* bias, float* x, float* y, bool accumulate)
    {
        float* w1 = w + k, w2 = w1 + k, w3 = w2 + k, w4 = w3 + k, w5 = w4 + k, w6 = w5 + k, w7 = w6 + k;
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = Vector512<float>.Zero;
        for (nint i = 0; i < k;)
        {
            var end = Math.Min(i + Lanes, k);
            Prefetch(w + TileRows * (k + i));
            for (; i < end; i++)
            {
                var p = Vector512.Load(x);
                x += Lanes;
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(w[i]), p, a0);
                a1 = Vector512.FusedMultiplyAdd(Vector512.Create(w1[i]), p, a1);
                a2 = Vector512.FusedMultiplyAdd(Vector512.Create(w2[i]), p, a2);
                a3 = Vector512.FusedMultiplyAdd(Vector512.Create(w3[i]), p, a3);
                a4 = Vector512.FusedMultiplyAdd(Vector512.Create(w4[i]), p, a4);
                a5 = Vector512.FusedMultiplyAdd(Vector512.Create(w5[i]), p, a5);
                a6 = Vector512.FusedMultiplyAdd(Vector512.Create(w6[i]), p, a6);
                a7 = Vector512.FusedMultiplyAdd(Vector512.Create(w7[i]), p, a7);
            }
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, bias, y, accumulate);
    }

    // The next eight rows lie behind these, so that while 16 columns of this tile are multiplied, as many bytes of the next are fetched.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* w)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(w);
        Sse.Prefetch0(w + 16);
        Sse.Prefetch0(w + 32);
        Sse.Prefetch0(w + 48);
        Sse.Prefetch0(w + 64);
        Sse.Prefetch0(w + 80);
        Sse.Prefetch0(w + 96);
        Sse.Prefetch0(w + 112);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x1(float* w, nint k, float* bias, float* x, float* y, bool accumulate)
    {
        var a = Vector512<float>.Zero;
        for (nint i = 0; i < k; i++)
            a = Vector512.FusedMultiplyAdd(Vector512.Create(w[i]), Vector512.Load(x + i * Lanes), a);
        Finish(a, bias, y, accumulate);
    }

    private static void Finish8(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3, Vector512<float> a4, Vector512<float> a5,
        Vector512<float> a6, Vector512<float> a7, float* bias, float* y, bool accumulate)
    {
        var step = bias == null ? 0 : 1;
        Finish(a0, bias, y, accumulate);
        Finish(a1, bias + step, y + Lanes, accumulate);
        Finish(a2, bias + 2 * step, y + 2 * Lanes, accumulate);
        Finish(a3, bias + 3 * step, y + 3 * Lanes, accumulate);
        Finish(a4, bias + 4 * step, y + 4 * Lanes, accumulate);
        Finish(a5, bias + 5 * step, y + 5 * Lanes, accumulate);
        Finish(a6, bias + 6 * step, y + 6 * Lanes, accumulate);
        Finish(a7, bias + 7 * step, y + 7 * Lanes, accumulate);
    }

    private static void Finish(Vector512<float> sum, float* bias, float* y, bool accumulate)
    {
        if (bias != null)
            sum += Vector512.Create(*bias);
        if (accumulate)
            sum += Vector512.Load(y);
        sum.Store(y);
    }
}
