using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Numerics;

/// <summary>Registers of 16 floats over rows whose length is no multiple of 16.</summary>
internal static unsafe class Lanes
{
    /// <summary>Floats in a register.</summary>
    public const int Width = 16;

    /// <summary>0, 1, … 15.</summary>
    public static Vector512<int> Index
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }

    /// <summary>The next multiple of 16.</summary>
    public static int RoundUp(int count) => (count + Width - 1) / Width * Width;

    /// <summary>The first <paramref name="count"/> of up to 16 floats; the other lanes are 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* from, int count) => count >= Width ? Vector512.Load(from) : LoadPart(from, count);

    /// <summary>Writes the first <paramref name="count"/> of up to 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* to, int count)
    {
        if (count >= Width)
            value.Store(to);
        else
            StorePart(value, to, count);
    }

    /// <summary>Lanes whose number is below <paramref name="count"/>, those of <paramref name="other"/> from there on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Keep(Vector512<float> value, int count, Vector512<float> other) =>
        Vector512.ConditionalSelect(First(count), value, other);

    /// <summary>The largest of 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(Vector512<float> value)
    {
        var eight = Vector256.MaxNative(value.GetLower(), value.GetUpper());
        var four = Vector128.MaxNative(eight.GetLower(), eight.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    // Without a call, or the registers of a loop would go to memory in case it comes to one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LoadPart(float* from, int count) =>
        Avx512F.IsSupported ? Avx512F.MaskLoad(from, First(count), Vector512<float>.Zero) : LoadSlowly(from, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePart(Vector512<float> value, float* to, int count)
    {
        if (Avx512F.IsSupported)
            Avx512F.MaskStore(to, First(count), value);
        else
            StoreSlowly(value, to, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> First(int count) => Vector512.LessThan(Index, Vector512.Create(count)).AsSingle();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector512<float> LoadSlowly(float* from, int count)
    {
        var block = stackalloc float[Width];
        for (var i = 0; i < count; i++)
            block[i] = from[i];
        for (var i = count; i < Width; i++)
            block[i] = 0;
        return Vector512.Load(block);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreSlowly(Vector512<float> value, float* to, int count)
    {
        var block = stackalloc float[Width];
        value.Store(block);
        for (var i = 0; i < count; i++)
            to[i] = block[i];
    }
}
