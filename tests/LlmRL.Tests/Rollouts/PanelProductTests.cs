using LlmRL.Numerics;

namespace LlmRL.Tests.Rollouts;

public sealed unsafe class PanelProductTests
{
    private const double Tolerance = 1e-4;

    [Theory]
    [InlineData(1, 1, 1, true, false)]
    [InlineData(7, 8, 1, false, true)]
    [InlineData(17, 9, 2, true, true)]
    [InlineData(64, 24, 3, true, false)]
    [InlineData(33, 23, 4, false, false)]
    [InlineData(160, 16, 5, true, true)]
    public void RowsAreWhatADoublePrecisionLoopGives(int k, int rows, int groups, bool biased, bool accumulate)
    {
        var random = new RandomStream(CounterRandom.Key(5));
        var stride = (rows + 3) * 16; // a group of Y is longer than the rows asked for
        float[] w = Normals(rows * k, random), bias = Normals(rows, random), x = Normals(groups * k * 16, random), before = Normals(groups * stride, random);
        using var panels = new NativeBuffer<float>(x.Length);
        using var result = new NativeBuffer<float>(before.Length);
        x.CopyTo(new Span<float>(panels.Pointer, x.Length));
        before.CopyTo(new Span<float>(result.Pointer, before.Length));

        fixed (float* weights = w, offsets = bias)
            PanelProduct.Multiply(weights, k, rows, biased ? offsets : null, panels.Pointer, k * 16, result.Pointer, stride, groups, accumulate);

        for (var i = 0; i < before.Length; i++)
        {
            int group = i / stride, row = i % stride / 16, lane = i % 16;
            double expected = before[i];
            if (row < rows)
            {
                expected = (accumulate ? before[i] : 0) + (biased ? bias[row] : 0);
                for (var j = 0; j < k; j++)
                    expected += (double)w[row * k + j] * x[(group * k + j) * 16 + lane];
            }

            Assert.Equal(expected, result.Pointer[i], Tolerance);
        }
    }

    [Theory]
    [InlineData(1, 1, 1, false)]
    [InlineData(7, 8, 1, true)]
    [InlineData(33, 23, 3, false)]
    [InlineData(80, 17, 4, true)]
    public void RowMajorResultsAreWhatADoublePrecisionLoopGives(int k, int rows, int groups, bool accumulate)
    {
        var random = new RandomStream(CounterRandom.Key(6));
        int wRow = k + 5, yRow = groups * 16 + 7, xStride = (k + 2) * 16;
        float[] w = Normals(rows * wRow, random), x = Normals(groups * xStride, random), y = Normals(rows * yRow, random), before = [.. y];
        fixed (float* pw = w, px = x, py = y)
            PanelProduct.MultiplyRows(pw, wRow, k, rows, px, xStride, groups, py, yRow, accumulate);
        for (var i = 0; i < y.Length; i++)
        {
            var (row, column) = Math.DivRem(i, yRow);
            var isOutside = column >= groups * 16;
            var product = Enumerable.Range(0, isOutside ? 0 : k).Sum(j => (double)w[row * wRow + j] * x[column / 16 * xStride + j * 16 + column % 16]);
            Assert.Equal((accumulate || isOutside ? before[i] : 0) + product, y[i], Tolerance);
        }
    }

    [Theory]
    [InlineData(1, 16, 1, true)]
    [InlineData(33, 48, 3, true)]
    [InlineData(17, 32, 4, false)]
    public void TransposedRowsAndPanelsAreAdded(int k, int rows, int groups, bool inPanels)
    {
        var random = new RandomStream(CounterRandom.Key(7));
        int wRow = inPanels ? 16 : rows + 3, wGroup = inPanels ? k * 16 : 16, yRow = groups * 16 + 5, xStride = k * 16;
        float[] w = Normals(k * (rows + 3), random), x = Normals(groups * xStride, random), y = Normals(rows * yRow, random), before = [.. y];
        fixed (float* pw = w, px = x, py = y)
            PanelProduct.AddTransposed(pw, wRow, wGroup, rows, k, px, xStride, groups, py, yRow);
        for (var i = 0; i < y.Length; i++)
        {
            var (row, column) = Math.DivRem(i, yRow);
            var product = Enumerable.Range(0, column >= groups * 16 ? 0 : k).Sum(j => (double)w[j * wRow + row / 16 * wGroup + row % 16] * x[column / 16 * xStride + j * 16 + column % 16]);
            Assert.Equal(before[i] + product, y[i], Tolerance);
        }
    }

    private static float[] Normals(int length, RandomStream random) => [.. Enumerable.Range(0, length).Select(_ => (float)random.NextNormal())];
}
