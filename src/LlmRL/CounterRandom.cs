using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmRL;

/// <summary>
/// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
/// A value is a pure function of a key and a counter, so a sampled token keyed by (seed, step, prompt, sample, position) does not depend
/// on batch size, on the order in which slots were refilled, or on where a run was resumed.
/// </summary>
public static class CounterRandom
{
    private const uint M0 = 0xD2511F53, M1 = 0xCD9E8D57, W0 = 0x9E3779B9, W1 = 0xBB67AE85;

    /// <summary>The four 32-bit words of one Philox4x32-10 block for a 64-bit key and a 128-bit counter.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Block(ulong key, ulong counterLow, ulong counterHigh)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        uint c0 = (uint)counterLow, c1 = (uint)(counterLow >> 32), c2 = (uint)counterHigh, c3 = (uint)(counterHigh >> 32);
        for (var round = 0; round < 10; round++)
        {
            var p0 = (ulong)M0 * c0;
            var p1 = (ulong)M1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += W0;
            k1 += W1;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>A uniform number in [0, 1) with 53 random bits, for one counter.</summary>
    public static double Uniform(ulong key, ulong counterLow, ulong counterHigh)
    {
        var (x0, x1, _, _) = Block(key, counterLow, counterHigh);
        return ToUnit(((ulong)x1 << 32) | x0);
    }

    /// <summary>The <see cref="Uniform"/> numbers of many counters in a row, the same bits, eight at a time where the CPU can.</summary>
    /// <param name="key">What the numbers are for.</param>
    /// <param name="counter">The first counter's lower half; the upper is 0.</param>
    /// <param name="values">One number for each counter.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Uniforms(ulong key, ulong counter, Span<double> values)
    {
        var i = 0;
        if (Avx512F.IsSupported && Avx512DQ.IsSupported)
        {
            for (; i + Vector512<ulong>.Count <= values.Length; i += Vector512<ulong>.Count)
                EightUniforms(key, counter + (ulong)i).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
            values[i] = Uniform(key, counter + (ulong)i, 0);
    }

    /// <summary>Mixes words into one 64-bit key (SplitMix64's finalizer after each word), so that streams with different words are independent.</summary>
    public static ulong Key(params ReadOnlySpan<ulong> words)
    {
        var state = 0x243F6A8885A308D3UL;
        foreach (var word in words)
            state = Mix(state ^ Mix(word + 0x9E3779B97F4A7C15UL));
        return state;
    }

    /// <summary>A stable 64-bit hash of text (FNV-1a, finished by SplitMix64), the same on every machine and in every process.</summary>
    public static ulong Hash(ReadOnlySpan<char> text)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var c in text)
            hash = (hash ^ c) * 0x100000001B3UL;
        return Mix(hash);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static double ToUnit(ulong bits) => (bits >> 11) * (1.0 / (1UL << 53));

    // A 32-bit word in each lane of 64: their products fit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> EightUniforms(ulong key, ulong counter)
    {
        var low = Vector512.Create((ulong)uint.MaxValue);
        var counters = Vector512.Create(counter) + Vector512.Create(0UL, 1, 2, 3, 4, 5, 6, 7);
        Vector512<ulong> c0 = counters & low, c1 = counters >> 32, c2 = Vector512<ulong>.Zero, c3 = Vector512<ulong>.Zero;
        Vector512<uint> m0 = Vector512.Create((ulong)M0).AsUInt32(), m1 = Vector512.Create((ulong)M1).AsUInt32();
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (var round = 0; round < 10; round++)
        {
            Vector512<ulong> p0 = Avx512F.Multiply(m0, c0.AsUInt32()), p1 = Avx512F.Multiply(m1, c2.AsUInt32());
            c0 = (p1 >> 32) ^ c1 ^ Vector512.Create((ulong)k0);
            c1 = p1 & low;
            c2 = (p0 >> 32) ^ c3 ^ Vector512.Create((ulong)k1);
            c3 = p0 & low;
            k0 += W0;
            k1 += W1;
        }

        // 53 bits are a double without rounding.
        return Avx512DQ.ConvertToVector512Double((c1 << 32 | c0) >> 11) * Vector512.Create(1.0 / (1UL << 53));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}

/// <summary>
/// A stream of random numbers over <see cref="CounterRandom"/>: its whole state is a key and a position, which a checkpoint can hold.
/// </summary>
/// <param name="key">What the stream is for, see <see cref="CounterRandom.Key"/>.</param>
public sealed class RandomStream(ulong key)
{
    /// <summary>How many numbers were drawn: set it to continue a stream from a checkpoint.</summary>
    public ulong Position { get; set; }

    /// <summary>The next 64 random bits.</summary>
    public ulong NextBits()
    {
        var (x0, x1, _, _) = CounterRandom.Block(key, Position++, 0);
        return ((ulong)x1 << 32) | x0;
    }

    /// <summary>A uniform number in [0, 1).</summary>
    public double NextDouble() => CounterRandom.ToUnit(NextBits());

    /// <summary>A uniform integer in [low, high), without modulo bias beyond 2⁻⁶⁴ · (high − low).</summary>
    public int Next(int low, int high)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(low, high);
        return low + (int)Math.BigMul(NextBits(), (ulong)((long)high - low), out _);
    }

    /// <summary>True with the given probability.</summary>
    public bool NextBool(double probability = 0.5) => NextDouble() < probability;

    /// <summary>A standard normal number (Box–Muller; two draws each).</summary>
    public double NextNormal()
    {
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        return radius * Math.Cos(2 * Math.PI * NextDouble());
    }

    /// <summary>One item, each with the same probability.</summary>
    public T Pick<T>(IReadOnlyList<T> items) => items[Next(0, items.Count)];

    /// <summary>Shuffles in place (Fisher–Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Next(0, i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
