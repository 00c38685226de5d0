using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>The upper half of a 32-bit float: 8 exponent bits, 7 fraction bits.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct BFloat16 : IEquatable<BFloat16>
{
    private readonly ushort _bits;

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    public BFloat16(float f)
    {
        uint bits = BitConverter.SingleToUInt32Bits(f);
        _bits = float.IsNaN(f) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The exact value.</summary>
    public static explicit operator float(BFloat16 bf) => BitConverter.UInt32BitsToSingle((uint)bf._bits << 16);

    /// <summary>The exact value.</summary>
    public static explicit operator double(BFloat16 bf) => (float)bf;

    /// <summary>Rounds to nearest, ties to even.</summary>
    public static explicit operator BFloat16(float f) => new(f);

    /// <summary>Rounds to a float, then to nearest, ties to even.</summary>
    public static explicit operator BFloat16(double d) => new((float)d);

    /// <summary>Equality of the numbers (NaN differs from itself).</summary>
    public static bool operator ==(BFloat16 a, BFloat16 b) => (float)a == (float)b;

    /// <summary>Inequality of the numbers.</summary>
    public static bool operator !=(BFloat16 a, BFloat16 b) => !(a == b);

    /// <inheritdoc/>
    public bool Equals(BFloat16 other) => ((float)this).Equals((float)other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => ((float)this).ToString("R");
}
