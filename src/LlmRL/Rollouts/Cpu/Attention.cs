using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Attention of one position over the cache: softmax(q·Kᵀ)·V for the query heads that share one key/value head.</summary>
/// <remarks>
/// Pages lie scattered, and every byte of them is read once a step, so the speed is that of memory. A page's lines are therefore asked for
/// <see cref="Ahead"/> pages before they are needed, through the end of one position's attention into the next one's.
/// </remarks>
internal static unsafe class Attention
{
    /// <summary>How many pages ahead of the one in work are fetched.</summary>
    public const int Ahead = 3;

    private const int Width = PanelProduct.Lanes;

    /// <summary>Computes the heads' outputs.</summary>
    /// <param name="q">(heads, E) of one column in a panel: a feature's 16 columns stand side by side.</param>
    /// <param name="heads">Query heads of this key/value head.</param>
    /// <param name="headDim">E.</param>
    /// <param name="scale">1/√E.</param>
    /// <param name="valueStride">Floats from one position's values to the next's in a page.</param>
    /// <param name="pages">Key pages from that of the first position attended to, as many value pages, and <see cref="Ahead"/> pages that will be read next.</param>
    /// <param name="skip">Positions of the first page that are not attended to.</param>
    /// <param name="count">Positions from the first page's start to the last one attended to.</param>
    /// <param name="scores">Scratch, (heads, <paramref name="scoreStride"/>).</param>
    /// <param name="scoreStride">At least count rounded up to 16.</param>
    /// <param name="output">(heads, E).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(
        float* q, int heads, int headDim, float scale, int valueStride, float** pages, int skip, int count, float* scores, int scoreStride,
        float* output)
    {
        var factor = Vector512.Create(scale);
        var pageCount = (count + 15) / 16;
        for (var p = 0; p < pageCount; p++)
        {
            (Dots(q, pages[p], pages[p + Ahead], headDim) * factor).Store(scores + p * Width);
            for (var h = 1; h < heads; h++)
                (Dots(q + h * headDim * Width, pages[p], pages[p], headDim) * factor).Store(scores + h * scoreStride + p * Width);
        }

        for (var h = 0; h < heads; h++)
        {
            var row = scores + h * scoreStride;
            new Span<float>(row, skip).Fill(float.NegativeInfinity);
            var inverse = 1 / Softmax(row, count);
            Mix(row, inverse, headDim, pages + pageCount, h == 0 ? Ahead : 0, valueStride, count, output + h * headDim);
        }
    }

    // Four chains hide the latency of the multiply-adds.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Dots(float* q, float* keys, float* next, int headDim)
    {
        Vector512<float> a, b, c, d;
        a = b = c = d = Vector512<float>.Zero;
        var e = 0;
        for (; e + 4 <= headDim; e += 4, q += 4 * Width, keys += 4 * Width, next += 4 * Width)
        {
            Prefetch(next);
            a = Vector512.FusedMultiplyAdd(Vector512.Create(*q), Vector512.Load(keys), a);
            b = Vector512.FusedMultiplyAdd(Vector512.Create(q[Width]), Vector512.Load(keys + Width), b);
            c = Vector512.FusedMultiplyAdd(Vector512.Create(q[2 * Width]), Vector512.Load(keys + 2 * Width), c);
            d = Vector512.FusedMultiplyAdd(Vector512.Create(q[3 * Width]), Vector512.Load(keys + 3 * Width), d);
        }

        for (; e < headDim; e++, q += Width, keys += Width)
            a = Vector512.FusedMultiplyAdd(Vector512.Create(*q), Vector512.Load(keys), a);
        return (a + b) + (c + d);
    }

    // Four cache lines.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* lines)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(lines);
        Sse.Prefetch0(lines + 16);
        Sse.Prefetch0(lines + 32);
        Sse.Prefetch0(lines + 48);
    }

    // Turns scores into e^(score − max) in place and returns their sum. Lanes past count become 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* scores, int count)
    {
        var padded = (count + 15) / 16 * 16;
        for (var t = count; t < padded; t++)
            scores[t] = float.NegativeInfinity;
        var max = Vector512.Create(float.NegativeInfinity);
        for (var t = 0; t < padded; t += 16)
            max = Vector512.MaxNative(max, Vector512.Load(scores + t));
        var top = Vector512.Create(Numerics.Lanes.Max(max));
        var sum = Vector512<float>.Zero;
        for (var t = 0; t < padded; t += 16)
        {
            var weight = VectorMath.Exp(Vector512.Load(scores + t) - top);
            weight.Store(scores + t);
            sum += weight;
        }

        return Vector512.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix(float* weights, float inverse, int headDim, float** pages, int ahead, int stride, int count, float* output)
    {
        var scale = Vector512.Create(inverse);
        var e = 0;
        for (; e + 64 <= headDim; e += 64)
        {
            Vector512<float> a, b, c, d;
            a = b = c = d = Vector512<float>.Zero;
            for (var t = 0; t < count;)
            {
                float* v = pages[t >> 4] + e, next = pages[(t >> 4) + ahead] + e;
                for (var end = Math.Min(t + 16, count); t < end; t++, v += stride, next += stride)
                {
                    Prefetch(next);
                    var w = Vector512.Create(weights[t]);
                    a = Vector512.FusedMultiplyAdd(w, Vector512.Load(v), a);
                    b = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + 16), b);
                    c = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + 32), c);
                    d = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + 48), d);
                }
            }

            (a * scale).Store(output + e);
            (b * scale).Store(output + e + 16);
            (c * scale).Store(output + e + 32);
            (d * scale).Store(output + e + 48);
        }

        for (; e < headDim; e += 16)
            MixNarrow(weights, scale, e, pages, stride, count, output + e, Math.Min(16, headDim - e));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixNarrow(float* weights, Vector512<float> scale, int e, float** pages, int stride, int count, float* output, int width)
    {
        Vector512<float> even, odd;
        even = odd = Vector512<float>.Zero;
        for (var t = 0; t < count;)
        {
            var v = pages[t >> 4] + e;
            var end = Math.Min(t + 16, count);
            for (; t + 2 <= end; t += 2, v += 2 * stride)
            {
                even = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t]), Vector512.Load(v), even);
                odd = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 1]), Vector512.Load(v + stride), odd);
            }

            if (t < end)
                even = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t++]), Vector512.Load(v), even);
        }

        var mixed = (even + odd) * scale;
        if (width == 16)
            mixed.Store(output);
        else
            for (var i = 0; i < width; i++)
                output[i] = mixed[i];
    }
}
