using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// Numbers of 24 bits that share a scale (block floating point): x = n · unit, with n = round(x / unit) in ±<see cref="Largest"/> and unit the largest |x| of the row over it. The
/// error is at most 1.6·10⁻⁷ of the row's largest number, as a root mean square 4·10⁻⁸; a cache of them has three quarters of the bytes.
/// Four registers of 16 numbers lie in three of 32-bit words: the upper three bytes of a word are a number of the first, second or third register, its lowest byte is a byte of one of the fourth.
/// Words hold n · 256, so that a number is converted where it stands, and <see cref="Units"/> gives unit / 256.
/// </summary>
internal static unsafe class Fixed24
{
    /// <summary>Bytes of a number, its share of the scale aside.</summary>
    public const int Bytes = 3;

    /// <summary>The largest n, some way below 2²³ so that rounding never reaches it.</summary>
    private const float Largest = 8388600;

    private const int Width = PanelProduct.Lanes, LowByte = 0xFF;

    private static Vector512<int> Lowest
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(LowByte);
    }

    /// <summary>The columns' units over 256 of a panel, (features, 16), and the factor that makes their numbers integers. A column that is not finite has a unit that is not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Units(float* panel, int features, out Vector512<float> factor)
    {
        var largest = Vector512<float>.Zero;
        for (var f = 0; f < features; f++)
            largest = Vector512.Max(largest, Vector512.Abs(Vector512.Load(panel + f * Width)));
        var empty = Vector512.Equals(largest, Vector512<float>.Zero);
        factor = Vector512.ConditionalSelect(empty, Vector512<float>.Zero, Vector512.Create(Largest) / largest);
        return largest * Vector512.Create(1 / Largest / 256);
    }

    /// <summary>n · 256 of 16 numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Encode(Vector512<float> numbers, Vector512<float> factor) =>
        Vector512.ConvertToInt32Native(Vector512.Round(numbers * factor)) << 8;

    /// <summary>Byte <paramref name="index"/> of what <see cref="Encode"/> gave for the fourth register, as it stands in register <paramref name="index"/> of the three.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Byte(Vector512<int> fourth, int index) => Vector512.ShiftRightLogical(fourth, 8 + 8 * index) & Lowest;

    /// <summary>The first, second or third register's numbers, n · 256.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Decode(Vector512<int> words) => Vector512.ConvertToSingle(Vector512.AndNot(words, Lowest));

    /// <summary>The fourth register's numbers, n · 256.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> DecodeFourth(Vector512<int> first, Vector512<int> second, Vector512<int> third) =>
        Vector512.ConvertToSingle((third << 24) | ((second & Lowest) << 16) | ((first & Lowest) << 8));

    /// <summary>Writes one of four rows of 16 numbers and leaves the others as they are, written or not. One thread writes a quad.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(Vector512<int> row, int index, int* words)
    {
        if (index < 3)
            (row | (Vector512.Load(words + index * Width) & Lowest)).Store(words + index * Width);
        else
            for (var i = 0; i < 3; i++)
                (Vector512.AndNot(Vector512.Load(words + i * Width), Lowest) | Byte(row, i)).Store(words + i * Width);
    }
}
