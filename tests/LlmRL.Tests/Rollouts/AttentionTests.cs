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
    [InlineData(10, 1, 2, 35)]
    [InlineData(130, 1, 0, 50)]
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
        int pageCount = (count + 15) / 16, all = 2 * pageCount + Attention.Ahead, scoreStride = pageCount * 16 + 16;
        int keyWords = 16 * (1 + (headDim + 3) / 4 * 3), valueWords = 16 * (1 + (headDim + 15) / 16 * 12), pageWords = Math.Max(keyWords, valueWords);
        using var queries = Filled((heads * headDim + 3) * 16, random);
        using var cache = new NativeBuffer<int>((all + 1) * pageWords);
        using var scores = new NativeBuffer<float>(heads * scoreStride);
        using var decoded = new NativeBuffer<float>(Attention.PageFloats(headDim));
        using var output = new NativeBuffer<float>(heads * headDim);
        var pages = stackalloc int*[all];
        for (var i = 0; i < all; i++)
        {
            // What was never written: as units, not a number. Of keys, features past E are 0.
            pages[i] = cache.Pointer + (all - i) * pageWords;
            new Span<int>(pages[i], i < pageCount ? 16 : pageWords).Fill(-1);
        }

        double[,] keys = new double[count, headDim], values = new double[count, headDim];
        for (var t = 0; t < count; t++)
        {
            WriteRow(pages[t / 16], t % 16, headDim, random, keys, t, e => (e / 4 * 3 * 16 + t % 16, e % 4));
            WriteRow(pages[pageCount + t / 16], t % 16, headDim, random, values, t, e => ((t % 16 / 4 * ((headDim + 15) / 16) + e / 16) * 3 * 16 + e % 16, t % 4));
        }

        var scale = (float)(1 / Math.Sqrt(headDim));
        Attention.Attend(queries.Pointer + Lane, heads, headDim, scale, pages, skip, count, scores.Pointer, scoreStride, decoded.Pointer, output.Pointer);

        for (var h = 0; h < heads; h++)
        {
            var weights = new double[count];
            for (var t = skip; t < count; t++)
            {
                var dot = 0.0;
                for (var e = 0; e < headDim; e++)
                    dot += queries.Pointer[(h * headDim + e) * 16 + Lane] * keys[t, e];
                weights[t] = Math.Exp(dot / Math.Sqrt(headDim));
            }

            var total = weights.Sum();
            for (var e = 0; e < headDim; e++)
            {
                var expected = 0.0;
                for (var t = skip; t < count; t++)
                    expected += weights[t] / total * values[t, e];
                Assert.Equal(expected, output.Pointer[h * headDim + e], Tolerance);
            }
        }
    }

    // One position's row of random numbers of 24 bits, by the layout's definition: the place of the first word of a number's quad and which of the four it is.
    private static void WriteRow(int* page, int place, int headDim, RandomStream random, double[,] expected, int row, Func<int, (int Word, int Index)> layout)
    {
        var unit = (float)(random.NextNormal() / (1 << 30));
        ((float*)page)[place] = unit;
        for (var e = 0; e < headDim; e++)
        {
            var number = random.Next(-(1 << 23), 1 << 23);
            expected[row, e] = number * 256.0 * unit;
            var (word, index) = layout(e);
            var quad = page + 16 + word;
            if (index < 3)
                quad[index * 16] = (number << 8) | (quad[index * 16] & 0xFF);
            else
                for (var i = 0; i < 3; i++)
                    quad[i * 16] = (quad[i * 16] & ~0xFF) | ((number >> (8 * i)) & 0xFF);
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
