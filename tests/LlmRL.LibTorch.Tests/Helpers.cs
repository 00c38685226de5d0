using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

/// <summary>An expression with the values (row-major) and, where given, the shape that hand computation yields.</summary>
internal sealed record Case(Func<Tensor> Compute, double[] Expected, long[]? Shape = null)
{
    /// <summary>Float64 round-off over a few operations.</summary>
    private const double Tolerance = 1e-12;

    public void Check()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor result = Compute();
        if (Shape is not null) Assert.Equal(Shape, result.shape);
        Make.AssertClose(Expected, result, Tolerance);
    }
}

internal static class Make
{
    /// <summary>A float64 vector.</summary>
    public static Tensor V(params double[] values) => tensor(values);

    /// <summary>A float64 matrix.</summary>
    public static Tensor M(long rows, params double[] values) => tensor(values, [rows, values.Length / rows]);

    /// <summary>A vector of 64-bit integers.</summary>
    public static Tensor L(params long[] values) => tensor(values);

    /// <summary>A matrix of 64-bit integers.</summary>
    public static Tensor LM(long rows, params long[] values) => tensor(values, [rows, values.Length / rows]);

    /// <summary>A vector of truth values.</summary>
    public static Tensor B(params int[] values) => tensor(Array.ConvertAll(values, value => value != 0));

    public static double[] Values(Tensor tensor)
    {
        using Tensor plain = tensor.detach();
        using Tensor wide = plain.to_type(ScalarType.Float64);
        return wide.data<double>().ToArray();
    }

    public static void AssertClose(double[] expected, Tensor actual, double tolerance)
    {
        double[] values = Values(actual);
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = double.IsNaN(expected[i]) ? double.IsNaN(values[i])
                : double.IsInfinity(expected[i]) ? values[i] == expected[i]
                : Math.Abs(values[i] - expected[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i]));
            Assert.True(same, $"element {i}: expected {expected[i]:R}, got {values[i]:R}");
        }
    }
}
