using System.Runtime.Intrinsics;
using LlmRL.Numerics;
using LlmRL.Rollouts.Cpu;

namespace LlmRL.Tests.Rollouts;

/// <summary>Numbers of 24 bits with a shared scale: what goes in comes out, as exactly as promised.</summary>
public sealed unsafe class Fixed24Tests
{
    private const int Features = 37;

    [Theory]
    [InlineData(1)]
    [InlineData(1e-25)]
    [InlineData(1e30)]
    public void TheErrorIsAtMostHalfAUnitOfTheRowsLargest(double magnitude)
    {
        using var panel = Panel(magnitude);
        var units = Fixed24.Units(panel.Pointer, Features, out var factor);
        for (var column = 0; column < 16; column++)
        {
            double largest = 0, worst = 0;
            for (var f = 0; f < Features; f++)
            {
                var number = Vector512.Load(panel.Pointer + f * 16);
                var back = (double)Fixed24.Decode(Fixed24.Encode(number, factor))[column] * units[column];
                largest = Math.Max(largest, Math.Abs(number[column]));
                worst = Math.Max(worst, Math.Abs(back - number[column]));
            }

            // Half a unit, and float32's own rounding of the factor, of the unit and of the number in units.
            Assert.InRange(worst / largest, 0, 1.7e-7);
        }
    }

    [Fact]
    public void TheLargestOfARowKeepsItsSign()
    {
        var random = new RandomStream(CounterRandom.Key(5));
        using var panel = new NativeBuffer<float>(16);
        for (var trial = 0; trial < 20_000; trial++)
        {
            for (var column = 0; column < 16; column++)
                panel.Pointer[column] = (float)random.NextNormal();
            var units = Fixed24.Units(panel.Pointer, 1, out var factor);
            var back = Fixed24.Decode(Fixed24.Encode(Vector512.Load(panel.Pointer), factor)) * units;
            for (var column = 0; column < 16; column++)
                Assert.Equal(panel.Pointer[column], back[column], Math.Abs(panel.Pointer[column]) * 3e-7f);
        }
    }

    [Fact]
    public void NothingIsNothing()
    {
        using var panel = new NativeBuffer<float>(16 * Features);
        var units = Fixed24.Units(panel.Pointer, Features, out var factor);
        Assert.Equal(Vector512<float>.Zero, Fixed24.Decode(Fixed24.Encode(Vector512.Load(panel.Pointer), factor)) * units);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void WhatIsNotFiniteStaysSo(float value)
    {
        using var panel = Panel(1);
        panel.Pointer[5 * 16 + 3] = value;
        var units = Fixed24.Units(panel.Pointer, Features, out _);
        for (var column = 0; column < 16; column++)
            Assert.Equal(column != 3, float.IsFinite(units[column]));
    }

    // Positions are written as they are sampled, and a page is used again.
    [Theory]
    [InlineData(0, 1, 2, 3)]
    [InlineData(3, 2, 1, 0)]
    [InlineData(2, 0, 3, 1)]
    public void FourRowsShareAQuadInAnyOrder(params int[] order)
    {
        var random = new RandomStream(CounterRandom.Key(6));
        var rows = new Vector512<int>[4];
        using var quad = new NativeBuffer<int>(3 * 16);
        new Span<int>(quad.Pointer, 3 * 16).Fill(0x5A5A5A5A);
        foreach (var row in order)
        {
            rows[row] = Vector512.Create([.. Enumerable.Range(0, 16).Select(_ => random.Next(-(1 << 23), 1 << 23) << 8)]);
            Fixed24.StoreRow(rows[row], row, quad.Pointer);
        }

        Vector512<int> x = Vector512.Load(quad.Pointer), y = Vector512.Load(quad.Pointer + 16), z = Vector512.Load(quad.Pointer + 32);
        Assert.Equal(Vector512.ConvertToSingle(rows[0]), Fixed24.Decode(x));
        Assert.Equal(Vector512.ConvertToSingle(rows[1]), Fixed24.Decode(y));
        Assert.Equal(Vector512.ConvertToSingle(rows[2]), Fixed24.Decode(z));
        Assert.Equal(Vector512.ConvertToSingle(rows[3]), Fixed24.DecodeFourth(x, y, z));
    }

    private static NativeBuffer<float> Panel(double magnitude)
    {
        var random = new RandomStream(CounterRandom.Key(4));
        var panel = new NativeBuffer<float>(16 * Features);
        for (var i = 0; i < panel.Length; i++)
            panel.Pointer[i] = (float)(random.NextNormal() * magnitude);
        return panel;
    }
}
