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
        HugePages.Advise(Pointer, length * sizeof(T));
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

/// <summary>Asks Linux for pages of 2 MiB, which spares a large cache most of its address translation. Elsewhere it does nothing.</summary>
internal static unsafe class HugePages
{
    private const long Smallest = 4 << 20;
    private const int SystemPage = 4096, HugePageAdvice = 14;

    /// <summary>Gives the advice for whole pages inside a block; the system may ignore it.</summary>
    public static void Advise(void* block, long bytes)
    {
        if (bytes < Smallest || !OperatingSystem.IsLinux())
            return;
        var start = ((nint)block + SystemPage - 1) & -SystemPage;
        try
        {
            _ = Advise(start, (nuint)((nint)block + (nint)bytes - start), HugePageAdvice);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            // Only speed is lost.
        }
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(nint address, nuint length, int advice);
}

/// <summary>Gives memory that is no longer used back to the system: that of the managed heap, and what C libraries have freed where the C library is glibc.</summary>
internal static class FreedMemory
{
    // A smaller heap is not worth a collection: reading a tokenizer with 150,000 tokens leaves 80 MB.
    private const long WorthCollecting = 24 << 20;

    /// <summary>Worth its page faults once, between loading a model and using it; not in a loop.</summary>
    public static void GiveBack()
    {
        if (GC.GetTotalMemory(false) > WorthCollecting)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = Trim(0);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            // The process stays larger.
        }
    }

    [DllImport("libc.so.6", EntryPoint = "malloc_trim")]
    private static extern int Trim(nuint keep);
}
