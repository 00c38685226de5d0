using LlmRL.Numerics;
using LlmRL.Rollouts.Cpu;

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

    private static float[] Normals(int length, RandomStream random) => [.. Enumerable.Range(0, length).Select(_ => (float)random.NextNormal())];
}
