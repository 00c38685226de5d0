using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Numerics;

/// <summary>
/// Matrix products Y = W·X (+ bias) with W (N, K) row-major and X in panels of 16 columns, (column groups, K, 16), so that one vector register holds 16 columns
/// of a row. Every element of Y is one chain of fused multiply-adds in the order of K, whatever the tile: a column's result does not depend on its neighbours.
/// Decoding multiplies the weights as the model holds them by panels of activations; training multiplies rows of activations by panels of weights.
/// </summary>
/// <remarks>
/// The kernels skip tiered compilation: a short run would spend a second in unoptimised code. With AVX-512 and the weights in a
/// cache, this reaches a core's peak from 32 columns on, and about twice OpenBLAS's speed at 16 to 32.
/// </remarks>
internal static unsafe class PanelProduct
{
    /// <summary>Columns in a panel.</summary>
    public const int Lanes = 16;

    /// <summary>Rows of W in a tile: work is best split at multiples of it.</summary>
    public const int TileRows = 8;

    /// <summary>
    /// Few columns: every row of W meets all panels before the next one is read. Group g of X starts at x + g·xStride floats, of Y, panels too, at y + g·yStride;
    /// <paramref name="accumulate"/> adds to Y, otherwise Y is overwritten. Bias, one for each row of W, may be null.
    /// </summary>
    public static void Multiply(float* w, int k, int rows, float* bias, float* x, nint xStride, float* y, nint yStride, int groups, bool accumulate) =>
        Multiply(w, k, k, rows, bias, x, xStride, y, yStride, groups, accumulate);

    /// <summary>The same with <paramref name="wStride"/> floats from row to row of W, of which K are read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(
        float* w, nint wStride, int k, int rows, float* bias, float* x, nint xStride, float* y, nint yStride, int groups, bool accumulate)
    {
        for (var row = 0; row < rows; row += TileRows)
        {
            var wRow = w + row * wStride;
            var yRow = y + (nint)row * Lanes;
            var biasRow = bias == null ? null : bias + row;
            var present = Math.Min(TileRows, rows - row);
            var g = 0;
            for (; g + 2 <= groups; g += 2)
                Tile8x2(wRow, wStride, k, biasRow, x + g * xStride, xStride, yRow + g * yStride, yStride, Lanes, accumulate, present);
            if (g < groups)
                Tile8x1(wRow, wStride, k, biasRow, x + g * xStride, yRow + g * yStride, Lanes, accumulate, present);
        }
    }

    /// <summary>
    /// Many columns: two panels of X meet all rows of W before the next two are read. Y is row-major, <paramref name="yRow"/> floats from row to row, as W is with
    /// <paramref name="wRow"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRows(float* w, nint wRow, int k, int rows, float* x, nint xStride, int groups, float* y, nint yRow, bool accumulate)
    {
        var g = 0;
        for (; g + 2 <= groups; g += 2, x += 2 * xStride, y += 2 * Lanes)
            for (nint row = 0; row < rows; row += TileRows)
                Tile8x2(w + row * wRow, wRow, k, null, x, xStride, y + row * yRow, Lanes, yRow, accumulate, (int)Math.Min(TileRows, rows - row));
        if (g == groups)
            return;
        for (nint row = 0; row < rows; row += TileRows)
            Tile8x1(w + row * wRow, wRow, k, null, x, y + row * yRow, yRow, accumulate, (int)Math.Min(TileRows, rows - row));
    }

    /// <summary>
    /// Y += Wᵀ·X with W (K, N), N a multiple of 16 or 0, row-major or in panels: element (i, n) lies at w + i·wRow + (n / 16)·wGroup + n mod 16. Y is row-major, (N, 16·groups).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddTransposed(float* w, nint wRow, nint wGroup, int rows, int k, float* x, nint xStride, int groups, float* y, nint yRow)
    {
        if (rows == 0)
            return;
        var g = 0;
        nint tiles = rows / TileRows, lines = (k + tiles - 1) / tiles;
        for (; g + 2 <= groups; g += 2, x += 2 * xStride, y += 2 * Lanes)
        {
            // X comes from memory behind the caches: every tile fetches its part of the next two panels.
            var next = g + 2 < groups ? x + 2 * xStride : x;
            for (nint row = 0; row < rows; row += TileRows)
            {
                for (var end = next + lines * Lanes; Sse.IsSupported && next < end; next += Lanes)
                {
                    Sse.Prefetch1(next);
                    Sse.Prefetch1(next + xStride);
                }

                Turned8x2(w + row / Lanes * wGroup + row % Lanes, wRow, k, x, xStride, y + row * yRow, yRow);
            }
        }

        if (g == groups)
            return;
        for (nint row = 0; row < rows; row += TileRows)
            Turned8x1(w + row / Lanes * wGroup + row % Lanes, wRow, k, x, y + row * yRow, yRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8x2(float* w, nint wRow, nint k, float* bias, float* x, nint xStride, float* y, nint yStride, nint yRow, bool accumulate, int rows)
    {
        // Rows that are not there are computed as the last one and not stored. Offsets, not pointers: all of them stay in registers.
        nint r1 = rows > 1 ? wRow : 0, r2 = rows > 2 ? r1 + wRow : r1, r3 = rows > 3 ? r2 + wRow : r2, r4 = rows > 4 ? r3 + wRow : r3;
        nint r5 = rows > 5 ? r4 + wRow : r4, r6 = rows > 6 ? r5 + wRow : r5, r7 = rows > 7 ? r6 + wRow : r6;
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = Vector512<float>.Zero;
        for (var stop = w + k; w < stop;)
        {
            var end = w + Math.Min(Lanes, stop - w);
            Prefetch(w + TileRows * wRow, wRow);
            for (; w < end; w++, x += Lanes)
            {
                var p = Vector512.Load(x);
                var q = Vector512.Load(x + xStride);
                var v = Vector512.Create(*w);
                a0 = Vector512.FusedMultiplyAdd(v, p, a0);
                b0 = Vector512.FusedMultiplyAdd(v, q, b0);
                v = Vector512.Create(w[r1]);
                a1 = Vector512.FusedMultiplyAdd(v, p, a1);
                b1 = Vector512.FusedMultiplyAdd(v, q, b1);
                v = Vector512.Create(w[r2]);
                a2 = Vector512.FusedMultiplyAdd(v, p, a2);
                b2 = Vector512.FusedMultiplyAdd(v, q, b2);
                v = Vector512.Create(w[r3]);
                a3 = Vector512.FusedMultiplyAdd(v, p, a3);
                b3 = Vector512.FusedMultiplyAdd(v, q, b3);
                v = Vector512.Create(w[r4]);
                a4 = Vector512.FusedMultiplyAdd(v, p, a4);
                b4 = Vector512.FusedMultiplyAdd(v, q, b4);
                v = Vector512.Create(w[r5]);
                a5 = Vector512.FusedMultiplyAdd(v, p, a5);
                b5 = Vector512.FusedMultiplyAdd(v, q, b5);
                v = Vector512.Create(w[r6]);
                a6 = Vector512.FusedMultiplyAdd(v, p, a6);
                b6 = Vector512.FusedMultiplyAdd(v, q, b6);
                v = Vector512.Create(w[r7]);
                a7 = Vector512.FusedMultiplyAdd(v, p, a7);
                b7 = Vector512.FusedMultiplyAdd(v, q, b7);
            }
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, bias, y, yRow, accumulate, rows);
        Finish8(b0, b1, b2, b3, b4, b5, b6, b7, bias, y + yStride, yRow, accumulate, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8x1(float* w, nint wRow, nint k, float* bias, float* x, float* y, nint yRow, bool accumulate, int rows)
    {
        // Rows that are not there are computed as the last one and not stored. Offsets, not pointers: all of them stay in registers.
        nint r1 = rows > 1 ? wRow : 0, r2 = rows > 2 ? r1 + wRow : r1, r3 = rows > 3 ? r2 + wRow : r2, r4 = rows > 4 ? r3 + wRow : r3;
        nint r5 = rows > 5 ? r4 + wRow : r4, r6 = rows > 6 ? r5 + wRow : r5, r7 = rows > 7 ? r6 + wRow : r6;
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = Vector512<float>.Zero;
        for (var stop = w + k; w < stop;)
        {
            var end = w + Math.Min(Lanes, stop - w);
            Prefetch(w + TileRows * wRow, wRow);
            for (; w < end; w++, x += Lanes)
            {
                var p = Vector512.Load(x);
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(*w), p, a0);
                a1 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r1]), p, a1);
                a2 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r2]), p, a2);
                a3 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r3]), p, a3);
                a4 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r4]), p, a4);
                a5 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r5]), p, a5);
                a6 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r6]), p, a6);
                a7 = Vector512.FusedMultiplyAdd(Vector512.Create(w[r7]), p, a7);
            }
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, bias, y, yRow, accumulate, rows);
    }

    // While 16 columns of these eight rows are multiplied, as many of the next eight are fetched.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* w, nint wRow)
    {
        if (!Sse.IsSupported)
            return;
        var w4 = w + 4 * wRow;
        Sse.Prefetch0(w);
        Sse.Prefetch0(w + wRow);
        Sse.Prefetch0(w + 2 * wRow);
        Sse.Prefetch0(w + 3 * wRow);
        Sse.Prefetch0(w4);
        Sse.Prefetch0(w4 + wRow);
        Sse.Prefetch0(w4 + 2 * wRow);
        Sse.Prefetch0(w4 + 3 * wRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turned8x2(float* w, nint wRow, nint k, float* x, nint xStride, float* y, nint yRow)
    {
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = Vector512<float>.Zero;
        for (var end = x + k * Lanes; x < end; w += wRow, x += Lanes)
        {
            var p = Vector512.Load(x);
            var q = Vector512.Load(x + xStride);
            var v = Vector512.Create(w[0]);
            a0 = Vector512.FusedMultiplyAdd(v, p, a0);
            b0 = Vector512.FusedMultiplyAdd(v, q, b0);
            v = Vector512.Create(w[1]);
            a1 = Vector512.FusedMultiplyAdd(v, p, a1);
            b1 = Vector512.FusedMultiplyAdd(v, q, b1);
            v = Vector512.Create(w[2]);
            a2 = Vector512.FusedMultiplyAdd(v, p, a2);
            b2 = Vector512.FusedMultiplyAdd(v, q, b2);
            v = Vector512.Create(w[3]);
            a3 = Vector512.FusedMultiplyAdd(v, p, a3);
            b3 = Vector512.FusedMultiplyAdd(v, q, b3);
            v = Vector512.Create(w[4]);
            a4 = Vector512.FusedMultiplyAdd(v, p, a4);
            b4 = Vector512.FusedMultiplyAdd(v, q, b4);
            v = Vector512.Create(w[5]);
            a5 = Vector512.FusedMultiplyAdd(v, p, a5);
            b5 = Vector512.FusedMultiplyAdd(v, q, b5);
            v = Vector512.Create(w[6]);
            a6 = Vector512.FusedMultiplyAdd(v, p, a6);
            b6 = Vector512.FusedMultiplyAdd(v, q, b6);
            v = Vector512.Create(w[7]);
            a7 = Vector512.FusedMultiplyAdd(v, p, a7);
            b7 = Vector512.FusedMultiplyAdd(v, q, b7);
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, null, y, yRow, accumulate: true);
        Finish8(b0, b1, b2, b3, b4, b5, b6, b7, null, y + Lanes, yRow, accumulate: true);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turned8x1(float* w, nint wRow, nint k, float* x, float* y, nint yRow)
    {
        Vector512<float> a0, a1, a2, a3, a4, a5, a6, a7;
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = Vector512<float>.Zero;
        for (var end = x + k * Lanes; x < end; w += wRow, x += Lanes)
        {
            var p = Vector512.Load(x);
            a0 = Vector512.FusedMultiplyAdd(Vector512.Create(w[0]), p, a0);
            a1 = Vector512.FusedMultiplyAdd(Vector512.Create(w[1]), p, a1);
            a2 = Vector512.FusedMultiplyAdd(Vector512.Create(w[2]), p, a2);
            a3 = Vector512.FusedMultiplyAdd(Vector512.Create(w[3]), p, a3);
            a4 = Vector512.FusedMultiplyAdd(Vector512.Create(w[4]), p, a4);
            a5 = Vector512.FusedMultiplyAdd(Vector512.Create(w[5]), p, a5);
            a6 = Vector512.FusedMultiplyAdd(Vector512.Create(w[6]), p, a6);
            a7 = Vector512.FusedMultiplyAdd(Vector512.Create(w[7]), p, a7);
        }

        Finish8(a0, a1, a2, a3, a4, a5, a6, a7, null, y, yRow, accumulate: true);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish8(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3, Vector512<float> a4, Vector512<float> a5,
        Vector512<float> a6, Vector512<float> a7, float* bias, float* y, nint yRow, bool accumulate, int rows = TileRows)
    {
        var step = bias == null ? 0 : 1;
        Finish(a0, bias, y, accumulate);
        if (rows > 1)
            Finish(a1, bias + step, y + yRow, accumulate);
        if (rows > 2)
            Finish(a2, bias + 2 * step, y + 2 * yRow, accumulate);
        if (rows > 3)
            Finish(a3, bias + 3 * step, y + 3 * yRow, accumulate);
        if (rows > 4)
            Finish(a4, bias + 4 * step, y + 4 * yRow, accumulate);
        if (rows > 5)
            Finish(a5, bias + 5 * step, y + 5 * yRow, accumulate);
        if (rows > 6)
            Finish(a6, bias + 6 * step, y + 6 * yRow, accumulate);
        if (rows > 7)
            Finish(a7, bias + 7 * step, y + 7 * yRow, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector512<float> sum, float* bias, float* y, bool accumulate)
    {
        if (bias != null)
            sum += Vector512.Create(*bias);
        if (accumulate)
            sum += Vector512.Load(y);
        sum.Store(y);
    }
}
