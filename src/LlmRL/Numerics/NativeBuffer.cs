using System.Runtime.InteropServices;

namespace LlmRL.Numerics;

/// <summary>Zeroed memory outside the managed heap, aligned to a cache line. Pages are committed by the operating system when first written.</summary>
internal sealed unsafe class NativeBuffer<T> : IDisposable where T : unmanaged
{
    private const int Alignment = 64;
    private void* _block;

    public NativeBuffer(long length)
    {
        Length = length;
        // calloc leaves large blocks untouched, which aligned allocation with clearing would not.
        _block = NativeMemory.AllocZeroed((nuint)(length * sizeof(T) + Alignment));
        Pointer = (T*)(((nint)_block + Alignment - 1) & -Alignment);
    }

    ~NativeBuffer() => Free();

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>The first element.</summary>
    public T* Pointer { get; private set; }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_block);
        _block = null;
        Pointer = null;
    }
}
