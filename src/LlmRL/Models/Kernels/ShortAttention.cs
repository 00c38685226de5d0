using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// <see cref="CausalAttention"/> for sequences so short that calls of BLAS would cost more than their work: the same sums from registers, and of the
/// triangle above the diagonal only what shares a register with the rest.
/// </summary>
internal static unsafe class ShortAttention
{
    /// <summary>The longest sequence.</summary>
    public const int MaxLength = 64;

    private const int Rows = 4;

    /// <summary>Whether a task can go this way.</summary>
    public static bool Fits(in AttentionTask task) => task.Length <= MaxLength && task.HeadDim % Lanes.Width == 0 && task.Window >= task.Length;

    /// <summary>Floats of scratch that both passes get along with.</summary>
    public static long Floats(int length, int headDim) => (2L * headDim + 2 * MaxLength) * Lanes.RoundUp(length);

    /// <summary>As <see cref="CausalAttention.Forward"/>.</summary>
    public static void Forward(in AttentionTask task, float* scratch)
    {
        int width = task.HeadDim, length = task.Length, columns = Lanes.RoundUp(length);
        var scale = (float)(1 / Math.Sqrt(width));
        float* keys = scratch, scores = keys + (long)width * columns;
        Transpose(task.Key, task.RowStride, length, width, keys, columns);
        var inverses = stackalloc float[Rows];
        for (var head = 0; head < task.Heads; head++)
        {
            var query = task.Query + head * width;
            var output = task.Output + head * width;
            var sums = task.LogSumExp + head;
            for (var start = 0; start < length; start += Rows)
            {
                int rows = Math.Min(Rows, length - start), reach = Lanes.RoundUp(start + rows);
                Product(rows, reach, width, query + (long)start * task.RowStride, task.RowStride, 1, keys, columns, scores, columns);
                for (var row = 0; row < rows; row++)
                {
                    CausalAttention.Scale(scores + row * columns, scale, reach);
                    inverses[row] = CausalAttention.Exponentials(scores + row * columns, start + row + 1, reach, out sums[(long)(start + row) * task.TotalHeads]);
                }

                Product(rows, width, start + rows, scores, columns, 1, task.Value, task.RowStride, output + (long)start * task.OutputStride, task.OutputStride);
                for (var row = 0; row < rows; row++)
                    CausalAttention.Scale(output + (long)(start + row) * task.OutputStride, inverses[row], width);
            }
        }
    }

    /// <summary>As <see cref="CausalAttention.Backward"/>.</summary>
    public static void Backward(in AttentionTask task, float* gradOutput, in AttentionGradient grad, float* scratch)
    {
        int width = task.HeadDim, length = task.Length, columns = Lanes.RoundUp(length);
        var scale = (float)(1 / Math.Sqrt(width));
        float* keys = scratch, values = keys + (long)width * columns, scores = values + (long)width * columns, gradScores = scores + (long)MaxLength * columns;
        Transpose(task.Key, task.RowStride, length, width, keys, columns);
        Transpose(task.Value, task.RowStride, length, width, values, columns);
        for (var head = 0; head < task.Heads; head++)
        {
            var query = task.Query + head * width;
            float* output = task.Output + head * width, dOutput = gradOutput + head * width;
            for (var start = 0; start < length; start += Rows)
            {
                int rows = Math.Min(Rows, length - start), reach = Lanes.RoundUp(start + rows);
                float* p = scores + (long)start * columns, ds = gradScores + (long)start * columns;
                Product(rows, reach, width, query + (long)start * task.RowStride, task.RowStride, 1, keys, columns, p, columns);
                Product(rows, reach, width, dOutput + (long)start * task.OutputStride, task.OutputStride, 1, values, columns, ds, columns);
                for (var row = 0; row < rows; row++)
                {
                    var at = (long)(start + row) * task.OutputStride;
                    var delta = CausalAttention.Dot(dOutput + at, output + at, width);
                    CausalAttention.Scale(p + row * columns, scale, reach);
                    CausalAttention.SoftmaxGradient(p + row * columns, ds + row * columns, start + row + 1, reach, task.LogSumExp[(long)(start + row) * task.TotalHeads + head], delta, scale);
                }

                Product(rows, width, start + rows, ds, columns, 1, task.Key, task.RowStride, grad.Query + head * width + (long)start * task.RowStride, task.RowStride);
            }

            // Key j is seen by queries from j on; its block begins with the block of queries that j is in, whose earlier rows hold zeros there.
            for (var start = 0; start < length; start += Rows)
            {
                int rows = Math.Min(Rows, length - start), queries = length - start;
                long corner = (long)start * columns + start;
                Product(rows, width, queries, gradScores + corner, 1, columns, query + (long)start * task.RowStride, task.RowStride, grad.Key + (long)start * task.RowStride, task.RowStride, head > 0);
                Product(rows, width, queries, scores + corner, 1, columns, dOutput + (long)start * task.OutputStride, task.OutputStride, grad.Value + (long)start * task.RowStride, task.RowStride, head > 0);
            }
        }
    }

    /// <summary>C = A·B, or C += A·B: up to four rows of C, whose width is a multiple of 16. A's element (r, d) is a[r·aRow + d·aColumn].</summary>
    private static void Product(int rows, int columns, int depth, float* a, long aRow, long aColumn, float* b, long bRow, float* c, long cRow, bool add = false)
    {
        // Rows that are not there are computed as the first one and not stored.
        float* a1 = rows > 1 ? a + aRow : a, a2 = rows > 2 ? a + 2 * aRow : a, a3 = rows > 3 ? a + 3 * aRow : a;
        var column = 0;
        for (; column + 2 * Lanes.Width <= columns; column += 2 * Lanes.Width)
        {
            Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
            var row = b + column;
            for (long d = 0, at = 0; d < depth; d++, at += aColumn, row += bRow)
            {
                Vector512<float> b0 = Vector512.Load(row), b1 = Vector512.Load(row + Lanes.Width);
                var x = Vector512.Create(a[at]);
                c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
                x = Vector512.Create(a1[at]);
                c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
                x = Vector512.Create(a2[at]);
                c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
                c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
                x = Vector512.Create(a3[at]);
                c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
                c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            }

            var to = c + column;
            Put(c00, to, add);
            Put(c01, to + Lanes.Width, add);
            if (rows > 1)
            {
                Put(c10, to + cRow, add);
                Put(c11, to + cRow + Lanes.Width, add);
            }

            if (rows > 2)
            {
                Put(c20, to + 2 * cRow, add);
                Put(c21, to + 2 * cRow + Lanes.Width, add);
            }

            if (rows > 3)
            {
                Put(c30, to + 3 * cRow, add);
                Put(c31, to + 3 * cRow + Lanes.Width, add);
            }
        }

        if (column < columns)
        {
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
            var row = b + column;
            for (long d = 0, at = 0; d < depth; d++, at += aColumn, row += bRow)
            {
                var b0 = Vector512.Load(row);
                c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[at]), b0, c0);
                c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[at]), b0, c1);
                c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[at]), b0, c2);
                c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[at]), b0, c3);
            }

            var to = c + column;
            Put(c0, to, add);
            if (rows > 1)
                Put(c1, to + cRow, add);
            if (rows > 2)
                Put(c2, to + 2 * cRow, add);
            if (rows > 3)
                Put(c3, to + 3 * cRow, add);
        }
    }

    private static void Put(Vector512<float> value, float* to, bool add) => (add ? Vector512.Load(to) + value : value).Store(to);

    /// <summary>(length, width) → (width, columns); columns beyond the length are 0.</summary>
    private static void Transpose(float* from, int stride, int length, int width, float* to, int columns)
    {
        for (var i = 0; i < length; i++)
        {
            var row = from + (long)i * stride;
            for (var e = 0; e < width; e++)
                to[(long)e * columns + i] = row[e];
        }

        for (var e = 0; e < width; e++)
            new Span<float>(to + (long)e * columns + length, columns - length).Clear();
    }
}
