using System.Diagnostics;
using static TorchSharp.torch;

namespace LlmRL.Benchmarks;

/// <summary>
/// What this machine reaches at best, measured in this process: the product of two large float32 matrices, and reading memory. The best of all repeats, so that what
/// else runs on the machine lowers it least; measure before and after what it is compared with.
/// </summary>
public sealed class MachineLimit
{
    /// <summary>n of the matrices. Their 38 MB each are given back to the system when done, and so are not part of a peak measured later.</summary>
    public const int DefaultSize = 3072;

    private const int Repeats = 4;
    private readonly Device device;
    private readonly int size;
    private readonly long readFloats;

    /// <summary>Prepares measuring.</summary>
    /// <param name="device">Where.</param>
    /// <param name="readBytes">Bytes that are read again and again: a buffer that fits a cache is read at the cache's speed.</param>
    /// <param name="size">n of the n × n matrices.</param>
    public MachineLimit(Device device, long readBytes, int size = DefaultSize)
    {
        (this.device, this.size) = (device, size);
        readFloats = Math.Max(1 << 18, readBytes / sizeof(float));
    }

    /// <summary>FLOP/s of the matrix product, 2n³ each.</summary>
    public double FlopsPerSecond { get; private set; }

    /// <summary>Bytes per second of summing up the buffer.</summary>
    public double BytesPerSecond { get; private set; }

    /// <summary>Measures both some times more.</summary>
    public void Measure()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b, values) = (rand(size, size, device: device), rand(size, size, device: device), ones(readFloats, device: device));
        // Copying one element back waits for a device that works on its own.
        FlopsPerSecond = Math.Max(FlopsPerSecond, Best(2.0 * size * size * size, () =>
        {
            using var product = a.matmul(b);
            using var corner = product.narrow(0, 0, 1).narrow(1, 0, 1);
            corner.item<float>();
        }));
        BytesPerSecond = Math.Max(BytesPerSecond, Best(sizeof(float) * (double)readFloats, () =>
        {
            using var sum = values.sum();
            sum.item<float>();
        }));
    }

    private static double Best(double amount, Action action)
    {
        var best = double.MaxValue;
        for (var i = 0; i < Repeats; i++)
        {
            var start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return amount / best;
    }
}
