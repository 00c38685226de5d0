using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// Memory that outlives one call, lent and taken back: fresh memory would cost a page fault every 4 KiB. What is never given back goes with its lease to the
/// garbage collector.
/// </summary>
internal sealed unsafe class BufferLease : IDisposable
{
    private const long UnremarkableFloats = 1L << 28;
    private static readonly Lock s_gate = new();
    private static readonly List<NativeBuffer<float>> s_free = [];
    private static long s_lentFloats;
    private NativeBuffer<float>? _memory;

    /// <summary>Borrows memory with arbitrary contents.</summary>
    public BufferLease(long floats)
    {
        _memory = Rent(floats);
        Pointer = _memory.Pointer;
        Interlocked.Add(ref s_lentFloats, _memory.Length);
    }

    // The buffer's own finalizer may have run already: it must not be lent again.
    ~BufferLease()
    {
        if (_memory is { } memory)
            Interlocked.Add(ref s_lentFloats, -memory.Length);
    }

    /// <summary>The first float, on a cache line's border.</summary>
    public float* Pointer { get; }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Interlocked.Exchange(ref _memory, null) is not { } memory)
            return;
        Interlocked.Add(ref s_lentFloats, -memory.Length);
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

        // The collector does not see this memory: when much is out at once, forward passes whose graphs were dropped may hold most of it. Reporting every lease
        // as memory pressure would cost a full collection per step.
        if (Interlocked.Read(ref s_lentFloats) > UnremarkableFloats + 4 * floats)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return new NativeBuffer<float>(floats + floats / 8);
    }
}
