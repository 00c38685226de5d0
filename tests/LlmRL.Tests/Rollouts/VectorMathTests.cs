using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Tests.Rollouts;

public sealed class VectorMathTests
{
    [Fact]
    public void ExpIsWithinTwoUnitsInTheLastPlace()
    {
        for (var x = -87.2f; x < 88.2f; x += 0.00317f)
            Assert.InRange(VectorMath.Exp(Vector512.Create(x))[3] / Math.Exp(x) - 1, -2e-7, 2e-7);
        Assert.Equal(1f, VectorMath.Exp(Vector512<float>.Zero)[0]);
        Assert.Equal(0f, VectorMath.Exp(Vector512.Create(-88f))[0]);
        Assert.Equal(0f, VectorMath.Exp(Vector512.Create(float.NegativeInfinity))[0]);
        Assert.True(float.IsNaN(VectorMath.Exp(Vector512.Create(float.NaN))[0]));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(7, 5, 2)]
    [InlineData(8, 16, 3)]
    [InlineData(29, 37, 5)]
    public unsafe void PanelProductAddsBiasAndAccumulates(int rows, int k, int groups)
    {
        var random = new RandomStream(CounterRandom.Key((ulong)rows));
        float[] Values(int length) => [.. Enumerable.Range(0, length).Select(_ => (float)random.NextNormal())];
        float[] w = Values(rows * k), bias = Values(rows), x = Values(groups * k * 16), start = Values(groups * rows * 16);
        foreach (var (withBias, accumulate) in new[] { (false, false), (true, false), (false, true), (true, true) })
        {
            var y = start.ToArray();
            fixed (float* pw = w, pb = bias, px = x, py = y)
                PanelProduct.Multiply(pw, k, rows, withBias ? pb : null, px, k * 16, py, rows * 16, groups, accumulate);
            for (var i = 0; i < y.Length; i++)
            {
                int group = i / (rows * 16), row = i / 16 % rows, lane = i % 16;
                double expected = (withBias ? bias[row] : 0) + (accumulate ? start[i] : 0);
                for (var j = 0; j < k; j++)
                    expected += (double)w[row * k + j] * x[(group * k + j) * 16 + lane];
                Assert.Equal(expected, y[i], 1e-5);
            }
        }
    }
}
