using System.Runtime.InteropServices;

namespace LlmRL.Native;

/// <summary>What a <see cref="NativeValue"/> or <see cref="Argument"/> holds; the numbers are the shim's.</summary>
internal enum ValueTag
{
    None = 0,
    Default = 1,
    Tensor = 2,
    Int = 3,
    Double = 4,
    Bool = 5,
    String = 6,
    Device = 7,
    Generator = 8,
    TensorList = 9,
    IntList = 10,
    DoubleList = 11,
    BoolList = 12,
}

/// <summary>The tagged value that crosses the C boundary (16 bytes).</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct NativeValue
{
    [FieldOffset(0)] public ValueTag Tag;
    [FieldOffset(4)] public int Length;
    [FieldOffset(8)] public long Int;
    [FieldOffset(8)] public double Double;
    [FieldOffset(8)] public nint Pointer;
}

/// <summary>Metadata of a tensor, read in one call. The pointers live as long as the tensor keeps its shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TensorInfo
{
    public long* Sizes;
    public long* Strides;
    public void* Data;
    public long Numel;
    public long StorageOffset;
    public int Dimensions;
    public int DType;
    public int DeviceType;
    public int DeviceIndex;
    public int Contiguous;
    public int ElementSize;
}
