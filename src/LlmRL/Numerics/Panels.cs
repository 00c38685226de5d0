using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Numerics;

/// <summary>Matrices in panels, (features, 16): one vector register holds a feature of 16 rows. See <see cref="PanelProduct"/>.</summary>
internal static unsafe class Panels
{
    private const int RowsAhead = 8;

    /// <summary>Writes a panel's features [0, <paramref name="features"/>) as rows: column l goes to rows + l·rowStride, for l below <paramref name="columns"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToRows(float* panel, int features, float* rows, nint rowStride, int columns)
    {
        var f = 0;
        var block = stackalloc float[Lanes.Width * Lanes.Width];
        for (; Avx512F.IsSupported && f + Lanes.Width <= features; f += Lanes.Width)
        {
            Transpose(panel + f * Lanes.Width, Lanes.Width, block, Lanes.Width);
            for (var l = 0; l < columns; l++)
                Vector512.Load(block + l * Lanes.Width).Store(rows + l * rowStride + f);
        }

        for (; f < features; f++)
            for (var l = 0; l < columns; l++)
                rows[l * rowStride + f] = panel[f * Lanes.Width + l];
    }

    /// <summary>The inverse of <see cref="ToRows"/>; columns from <paramref name="columns"/> on become 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToPanel(float* rows, nint rowStride, int columns, int features, float* panel)
    {
        var f = 0;
        for (; Avx512F.IsSupported && columns == Lanes.Width && f + Lanes.Width <= features; f += Lanes.Width)
            Transpose(rows + f, rowStride, panel + f * Lanes.Width, Lanes.Width);
        for (; f < features; f++)
            for (var l = 0; l < Lanes.Width; l++)
                panel[f * Lanes.Width + l] = l < columns ? rows[l * rowStride + f] : 0;
    }

    /// <summary>Groups of 16 columns, each with its rows one below the other: (rows, rowStride) → (groups, groupStride / 16, 16).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Columns(float* from, nint rowStride, nint rows, int groups, float* panels, nint groupStride)
    {
        // Row by row, as the memory behind the caches likes it; it does not see by itself where the next rows are.
        for (nint row = 0; row < rows; row++, from += rowStride, panels += Lanes.Width)
        {
            var to = panels;
            for (var group = 0; group < groups; group++, to += groupStride)
            {
                if (Sse.IsSupported)
                    Sse.Prefetch0(from + RowsAhead * rowStride + group * Lanes.Width);
                Vector512.Load(from + group * Lanes.Width).Store(to);
            }
        }
    }

    // 16 × 16 in two rounds: 4 × 4 blocks inside 128-bit lanes, four rows at a time, then the lanes themselves.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* from, nint fromStride, float* to, nint toStride)
    {
        var quads = stackalloc float[Lanes.Width * Lanes.Width]; // vector 4·i + j: column 4·lane + j of rows 4i … 4i + 3
        for (var i = 0; i < 4; i++)
        {
            var row = from + 4 * i * fromStride;
            Vector512<float> a = Vector512.Load(row), b = Vector512.Load(row + fromStride);
            Vector512<float> c = Vector512.Load(row + 2 * fromStride), d = Vector512.Load(row + 3 * fromStride);
            Vector512<double> abLow = Avx512F.UnpackLow(a, b).AsDouble(), abHigh = Avx512F.UnpackHigh(a, b).AsDouble();
            Vector512<double> cdLow = Avx512F.UnpackLow(c, d).AsDouble(), cdHigh = Avx512F.UnpackHigh(c, d).AsDouble();
            var target = quads + 4 * i * Lanes.Width;
            Avx512F.UnpackLow(abLow, cdLow).AsSingle().Store(target);
            Avx512F.UnpackHigh(abLow, cdLow).AsSingle().Store(target + Lanes.Width);
            Avx512F.UnpackLow(abHigh, cdHigh).AsSingle().Store(target + 2 * Lanes.Width);
            Avx512F.UnpackHigh(abHigh, cdHigh).AsSingle().Store(target + 3 * Lanes.Width);
        }

        for (var j = 0; j < 4; j++)
        {
            Vector512<float> a = Vector512.Load(quads + j * Lanes.Width), b = Vector512.Load(quads + (4 + j) * Lanes.Width);
            Vector512<float> c = Vector512.Load(quads + (8 + j) * Lanes.Width), d = Vector512.Load(quads + (12 + j) * Lanes.Width);
            Vector512<float> abLow = Avx512F.Shuffle4x128(a, b, 0x44), abHigh = Avx512F.Shuffle4x128(a, b, 0xEE);
            Vector512<float> cdLow = Avx512F.Shuffle4x128(c, d, 0x44), cdHigh = Avx512F.Shuffle4x128(c, d, 0xEE);
            Avx512F.Shuffle4x128(abLow, cdLow, 0x88).Store(to + j * toStride);
            Avx512F.Shuffle4x128(abLow, cdLow, 0xDD).Store(to + (4 + j) * toStride);
            Avx512F.Shuffle4x128(abHigh, cdHigh, 0x88).Store(to + (8 + j) * toStride);
            Avx512F.Shuffle4x128(abHigh, cdHigh, 0xDD).Store(to + (12 + j) * toStride);
        }
    }
}
