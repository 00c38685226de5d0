using LlmRL.Numerics;
using LlmRL.Rollouts.Cpu;

namespace LlmRL.Tests.Rollouts;

public sealed unsafe class AttentionTests
{
    private const double Tolerance = 2e-6;

    // Pages are scattered and those behind the last one are not the sequence's: only what count and skip allow may enter.
    [Theory]
    [InlineData(8, 1, 0, 1)]
    [InlineData(8, 3, 5, 6)]
    [InlineData(12, 2, 0, 17)]
    [InlineData(16, 4, 15, 40)]
    [InlineData(20, 1, 3, 16)]
    [InlineData(48, 2, 7, 33)]
    [InlineData(64, 1, 0, 96)]
    [InlineData(64, 8, 2, 159)]
    [InlineData(80, 1, 0, 31)]
    [InlineData(128, 4, 9, 100)]
    [InlineData(130, 2, 0, 50)]
    public void OnePositionAttendsAsADoublePrecisionLoopDoes(int headDim, int heads, int skip, int count)
    {
        const int Lane = 11;
        var random = new RandomStream(CounterRandom.Key(3));
        int pageCount = (count + 15) / 16, stride = (headDim + 15) / 16 * 16, pageFloats = 16 * stride, all = 2 * pageCount + Attention.Ahead;
        var scoreStride = pageCount * 16 + 16;
        using var queries = Filled(heads * headDim * 16, random);
        using var cache = Filled((all + 1) * pageFloats, random);
        using var scores = new NativeBuffer<float>(heads * scoreStride);
        using var output = new NativeBuffer<float>(heads * headDim);
        var pages = stackalloc float*[all];
        for (var i = 0; i < all; i++)
            pages[i] = cache.Pointer + (all - i) * pageFloats;
        var scale = (float)(1 / Math.Sqrt(headDim));

        Attention.Attend(queries.Pointer + Lane, heads, headDim, scale, stride, pages, skip, count, scores.Pointer, scoreStride, output.Pointer);

        for (var h = 0; h < heads; h++)
        {
            var weights = new double[count];
            for (var t = skip; t < count; t++)
            {
                var dot = 0.0;
                for (var e = 0; e < headDim; e++)
                    dot += (double)queries.Pointer[(h * headDim + e) * 16 + Lane] * pages[t / 16][e * 16 + t % 16];
                weights[t] = Math.Exp(dot / Math.Sqrt(headDim));
            }

            var total = weights.Sum();
            for (var e = 0; e < headDim; e++)
            {
                var expected = 0.0;
                for (var t = skip; t < count; t++)
                    expected += weights[t] / total * pages[pageCount + t / 16][t % 16 * stride + e];
                Assert.Equal(expected, output.Pointer[h * headDim + e], Tolerance);
            }
        }
    }

    private static NativeBuffer<float> Filled(int length, RandomStream random)
    {
        var buffer = new NativeBuffer<float>(length);
        for (var i = 0; i < length; i++)
            buffer.Pointer[i] = (float)random.NextNormal();
        return buffer;
    }
}
