using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Products with a page of the cache that was decoded to floats, for heads that share it (<see cref="PackedPage"/>); in the page's units.</summary>
internal static unsafe class DecodedPage
{
    private const int Width = PanelProduct.Lanes;

    /// <summary>q · k of 16 positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Dots(float* q, float* keys, int headDim)
    {
        Vector512<float> a, b, c, d;
        a = b = c = d = Vector512<float>.Zero;
        var e = 0;
        for (; e + 4 <= headDim; e += 4, q += 4 * Width, keys += 4 * Width)
        {
            a = Vector512.FusedMultiplyAdd(Vector512.Create(*q), Vector512.Load(keys), a);
            b = Vector512.FusedMultiplyAdd(Vector512.Create(q[Width]), Vector512.Load(keys + Width), b);
            c = Vector512.FusedMultiplyAdd(Vector512.Create(q[2 * Width]), Vector512.Load(keys + 2 * Width), c);
            d = Vector512.FusedMultiplyAdd(Vector512.Create(q[3 * Width]), Vector512.Load(keys + 3 * Width), d);
        }

        for (; e < headDim; e++, q += Width, keys += Width)
            a = Vector512.FusedMultiplyAdd(Vector512.Create(*q), Vector512.Load(keys), a);
        return (a + b) + (c + d);
    }

    /// <summary>output ← output + Σ_t weight_t · v_t over the page's first positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Mix(float* weights, float* values, int headDim, int positions, float* output)
    {
        var stride = Lanes.RoundUp(headDim);
        var e = 0;
        for (; e + 4 * Width <= headDim; e += 4 * Width)
        {
            float* v = values + e, to = output + e;
            Vector512<float> a = Vector512.Load(to), b = Vector512.Load(to + Width), c = Vector512.Load(to + 2 * Width), d = Vector512.Load(to + 3 * Width);
            for (var t = 0; t < positions; t++, v += stride)
            {
                var w = Vector512.Create(weights[t]);
                a = Vector512.FusedMultiplyAdd(w, Vector512.Load(v), a);
                b = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + Width), b);
                c = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + 2 * Width), c);
                d = Vector512.FusedMultiplyAdd(w, Vector512.Load(v + 3 * Width), d);
            }

            a.Store(to);
            b.Store(to + Width);
            c.Store(to + 2 * Width);
            d.Store(to + 3 * Width);
        }

        for (; e < headDim; e += Width)
        {
            var sum = Lanes.Load(output + e, headDim - e);
            for (var t = 0; t < positions; t++)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t]), Vector512.Load(values + t * stride + e), sum);
            Lanes.Store(sum, output + e, headDim - e);
        }
    }
}
