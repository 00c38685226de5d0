using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

// How keys and values get into the cache's pages, and which of them attention reads.
internal sealed unsafe partial class CpuDecoder
{
    // A position's keys stand in one lane of every register of its page.
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private void WriteKeys(float* panel, int first, int columns, int* cache)
    {
        var headDim = _config.HeadDim;
        var rows = Pages.KeyWords / Lanes;
        var words = stackalloc int[Pages.KeyWords];
        Fixed24.Units(panel, headDim, out var factor).AsInt32().Store(words);
        var to = words + Lanes;
        for (var e = 0; e < headDim; e += 4, panel += 4 * Lanes)
        {
            var fourth = e + 3 < headDim ? Fixed24.Encode(Vector512.Load(panel + 3 * Lanes), factor) : Vector512<int>.Zero;
            for (var i = 0; i < 3; i++, to += Lanes)
            {
                var number = e + i < headDim ? Fixed24.Encode(Vector512.Load(panel + i * Lanes), factor) : Vector512<int>.Zero;
                (number | Fixed24.Byte(fourth, i)).Store(to);
            }
        }

        for (var lane = 0; lane < columns; lane++)
        {
            var position = Positions[first + lane];
            var keys = cache + (long)Table(Sequences[first + lane])[position / Lanes] * Pages.KeyWords + position % Lanes;
            for (var row = 0; row < rows; row++)
                keys[row * Lanes] = words[row * Lanes + lane];
        }
    }

    // Four positions share a quad of registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private void WriteValues(float* panel, int first, int columns, int* cache)
    {
        var words = stackalloc int[Lanes * Lanes];
        var rows = stackalloc float[Lanes * Lanes];
        var units = stackalloc float[Lanes];
        Fixed24.Units(panel, _config.HeadDim, out var factor).Store(units);
        var quads = PackedPage.ValueQuads(_config.HeadDim);
        for (var e = 0; e < _config.HeadDim; e += Lanes)
        {
            for (var i = 0; i < Lanes; i++)
                (e + i < _config.HeadDim ? Fixed24.Encode(Vector512.Load(panel + (e + i) * Lanes), factor) : Vector512<int>.Zero).Store(words + i * Lanes);
            Panels.ToRows((float*)words, Lanes, rows, Lanes, columns);
            for (var lane = 0; lane < columns; lane++)
            {
                int position = Positions[first + lane], place = position % Lanes;
                var values = cache + (long)Table(Sequences[first + lane])[position / Lanes] * Pages.ValueWords;
                ((float*)values)[place] = units[lane];
                Fixed24.StoreRow(Vector512.Load((int*)rows + lane * Lanes), place % 4, values + Lanes + place / 4 * quads + 3 * e);
            }
        }
    }

    // The pages in the order in which attention reads them: keys, then values of each item. The last one stands in for those after it.
    private void ListPages(int layer, int window, int from, int to, int** pages)
    {
        for (var item = from; item < to; item++)
        {
            int head = item / _columnCount, column = item % _columnCount;
            int* keys = Pages.Keys(layer, head), values = Pages.Values(layer, head);
            var table = Table(Sequences[column]);
            int first = FirstPage(column, window, out _), last = Positions[column] / Lanes;
            for (var i = first; i <= last; i++)
                *pages++ = keys + (long)table[i] * Pages.KeyWords;
            for (var i = first; i <= last; i++)
                *pages++ = values + (long)table[i] * Pages.ValueWords;
        }

        for (var i = 0; i < Attention.Ahead; i++, pages++)
            *pages = pages[-1];
    }

    // Pages before the window are passed over; positions before it in its first page are hidden.
    private int FirstPage(int column, int window, out int skip)
    {
        var first = Math.Max(0, Positions[column] + 1 - window);
        skip = first % Lanes;
        return first / Lanes;
    }
}
