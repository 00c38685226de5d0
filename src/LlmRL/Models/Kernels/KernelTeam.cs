using System.Runtime.InteropServices;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// The threads that train, shared by all models, one job at a time. Each calls BLAS with a single thread on tiles of its own,
/// so that chunks are claimed as threads get to them and no result depends on how many there are.
/// </summary>
internal static class KernelTeam
{
    private const int MaxPhases = 4096;
    private static readonly Lock s_gate = new();
    private static WorkerPool? s_pool;
    private static NativeBuffer<float>? s_workspace;

    /// <summary>Number of threads: one per processor, or fewer where OMP_NUM_THREADS says so, as for libtorch's own operators.</summary>
    public static int Threads { get; } = int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), out var limit) && limit > 0
        ? Math.Min(limit, Environment.ProcessorCount)
        : Environment.ProcessorCount;

    /// <summary>Runs a job on all threads.</summary>
    /// <param name="floats">Scratch memory that the job needs; its contents are arbitrary.</param>
    /// <param name="job">Makes the job, given the scratch memory.</param>
    public static unsafe void Run(long floats, Func<nint, IParallelBody> job)
    {
        lock (s_gate)
        {
            if (s_workspace is null || s_workspace.Length < floats)
            {
                s_workspace?.Dispose();
                s_workspace = new NativeBuffer<float>(floats + floats / 4);
            }

            s_pool ??= new WorkerPool(Threads, MaxPhases);
            var threads = BlasThreads.LimitProcess();
            try
            {
                s_pool.Run(new SingleThreadedBlas(job((nint)s_workspace.Pointer)));
            }
            finally
            {
                BlasThreads.Restore(threads);
            }
        }
    }

    private sealed class SingleThreadedBlas(IParallelBody body) : IParallelBody
    {
        public void Execute(int worker, Phases phases)
        {
            BlasThreads.LimitThread();
            body.Execute(worker, phases);
        }
    }

    /// <summary>How many threads BLAS takes: OpenMP builds ask the calling thread's setting, OpenBLAS's own pool a setting of the process.</summary>
    private static unsafe class BlasThreads
    {
        private static readonly delegate* unmanaged<int> s_ompGet;
        private static readonly delegate* unmanaged<int, void> s_ompSet;
        private static readonly delegate* unmanaged<int> s_poolGet;
        private static readonly delegate* unmanaged<int, void> s_poolSet;

        static BlasThreads()
        {
            if (NativeLibrary.TryLoad("libgomp.so.1", out var openMp)
                && NativeLibrary.TryGetExport(openMp, "omp_get_max_threads", out var get) && NativeLibrary.TryGetExport(openMp, "omp_set_num_threads", out var set))
            {
                s_ompGet = (delegate* unmanaged<int>)get;
                s_ompSet = (delegate* unmanaged<int, void>)set;
            }

            const int ThreadPool = 1;
            if (NativeLibrary.TryLoad("libblas.so.3", out var blas) && NativeLibrary.TryGetExport(blas, "openblas_get_parallel", out var kind)
                && ((delegate* unmanaged<int>)kind)() == ThreadPool
                && NativeLibrary.TryGetExport(blas, "openblas_get_num_threads", out get) && NativeLibrary.TryGetExport(blas, "openblas_set_num_threads", out set))
            {
                s_poolGet = (delegate* unmanaged<int>)get;
                s_poolSet = (delegate* unmanaged<int, void>)set;
            }
        }

        public static (int OpenMp, int Pool) LimitProcess()
        {
            var before = (s_ompGet == null ? 0 : s_ompGet(), s_poolGet == null ? 0 : s_poolGet());
            if (s_poolSet != null)
                s_poolSet(1);
            return before;
        }

        public static void LimitThread()
        {
            if (s_ompSet != null)
                s_ompSet(1);
        }

        public static void Restore((int OpenMp, int Pool) before)
        {
            if (s_ompSet != null)
                s_ompSet(before.OpenMp);
            if (s_poolSet != null)
                s_poolSet(before.Pool);
        }
    }
}
