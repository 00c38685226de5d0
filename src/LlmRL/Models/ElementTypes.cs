using System.Runtime.InteropServices;

namespace LlmRL.Models;

/// <summary>Element types of weight files, named as in safetensors.</summary>
internal static class ElementTypes
{
    /// <summary>Bytes of one element, or 0 for an unknown type.</summary>
    public static int Size(string type) => type switch
    {
        "F64" or "I64" or "U64" => 8,
        "F32" or "I32" or "U32" => 4,
        "F16" or "BF16" or "I16" or "U16" => 2,
        "I8" or "U8" or "BOOL" => 1,
        _ => 0,
    };

    /// <summary>Converts floating-point elements to float32: F16 and BF16 exactly, F64 rounded. False for other types.</summary>
    public static bool TryWiden(string type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case "F32":
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                return true;
            case "F64":
                var doubles = MemoryMarshal.Cast<byte, double>(source);
                for (var i = 0; i < destination.Length; i++)
                    destination[i] = (float)doubles[i];
                return true;
            case "F16":
                var halves = MemoryMarshal.Cast<byte, Half>(source);
                for (var i = 0; i < destination.Length; i++)
                    destination[i] = (float)halves[i];
                return true;
            case "BF16":
                var words = MemoryMarshal.Cast<byte, ushort>(source);
                for (var i = 0; i < destination.Length; i++)
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)words[i] << 16);
                return true;
            default:
                return false;
        }
    }
}
