namespace TorchSharp;

public static partial class torch
{
    /// <summary>Element types; the numbers are c10's.</summary>
    public enum ScalarType : sbyte
    {
        /// <summary>Unsigned 8-bit integer.</summary>
        Byte = 0,

        /// <summary>Signed 8-bit integer.</summary>
        Int8 = 1,

        /// <summary>Signed 16-bit integer.</summary>
        Int16 = 2,

        /// <summary>Signed 32-bit integer.</summary>
        Int32 = 3,

        /// <summary>Signed 64-bit integer.</summary>
        Int64 = 4,

        /// <summary>IEEE 16-bit float.</summary>
        Float16 = 5,

        /// <summary>IEEE 32-bit float.</summary>
        Float32 = 6,

        /// <summary>IEEE 64-bit float.</summary>
        Float64 = 7,

        /// <summary>Complex number of two 32-bit floats.</summary>
        ComplexFloat32 = 9,

        /// <summary>Complex number of two 64-bit floats.</summary>
        ComplexFloat64 = 10,

        /// <summary>Truth value, one byte.</summary>
        Bool = 11,

        /// <summary>16-bit float with the exponent range of Float32.</summary>
        BFloat16 = 15,
    }

    /// <summary>Unsigned 8-bit integer.</summary>
    public const ScalarType uint8 = ScalarType.Byte;

    /// <summary>Signed 8-bit integer.</summary>
    public const ScalarType int8 = ScalarType.Int8;

    /// <summary>Signed 16-bit integer.</summary>
    public const ScalarType int16 = ScalarType.Int16;

    /// <summary>Signed 32-bit integer.</summary>
    public const ScalarType int32 = ScalarType.Int32;

    /// <summary>Signed 64-bit integer.</summary>
    public const ScalarType int64 = ScalarType.Int64;

    /// <summary>IEEE 16-bit float.</summary>
    public const ScalarType float16 = ScalarType.Float16;

    /// <summary>IEEE 16-bit float.</summary>
    public const ScalarType half = ScalarType.Float16;

    /// <summary>IEEE 32-bit float.</summary>
    public const ScalarType float32 = ScalarType.Float32;

    /// <summary>IEEE 64-bit float.</summary>
    public const ScalarType float64 = ScalarType.Float64;

    /// <summary>16-bit float with the exponent range of Float32.</summary>
    public const ScalarType bfloat16 = ScalarType.BFloat16;

    /// <summary>Truth value, one byte.</summary>
    public const ScalarType @bool = ScalarType.Bool;

    /// <summary>Signed 64-bit integer.</summary>
    public const ScalarType @long = ScalarType.Int64;

    /// <summary>Signed 32-bit integer.</summary>
    public const ScalarType @int = ScalarType.Int32;

    /// <summary>IEEE 32-bit float.</summary>
    public const ScalarType @float = ScalarType.Float32;

    /// <summary>IEEE 64-bit float.</summary>
    public const ScalarType @double = ScalarType.Float64;
}
