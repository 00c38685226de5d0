using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>One argument of an operator call: a tensor, number, list, dtype, device, text, or nothing. Made by implicit conversion.</summary>
public readonly struct Argument
{
    internal readonly object? Reference;
    internal readonly long Bits;
    internal readonly ValueTag Tag;
    internal readonly int Length;

    private Argument(ValueTag tag, long bits = 0, object? reference = null, int length = 0)
    {
        Tag = tag;
        Bits = bits;
        Reference = reference;
        Length = length;
    }

    /// <summary>The default that the operator's schema declares.</summary>
    public static Argument Default => new(ValueTag.Default);

    /// <summary>No value, for optional parameters.</summary>
    public static Argument None => default;

    /// <summary>A tensor, or nothing when null.</summary>
    public static implicit operator Argument(Tensor? value) => value is null ? default : new(ValueTag.Tensor, 0, value);

    /// <summary>An integer.</summary>
    public static implicit operator Argument(long value) => new(ValueTag.Int, value);

    /// <summary>An integer, or nothing.</summary>
    public static implicit operator Argument(long? value) => value is long given ? new(ValueTag.Int, given) : default;

    /// <summary>A floating-point number.</summary>
    public static implicit operator Argument(double value) => new(ValueTag.Double, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A floating-point number, or nothing.</summary>
    public static implicit operator Argument(double? value) => value is double given ? given : default(Argument);

    /// <summary>A truth value.</summary>
    public static implicit operator Argument(bool value) => new(ValueTag.Bool, value ? 1 : 0);

    /// <summary>A number of any kind.</summary>
    public static implicit operator Argument(Scalar value) => value.ToArgument();

    /// <summary>A number of any kind, or nothing.</summary>
    public static implicit operator Argument(Scalar? value) => value is Scalar given ? given.ToArgument() : default;

    /// <summary>A list of integers (sizes, dimensions), or nothing when null.</summary>
    public static implicit operator Argument(long[]? value) => value is null ? default : new(ValueTag.IntList, 0, value, value.Length);

    /// <summary>A list of integers (sizes, dimensions).</summary>
    public static implicit operator Argument(Size value) => value.Shape;

    /// <summary>A list of floating-point numbers, or nothing when null.</summary>
    public static implicit operator Argument(double[]? value) => value is null ? default : new(ValueTag.DoubleList, 0, value, value.Length);

    /// <summary>A list of truth values, or nothing when null.</summary>
    public static implicit operator Argument(bool[]? value) => value is null ? default : new(ValueTag.BoolList, 0, value, value.Length);

    /// <summary>A list of tensors; null entries are absent ones where the schema allows them.</summary>
    public static implicit operator Argument(Tensor?[] value) => new(ValueTag.TensorList, 0, value, value.Length);

    /// <summary>Text.</summary>
    public static implicit operator Argument(string value)
    {
        byte[] utf8 = System.Text.Encoding.UTF8.GetBytes(value);
        return new(ValueTag.String, 0, utf8, utf8.Length);
    }

    /// <summary>An element type.</summary>
    public static implicit operator Argument(ScalarType value) => new(ValueTag.Int, (long)value);

    /// <summary>An element type, or nothing.</summary>
    public static implicit operator Argument(ScalarType? value) => value is ScalarType given ? given : default(Argument);

    /// <summary>A device, or nothing when null.</summary>
    public static implicit operator Argument(Device? value) =>
        value is null ? default : new(ValueTag.Device, value.index, null, (int)value.type);

    /// <summary>A source of random numbers, or nothing (libtorch's own) when null.</summary>
    public static implicit operator Argument(Generator? value) => value is null ? default : new(ValueTag.Generator, 0, value);

    /// <summary>How many 8-byte words of scratch memory the native form needs.</summary>
    internal int ScratchWords => Tag switch
    {
        ValueTag.TensorList or ValueTag.IntList or ValueTag.DoubleList or ValueTag.BoolList => Length,
        ValueTag.String => (Length + 7) / 8,
        _ => 0,
    };

    /// <summary>Writes the native form; lists are copied to <paramref name="scratch"/>, so that nothing needs pinning.</summary>
    internal unsafe void Write(NativeValue* target, long* scratch)
    {
        target->Tag = Tag;
        target->Length = Length;
        switch (Tag)
        {
            case ValueTag.Tensor:
                target->Pointer = Unsafe.As<Tensor>(Reference!).Handle;
                break;
            case ValueTag.Generator:
                target->Pointer = ((Generator)Reference!).Handle;
                break;
            case ValueTag.TensorList:
                WriteHandles((Tensor?[])Reference!, scratch);
                target->Pointer = (nint)scratch;
                break;
            case ValueTag.IntList:
                ((long[])Reference!).CopyTo(new Span<long>(scratch, Length));
                target->Pointer = (nint)scratch;
                break;
            case ValueTag.DoubleList:
                ((double[])Reference!).CopyTo(new Span<double>(scratch, Length));
                target->Pointer = (nint)scratch;
                break;
            case ValueTag.BoolList:
                bool[] flags = (bool[])Reference!;
                for (int i = 0; i < flags.Length; i++) scratch[i] = flags[i] ? 1 : 0;
                target->Pointer = (nint)scratch;
                break;
            case ValueTag.String:
                ((byte[])Reference!).CopyTo(new Span<byte>(scratch, Length));
                target->Pointer = (nint)scratch;
                break;
            default:
                target->Int = Bits;
                break;
        }
    }

    private static unsafe void WriteHandles(Tensor?[] tensors, long* scratch)
    {
        for (int i = 0; i < tensors.Length; i++) scratch[i] = tensors[i]?.Handle ?? 0;
    }

    /// <summary>For error messages: shape and dtype of tensors, values of the rest.</summary>
    internal string Describe() => Tag switch
    {
        ValueTag.Tensor => Describe((Tensor)Reference!),
        ValueTag.TensorList => $"[{string.Join(", ", ((Tensor?[])Reference!).Select(tensor => tensor is null ? "none" : Describe(tensor)))}]",
        ValueTag.IntList => $"[{string.Join(", ", (long[])Reference!)}]",
        ValueTag.DoubleList => $"[{string.Join(", ", (double[])Reference!)}]",
        ValueTag.BoolList => $"[{string.Join(", ", (bool[])Reference!)}]",
        ValueTag.Int => Bits.ToString(),
        ValueTag.Double => BitConverter.Int64BitsToDouble(Bits).ToString("R"),
        ValueTag.Bool => Bits != 0 ? "true" : "false",
        ValueTag.String => $"\"{System.Text.Encoding.UTF8.GetString((byte[])Reference!)}\"",
        ValueTag.Device => new Device((DeviceType)Length, (int)Bits).ToString(),
        ValueTag.Generator => "generator",
        ValueTag.Default => "default",
        _ => "none",
    };

    private static string Describe(Tensor tensor) =>
        tensor.IsInvalid ? "disposed tensor" : $"{tensor.dtype}[{string.Join(",", tensor.shape)}]";
}
