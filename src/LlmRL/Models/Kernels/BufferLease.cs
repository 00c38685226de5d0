using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// Memory that outlives one call, lent and taken back: fresh memory would cost a page fault every 4 KiB. What is never given back goes with its lease to the
/// garbage collector, which is told how large it is.
/// </summary>
internal sealed unsafe class BufferLease : IDisposable
{
    private static readonly Lock s_gate = new();
    private static readonly List<NativeBuffer<float>> s_free = [];
    private NativeBuffer<float>? _memory;

    /// <summary>Borrows memory with arbitrary contents.</summary>
    public BufferLease(long floats)
    {
        _memory = Rent(floats);
        Pointer = _memory.Pointer;
        GC.AddMemoryPressure(_memory.Length * sizeof(float));
    }

    // The buffer's own finalizer may have run already: it must not be lent again.
    ~BufferLease()
    {
        if (_memory is { } memory)
            GC.RemoveMemoryPressure(memory.Length * sizeof(float));
    }

    /// <summary>The first float, on a cache line's border.</summary>
    public float* Pointer { get; }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Interlocked.Exchange(ref _memory, null) is not { } memory)
            return;
        GC.RemoveMemoryPressure(memory.Length * sizeof(float));
        lock (s_gate)
            s_free.Add(memory);
    }

    private static NativeBuffer<float> Rent(long floats)
    {
        lock (s_gate)
        {
            var fits = s_free.Where(buffer => buffer.Length >= floats).MinBy(buffer => buffer.Length);
            if (fits is not null)
            {
                s_free.Remove(fits);
                return fits;
            }

            // The largest that is too small makes room for its successor, so that growing batches leave no trail of blocks.
            if (s_free.MaxBy(buffer => buffer.Length) is { } small)
            {
                s_free.Remove(small);
                small.Dispose();
            }
        }

        return new NativeBuffer<float>(floats + floats / 8);
    }
}
