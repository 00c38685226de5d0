using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Numerics;

/// <summary>Work that every thread of a <see cref="WorkerPool"/> runs at the same time.</summary>
internal interface IParallelBody
{
    /// <summary>Runs one thread's part. All threads pass through the same phases in the same order.</summary>
    void Execute(int worker, Phases phases);
}

/// <summary>
/// A team of threads for work in many short phases (microseconds). A job costs one wake-up; between phases stands a barrier that spins briefly,
/// then yields; within a phase threads claim chunks, so that one that the system has put aside does not hold up the rest. Each begins with a share of its own: cores may
/// share no cache, and what one has written is slow to reach for another.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    // Few spins: two threads that share a core, because other work holds the rest, would otherwise wait for each other at every barrier.
    private const int SpinsBeforeYield = 128, SpinsBeforeParking = 4000, CountersPerLine = 8;

    private readonly Thread[] _threads;
    private readonly Lock _gate = new();
    // One for each thread: a call that is meant for one that is slow to wake must not be taken by another that parks meanwhile.
    private readonly SemaphoreSlim[] _wake;
    private readonly bool[] _isParked;
    private readonly NativeBuffer<long> _counters; // a cache line for each thread's share of each phase; the first two count arrivals and finished threads
    private readonly int _maxPhases;
    private IParallelBody? _body;
    private Exception? _failure;
    private int _reached; // the last phase of this job that counted anything
    private int _job;
    private int _parked;
    private volatile bool _failed;
    private volatile bool _closing;

    public WorkerPool(int threads, int maxPhases)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _maxPhases = maxPhases;
        _counters = new NativeBuffer<long>(((long)maxPhases * threads + 2) * CountersPerLine);
        _threads = new Thread[threads - 1];
        _wake = [.. Enumerable.Range(0, threads).Select(_ => new SemaphoreSlim(0))];
        _isParked = new bool[threads];
        for (var i = 0; i < _threads.Length; i++)
        {
            var worker = i + 1;
            _threads[i] = new Thread(() => Serve(worker)) { IsBackground = true, Name = $"kernels {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of threads, the caller's included.</summary>
    public int Threads { get; }

    private ref long Arrivals => ref _counters.Pointer[0];

    private ref long Counter(int phase, int share)
    {
        if (phase >= _maxPhases)
            throw new InvalidOperationException($"A job has more than the {_maxPhases} phases that the pool was made for.");
        return ref _counters.Pointer[(phase * Threads + share + 2) * CountersPerLine];
    }

    private ref long Finished => ref _counters.Pointer[CountersPerLine];

    /// <summary>Runs the body on all threads, the caller's as worker 0, and returns when all are done. Throws what the first failing thread threw.</summary>
    public void Run(IParallelBody body)
    {
        NativeMemory.Clear(_counters.Pointer, (nuint)(((_reached + 1) * Threads + 2) * CountersPerLine * sizeof(long)));
        _reached = 0;
        _body = body;
        _failed = false;
        _failure = null;
        Interlocked.Increment(ref _job);
        var parked = Volatile.Read(ref _parked);
        if (parked > 0)
            WakeParked();
        Execute(0);
        for (var spins = 0; Volatile.Read(ref Finished) < _threads.Length; spins++)
            Pause(spins);
        _body = null;
        if (_failure is { } failure)
            throw new InvalidOperationException($"A worker thread failed: {failure.Message}", failure);
    }

    public void Dispose()
    {
        if (_closing)
            return;
        _closing = true;
        Interlocked.Increment(ref _job);
        WakeParked();
        foreach (var thread in _threads)
            thread.Join();
        _counters.Dispose();
        foreach (var wake in _wake)
            wake.Dispose();
    }

    /// <summary>The next chunk number of a thread's share of a phase.</summary>
    internal long Claim(int phase, int share)
    {
        ref var counter = ref Counter(phase, share);
        // All threads are in the same phase: whoever is late here writes what is there.
        if (phase > _reached)
            _reached = phase;
        return Interlocked.Increment(ref counter) - 1;
    }

    /// <summary>How many chunks of a share have been claimed, at least.</summary>
    internal long Claimed(int phase, int share) => Volatile.Read(ref Counter(phase, share));

    /// <summary>Waits until every thread has ended the phase.</summary>
    internal void Barrier(int phase)
    {
        if (Threads == 1)
            return;
        Interlocked.Increment(ref Arrivals);
        var target = (long)Threads * (phase + 1);
        for (var spins = 0; Volatile.Read(ref Arrivals) < target; spins++)
        {
            if (_failed)
                throw new OperationCanceledException("Another worker thread failed.");
            Pause(spins);
        }
    }

    private static void Pause(int spins)
    {
        if (spins >= SpinsBeforeYield)
            Thread.Yield();
        else if (X86Base.IsSupported)
            X86Base.Pause();
        else
            Thread.SpinWait(1);
    }

    private void WakeParked()
    {
        lock (_gate)
        {
            for (var worker = 0; worker < _isParked.Length; worker++)
            {
                if (_isParked[worker])
                    _wake[worker].Release();
                _isParked[worker] = false;
            }

            _parked = 0;
        }
    }

    private void Serve(int worker)
    {
        for (var job = 1; ; job++)
        {
            WaitForJob(worker, job);
            if (_closing)
                return;
            Execute(worker);
            Interlocked.Increment(ref Finished);
        }
    }

    private void WaitForJob(int worker, int job)
    {
        for (var spins = 0; Volatile.Read(ref _job) - job < 0; spins++)
        {
            if (spins < SpinsBeforeParking)
            {
                Pause(spins);
                continue;
            }

            lock (_gate)
            {
                if (Volatile.Read(ref _job) - job >= 0)
                    return;
                Interlocked.Increment(ref _parked);
                // The job may have been published between the test above and the line before, when its publisher saw nobody parked.
                if (Volatile.Read(ref _job) - job >= 0)
                {
                    _parked--;
                    return;
                }

                _isParked[worker] = true;
            }

            _wake[worker].Wait();
            spins = 0;
        }
    }

    private void Execute(int worker)
    {
        try
        {
            _body!.Execute(worker, new Phases(this, worker));
        }
        catch (Exception exception)
        {
            if (exception is not OperationCanceledException)
                Interlocked.CompareExchange(ref _failure, exception, null);
            _failed = true;
        }
    }
}

/// <summary>One thread's walk through the phases of a job.</summary>
internal struct Phases(WorkerPool pool, int worker)
{
    private int _phase, _helped;

    /// <summary>
    /// Claims the next chunk [from, to) of [0, count); false when none is left. A thread takes those of its own share first, the same part of [0, count) in every phase, as what it wrote in one
    /// lies in its core's cache in the next; then it helps the others.
    /// </summary>
    public bool Next(int count, int chunk, out int from, out int to)
    {
        var chunks = (count + chunk - 1) / chunk;
        for (; _helped < pool.Threads; _helped++)
        {
            var share = (worker + _helped) % pool.Threads;
            long first = (long)chunks * share / pool.Threads, end = (long)chunks * (share + 1) / pool.Threads;
            // Looking costs the others less than counting on.
            if (first + pool.Claimed(_phase, share) >= end)
                continue;
            var index = first + pool.Claim(_phase, share);
            if (index >= end)
                continue;
            from = (int)index * chunk;
            to = Math.Min(from + chunk, count);
            return true;
        }

        from = to = 0;
        return false;
    }

    /// <summary>Claims the next of some tasks in their order, whoever it is: for lists that have the longest first, so that the shortest fill the time until all are done. Not in one phase with the other.</summary>
    public readonly bool NextInOrder(int count, out int task)
    {
        task = (int)Math.Min(pool.Claim(_phase, 0), count);
        return task < count;
    }

    /// <summary>Waits for the other threads and goes on to the next phase.</summary>
    public void End()
    {
        pool.Barrier(_phase++);
        _helped = 0;
    }

    /// <summary>A chunk size that gives every thread a few chunks, a multiple of <paramref name="unit"/>.</summary>
    public readonly int Chunk(int count, int unit)
    {
        var size = (count + pool.Threads * 4 - 1) / (pool.Threads * 4);
        return (Math.Max(size, 1) + unit - 1) / unit * unit;
    }
}
