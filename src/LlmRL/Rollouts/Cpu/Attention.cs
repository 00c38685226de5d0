using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Attention of one position over the cache: softmax(q·Kᵀ)·V for the query heads that share one key/value head.</summary>
/// <remarks>
/// Pages lie scattered, and every byte of them is read once a step, so the speed is that of memory. A page's lines are therefore asked for
/// <see cref="Ahead"/> pages before they are needed, through the end of one position's attention into the next one's.
/// A head of its own works on pages as they lie; heads that share one decode it first.
/// </remarks>
internal static unsafe class Attention
{
    /// <summary>How many pages ahead of the one in work are fetched.</summary>
    public const int Ahead = 3;

    private const int Width = PanelProduct.Lanes;

    /// <summary>Floats that a decoded page takes.</summary>
    public static int PageFloats(int headDim) => Width * Lanes.RoundUp(headDim);

    /// <summary>Computes the heads' outputs.</summary>
    /// <param name="q">(heads, E) of one column in a panel: a feature's 16 columns stand side by side. Finite numbers follow, up to a multiple of 4 features.</param>
    /// <param name="heads">Query heads of this key/value head.</param>
    /// <param name="headDim">E.</param>
    /// <param name="scale">1/√E.</param>
    /// <param name="pages">Key pages from that of the first position attended to, as many value pages (<see cref="KeyValuePages"/>), and <see cref="Ahead"/> pages that will be read next.</param>
    /// <param name="skip">Positions of the first page that are not attended to.</param>
    /// <param name="count">Positions from the first page's start to the last one attended to.</param>
    /// <param name="scores">Scratch, (heads, <paramref name="scoreStride"/>).</param>
    /// <param name="scoreStride">At least count rounded up to 16.</param>
    /// <param name="decoded">Scratch, <see cref="PageFloats"/>.</param>
    /// <param name="output">(heads, E).</param>
    public static void Attend(
        float* q, int heads, int headDim, float scale, int** pages, int skip, int count, float* scores, int scoreStride, float* decoded, float* output)
    {
        if (heads == 1)
            AttendAlone(q, headDim, scale, pages, skip, count, scores, output);
        else
            AttendTogether(q, heads, headDim, scale, pages, skip, count, scores, scoreStride, decoded, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AttendAlone(float* q, int headDim, float scale, int** pages, int skip, int count, float* scores, float* output)
    {
        var pageCount = (count + Width - 1) / Width;
        for (var p = 0; p < pageCount; p++)
            (PackedPage.Dots(q, pages[p], pages[p + Ahead], headDim) * Units(pages[p], scale)).Store(scores + p * Width);
        Softmax(scores, skip, count);
        PackedPage.Mix(scores, pages + pageCount, Ahead, headDim, count, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AttendTogether(
        float* q, int heads, int headDim, float scale, int** pages, int skip, int count, float* scores, int scoreStride, float* decoded, float* output)
    {
        var pageCount = (count + Width - 1) / Width;
        for (var p = 0; p < pageCount; p++)
        {
            PackedPage.DecodeKeys(pages[p], pages[p + Ahead], headDim, decoded);
            for (var h = 0; h < heads; h++)
                (DecodedPage.Dots(q + h * headDim * Width, decoded, headDim) * Units(pages[p], scale)).Store(scores + h * scoreStride + p * Width);
        }

        for (var h = 0; h < heads; h++)
            Softmax(scores + h * scoreStride, skip, count);
        new Span<float>(output, heads * headDim).Clear();
        pages += pageCount;
        for (var p = 0; p < pageCount; p++)
        {
            PackedPage.DecodeValues(pages[p], pages[p + Ahead], headDim, decoded);
            for (var h = 0; h < heads; h++)
            {
                var weights = scores + h * scoreStride + p * Width;
                PackedPage.Weigh(weights, pages[p], count - p * Width);
                DecodedPage.Mix(weights, decoded, headDim, Math.Min(Width, count - p * Width), output + h * headDim);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Units(int* page, float scale) => Vector512.Load((float*)page) * Vector512.Create(scale);

    // In place; lanes before skip and past count become 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(float* scores, int skip, int count)
    {
        var padded = Lanes.RoundUp(count);
        for (var t = 0; t < skip; t++)
            scores[t] = float.NegativeInfinity;
        for (var t = count; t < padded; t++)
            scores[t] = float.NegativeInfinity;
        var max = Vector512.Create(float.NegativeInfinity);
        for (var t = 0; t < padded; t += Width)
            max = Vector512.MaxNative(max, Vector512.Load(scores + t));
        var top = Vector512.Create(Lanes.Max(max));
        var sum = Vector512<float>.Zero;
        for (var t = 0; t < padded; t += Width)
        {
            var weight = VectorMath.Exp(Vector512.Load(scores + t) - top);
            weight.Store(scores + t);
            sum += weight;
        }

        var inverse = Vector512.Create(1 / Vector512.Sum(sum));
        for (var t = 0; t < padded; t += Width)
            (Vector512.Load(scores + t) * inverse).Store(scores + t);
    }
}
