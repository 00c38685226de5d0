using System.Diagnostics;
using static TorchSharp.torch;

namespace LlmRL.Benchmarks;

/// <summary>
/// What this machine reaches, measured in this process: the product of two large matrices of the type that passes compute in, and reading memory. Measure before and after what it is compared
/// with. The limit is the best of all repeats, which other programs lower least; on a busy machine the median says what a step could hope for.
/// </summary>
public sealed class MachineLimit
{
    /// <summary>n of the matrices. Their 38 MB each are given back to the system when done, and so are not part of a peak measured later.</summary>
    public const int DefaultSize = 3072;

    private const int Repeats = 4;
    private readonly Device device;
    private readonly int size;
    private readonly ScalarType dtype;
    private readonly long readFloats;
    private readonly List<double> products = [], reads = [];

    /// <summary>Prepares measuring.</summary>
    /// <param name="device">Where.</param>
    /// <param name="readBytes">Bytes that are read again and again: a buffer that fits a cache is read at the cache's speed.</param>
    /// <param name="size">n of the n × n matrices.</param>
    /// <param name="dtype">The matrices' type.</param>
    public MachineLimit(Device device, long readBytes, int size = DefaultSize, ScalarType dtype = ScalarType.Float32)
    {
        (this.device, this.size, this.dtype) = (device, size, dtype);
        readFloats = Math.Max(1 << 18, readBytes / sizeof(float));
    }

    /// <summary>FLOP/s of the matrix product, 2n³ each: the best.</summary>
    public double FlopsPerSecond => products.Max();

    /// <summary>The same: the median.</summary>
    public double MedianFlopsPerSecond => Spread.Of(products).Median;

    /// <summary>Bytes per second of summing up the buffer: the best.</summary>
    public double BytesPerSecond => reads.Max();

    /// <summary>Measures both some times more.</summary>
    public void Measure()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b, values) = (rand(size, size, device: device).to_type(dtype), rand(size, size, device: device).to_type(dtype), ones(readFloats, device: device));
        // Copying one element back waits for a device that works on its own.
        Repeat(products, 2.0 * size * size * size, () =>
        {
            using var product = a.matmul(b);
            using var corner = product.narrow(0, 0, 1).narrow(1, 0, 1);
            using var number = corner.to_type(ScalarType.Float32);
            number.item<float>();
        });
        Repeat(reads, sizeof(float) * (double)readFloats, () =>
        {
            using var sum = values.sum();
            sum.item<float>();
        });
    }

    private static void Repeat(List<double> speeds, double amount, Action action)
    {
        for (var i = 0; i < Repeats; i++)
        {
            var start = Stopwatch.GetTimestamp();
            action();
            speeds.Add(amount / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}
