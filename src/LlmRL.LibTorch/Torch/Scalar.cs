using LlmRL.Native;
using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>A number passed to an operator by value: integer, floating-point or truth value.</summary>
public readonly struct Scalar
{
    private readonly long _bits;

    private Scalar(ScalarType type, long bits)
    {
        Type = type;
        _bits = bits;
    }

    /// <summary>The kind of number that was given.</summary>
    public ScalarType Type { get; }

    /// <summary>A byte.</summary>
    public static implicit operator Scalar(byte value) => new(ScalarType.Byte, value);

    /// <summary>A signed byte.</summary>
    public static implicit operator Scalar(sbyte value) => new(ScalarType.Int8, value);

    /// <summary>A 16-bit integer.</summary>
    public static implicit operator Scalar(short value) => new(ScalarType.Int16, value);

    /// <summary>A 32-bit integer.</summary>
    public static implicit operator Scalar(int value) => new(ScalarType.Int32, value);

    /// <summary>A 64-bit integer.</summary>
    public static implicit operator Scalar(long value) => new(ScalarType.Int64, value);

    /// <summary>A 16-bit float.</summary>
    public static implicit operator Scalar(Half value) => new(ScalarType.Float16, BitConverter.DoubleToInt64Bits((double)value));

    /// <summary>A brain float.</summary>
    public static implicit operator Scalar(BFloat16 value) => new(ScalarType.BFloat16, BitConverter.DoubleToInt64Bits((double)value));

    /// <summary>A 32-bit float.</summary>
    public static implicit operator Scalar(float value) => new(ScalarType.Float32, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A 64-bit float.</summary>
    public static implicit operator Scalar(double value) => new(ScalarType.Float64, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A truth value.</summary>
    public static implicit operator Scalar(bool value) => new(ScalarType.Bool, value ? 1 : 0);

    /// <summary>The number as a double.</summary>
    public double ToDouble() => Type.IsFloatingPoint() ? BitConverter.Int64BitsToDouble(_bits) : _bits;

    /// <summary>The number as a float.</summary>
    public float ToSingle() => (float)ToDouble();

    /// <summary>The number as a 64-bit integer; fractions are cut off.</summary>
    public long ToInt64() => Type.IsFloatingPoint() ? (long)BitConverter.Int64BitsToDouble(_bits) : _bits;

    /// <summary>The number as a 32-bit integer; fractions are cut off, too large numbers throw.</summary>
    public int ToInt32() => checked((int)ToInt64());

    /// <summary>Whether the number is not zero.</summary>
    public bool ToBoolean() => Type.IsFloatingPoint() ? BitConverter.Int64BitsToDouble(_bits) != 0 : _bits != 0;

    /// <inheritdoc/>
    public override string ToString() => Type.IsFloatingPoint() ? ToDouble().ToString("R") : Type == ScalarType.Bool ? (_bits != 0).ToString() : _bits.ToString();

    internal Argument ToArgument() => Type switch
    {
        ScalarType.Bool => _bits != 0,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 => BitConverter.Int64BitsToDouble(_bits),
        _ => _bits,
    };
}
