using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Attention of one position over the cache: softmax(q·Kᵀ)·V for the query heads that share one key/value head.</summary>
internal static unsafe class Attention
{
    /// <summary>Computes the heads' outputs.</summary>
    /// <param name="q">(heads, E), already divided by √E.</param>
    /// <param name="heads">Query heads of this key/value head.</param>
    /// <param name="headDim">E.</param>
    /// <param name="pages">The cache.</param>
    /// <param name="keys">Keys of page 0 of the layer and head.</param>
    /// <param name="values">Values of page 0 of the layer and head.</param>
    /// <param name="table">The sequence's pages, from that of the first position attended to.</param>
    /// <param name="skip">Positions of the first page that are not attended to.</param>
    /// <param name="count">Positions from the first page's start to the last one attended to.</param>
    /// <param name="scores">Scratch, (heads, <paramref name="scoreStride"/>).</param>
    /// <param name="scoreStride">At least count rounded up to 16.</param>
    /// <param name="output">(heads, E).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(
        float* q, int heads, int headDim, KeyValuePages pages, float* keys, float* values, int* table, int skip, int count, float* scores, int scoreStride,
        float* output)
    {
        var pageCount = (count + 15) / 16;
        for (var p = 0; p < pageCount; p++)
        {
            var page = keys + (long)table[p] * pages.KeyFloats;
            for (var h = 0; h < heads; h++)
                Dots(q + h * headDim, page, headDim).Store(scores + h * scoreStride + p * 16);
        }

        for (var h = 0; h < heads; h++)
        {
            var row = scores + h * scoreStride;
            new Span<float>(row, skip).Fill(float.NegativeInfinity);
            var inverse = 1 / Softmax(row, count);
            Mix(row, inverse, headDim, values, pages, table, count, output + h * headDim);
        }
    }

    // Four chains hide the latency of the multiply-adds.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Dots(float* q, float* keys, int headDim)
    {
        Vector512<float> a, b, c, d;
        a = b = c = d = Vector512<float>.Zero;
        var e = 0;
        for (; e + 4 <= headDim; e += 4, keys += 64)
        {
            a = Vector512.FusedMultiplyAdd(Vector512.Create(q[e]), Vector512.Load(keys), a);
            b = Vector512.FusedMultiplyAdd(Vector512.Create(q[e + 1]), Vector512.Load(keys + 16), b);
            c = Vector512.FusedMultiplyAdd(Vector512.Create(q[e + 2]), Vector512.Load(keys + 32), c);
            d = Vector512.FusedMultiplyAdd(Vector512.Create(q[e + 3]), Vector512.Load(keys + 48), d);
        }

        for (; e < headDim; e++, keys += 16)
            a = Vector512.FusedMultiplyAdd(Vector512.Create(q[e]), Vector512.Load(keys), a);
        return (a + b) + (c + d);
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
        var top = Vector512.Create(Max(max));
        var sum = Vector512<float>.Zero;
        for (var t = 0; t < padded; t += 16)
        {
            var weight = VectorMath.Exp(Vector512.Load(scores + t) - top);
            weight.Store(scores + t);
            sum += weight;
        }

        return Vector512.Sum(sum);
    }

    private static float Max(Vector512<float> v)
    {
        var m = v[0];
        for (var i = 1; i < 16; i++)
            m = Math.Max(m, v[i]);
        return m;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix(float* weights, float inverse, int headDim, float* values, KeyValuePages pages, int* table, int count, float* output)
    {
        var scale = Vector512.Create(inverse);
        var stride = pages.ValueStride;
        var e = 0;
        for (; e + 64 <= headDim; e += 64)
        {
            Vector512<float> a, b, c, d;
            a = b = c = d = Vector512<float>.Zero;
            for (var t = 0; t < count;)
            {
                var v = values + (long)table[t >> 4] * pages.ValueFloats + e;
                for (var end = Math.Min(t + 16, count); t < end; t++, v += stride)
                {
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
            MixNarrow(weights, scale, values + e, pages, table, count, output + e, Math.Min(16, headDim - e));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixNarrow(
        float* weights, Vector512<float> scale, float* values, KeyValuePages pages, int* table, int count, float* output, int width)
    {
        var stride = pages.ValueStride;
        Vector512<float> even, odd;
        even = odd = Vector512<float>.Zero;
        for (var t = 0; t < count;)
        {
            var v = values + (long)table[t >> 4] * pages.ValueFloats;
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
