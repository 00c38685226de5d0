using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// Reads pages of the cache as they lie (<see cref="KeyValuePages"/>, <see cref="Fixed24"/>). Whatever walks through one asks for the lines of another, <c>next</c>, on its way.
/// </summary>
internal static unsafe class PackedPage
{
    private const int Width = PanelProduct.Lanes, Quad = 3 * Width, WideFeatures = 64;

    /// <summary>Words from four positions' values to those of the next four.</summary>
    public static int ValueQuads(int headDim) => 3 * Lanes.RoundUp(headDim);

    /// <summary>q · k of the page's 16 positions, in its units. Where E is no multiple of 4, what q has after it meets zeros of the page.</summary>
    // Four chains hide the latency of the multiply-adds.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Dots(float* q, int* page, int* next, int headDim)
    {
        Vector512<float> a, b, c, d;
        a = b = c = d = Vector512<float>.Zero;
        Begin(ref page, ref next);
        for (var e = 0; e < headDim; e += 4, q += 4 * Width, page += Quad, next += Quad)
        {
            Prefetch(next);
            Vector512<int> x = Vector512.Load(page), y = Vector512.Load(page + Width), z = Vector512.Load(page + 2 * Width);
            a = Vector512.FusedMultiplyAdd(Vector512.Create(*q), Fixed24.Decode(x), a);
            b = Vector512.FusedMultiplyAdd(Vector512.Create(q[Width]), Fixed24.Decode(y), b);
            c = Vector512.FusedMultiplyAdd(Vector512.Create(q[2 * Width]), Fixed24.Decode(z), c);
            d = Vector512.FusedMultiplyAdd(Vector512.Create(q[3 * Width]), Fixed24.DecodeFourth(x, y, z), d);
        }

        return (a + b) + (c + d);
    }

    /// <summary>Multiplies the weights of a page's first positions by their units. The others, whose weight is 0, may have any unit: nothing may have been written there yet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Weigh(float* weights, int* page, int positions)
    {
        var row = Vector512.Load(weights);
        Lanes.Keep(row * Vector512.Load((float*)page), positions, row).Store(weights);
    }

    /// <summary>output ← Σ_t weight_t · v_t over several pages; the weights, 0 past count, are multiplied by the positions' units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Mix(float* weights, int** pages, int ahead, int headDim, int count, float* output)
    {
        var quads = ValueQuads(headDim);
        var e = 0;
        for (; e + WideFeatures <= headDim; e += WideFeatures)
        {
            Vector512<float> a, b, c, d;
            a = b = c = d = Vector512<float>.Zero;
            for (var t = 0; t < count;)
            {
                int* page = pages[t / Width], next = pages[t / Width + ahead];
                if (e == 0)
                    Weigh(weights + t, page, count - t);
                Begin(ref page, ref next);
                page += 3 * e;
                next += 3 * e;
                for (var end = Math.Min(t + Width, count); t < end; t += 4, page += quads, next += quads)
                {
                    a = MixFour(weights + t, page, next, a);
                    b = MixFour(weights + t, page + Quad, next + Quad, b);
                    c = MixFour(weights + t, page + 2 * Quad, next + 2 * Quad, c);
                    d = MixFour(weights + t, page + 3 * Quad, next + 3 * Quad, d);
                }
            }

            a.Store(output + e);
            b.Store(output + e + Width);
            c.Store(output + e + 2 * Width);
            d.Store(output + e + 3 * Width);
        }

        for (; e < headDim; e += Width)
        {
            Vector512<float> even, odd;
            even = odd = Vector512<float>.Zero;
            for (var t = 0; t < count; t += 8)
            {
                int* page = pages[t / Width], next = pages[t / Width + ahead];
                if (e == 0 && t % Width == 0)
                    Weigh(weights + t, page, count - t);
                var quad = Width + t % Width / 4 * quads + 3 * e;
                even = MixFour(weights + t, page + quad, next + quad, even);
                odd = MixFour(weights + t + 4, page + quad + quads, next + quad + quads, odd);
            }

            Lanes.Store(even + odd, output + e, headDim - e);
        }
    }

    /// <summary>The keys of a page in its units, (E rounded up to 4, 16).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DecodeKeys(int* page, int* next, int headDim, float* keys)
    {
        Begin(ref page, ref next);
        for (var e = 0; e < headDim; e += 4, page += Quad, next += Quad, keys += 4 * Width)
            DecodeFour(page, next, keys, Width);
    }

    /// <summary>The values of a page in its units, (16, E rounded up to 16).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DecodeValues(int* page, int* next, int headDim, float* values)
    {
        Begin(ref page, ref next);
        var stride = Lanes.RoundUp(headDim);
        for (var t = 0; t < Width; t += 4, values += 4 * stride)
            for (var e = 0; e < headDim; e += Width, page += Quad, next += Quad)
                DecodeFour(page, next, values + e, stride);
    }

    // Four positions' part of 16 features.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> MixFour(float* weights, int* words, int* next, Vector512<float> sum)
    {
        Prefetch(next);
        Vector512<int> x = Vector512.Load(words), y = Vector512.Load(words + Width), z = Vector512.Load(words + 2 * Width);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[0]), Fixed24.Decode(x), sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[1]), Fixed24.Decode(y), sum);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[2]), Fixed24.Decode(z), sum);
        return Vector512.FusedMultiplyAdd(Vector512.Create(weights[3]), Fixed24.DecodeFourth(x, y, z), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void DecodeFour(int* words, int* next, float* decoded, int stride)
    {
        Prefetch(next);
        Vector512<int> x = Vector512.Load(words), y = Vector512.Load(words + Width), z = Vector512.Load(words + 2 * Width);
        Fixed24.Decode(x).Store(decoded);
        Fixed24.Decode(y).Store(decoded + stride);
        Fixed24.Decode(z).Store(decoded + 2 * stride);
        Fixed24.DecodeFourth(x, y, z).Store(decoded + 3 * stride);
    }

    // Past the units, whose line is the first to be read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin(ref int* page, ref int* next)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(next);
        page += Width;
        next += Width;
    }

    // Three cache lines.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(int* lines)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(lines);
        Sse.Prefetch0(lines + Width);
        Sse.Prefetch0(lines + 2 * Width);
    }
}
