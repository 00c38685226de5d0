using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace LlmRL.Native;

/// <summary>Settles what libtorch's libraries read once, when they load: environment, BLAS library, malloc's thresholds.</summary>
public static partial class Startup
{
    private const int LoadNow = 2;
    private const int MallocTrimThreshold = -1;
    private const int MallocTopPad = -2;
    private const int MallocMmapThreshold = -3;
    private const int Mebibyte = 1 << 20;
    private const string StandIns = "stand-ins";
    private static readonly Lock s_lock = new();
    private static IReadOnlyList<string>? s_notes;

    /// <summary>Handle of the BLAS library that libtorch will use, 0 when none was loaded ahead of it.</summary>
    internal static nint BlasLibrary { get; private set; }

    /// <summary>How many libraries were kept from loading: see <see cref="LoadStandIns"/>.</summary>
    public static int StandInCount { get; private set; }

    /// <summary>
    /// Call first thing in main, before any tensor; later calls do nothing. Returns one line for each choice of the user's environment that was overridden.
    /// </summary>
    public static IReadOnlyList<string> Prepare()
    {
        lock (s_lock)
        {
            return s_notes ??= OperatingSystem.IsLinux() ? PrepareLinux() : [];
        }
    }

    /// <summary>The vector instructions of this CPU.</summary>
    public static VectorLevel CpuLevel =>
        Avx512F.IsSupported && Avx512DQ.IsSupported && Avx512BW.IsSupported ? VectorLevel.Avx512
        : Avx2.IsSupported && Fma.IsSupported ? VectorLevel.Avx2
        : Avx.IsSupported ? VectorLevel.Avx
        : VectorLevel.Sse;

    private static IReadOnlyList<string> PrepareLinux()
    {
        EnvironmentPlan plan = EnvironmentPlan.Decide(Environment.GetEnvironmentVariable, CpuLevel);
        foreach ((string name, string? value) in plan.Changes)
        {
            // .NET keeps its own copy of the environment: C libraries see only what setenv changes.
            if (value is null) _ = unsetenv(name);
            else _ = setenv(name, value, 1);
            Environment.SetEnvironmentVariable(name, value);
        }
        KeepFreedMemory();
        LoadOpenMpBlas();
        return plan.Notes;
    }

    /// <summary>Keeps freed blocks in the process: giving them back and faulting them in again costs 20-30 % of a training step.</summary>
    private static void KeepFreedMemory()
    {
        if (Environment.GetEnvironmentVariable("LLMRL_KEEP_MALLOC") is "1") return;
        // glibc refuses a threshold above HEAP_MAX_SIZE / 2, 32 MiB on 64-bit systems.
        _ = mallopt(MallocMmapThreshold, 32 * Mebibyte);
        _ = mallopt(MallocTrimThreshold, 2047 * Mebibyte);
        _ = mallopt(MallocTopPad, 64 * Mebibyte);
    }

    /// <summary>
    /// Loads Debian's OpenMP build of OpenBLAS, if installed, before libtorch asks for any libblas.so.3: the loader then reuses it by its
    /// soname. The pthreads build has threads of its own, which fight OpenMP's.
    /// </summary>
    private static void LoadOpenMpBlas()
    {
        string triplet = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => "x86_64-linux-gnu",
            Architecture.Arm64 => "aarch64-linux-gnu",
            _ => "",
        };
        if (triplet.Length == 0) return;
        string folder = $"/usr/lib/{triplet}/openblas-openmp";
        string blas = Path.Combine(folder, "libblas.so.3");
        string lapack = Path.Combine(folder, "liblapack.so.3");
        if (!File.Exists(blas)) return;
        BlasLibrary = dlopen(blas, LoadNow);
        if (BlasLibrary != 0 && File.Exists(lapack)) _ = dlopen(lapack, LoadNow);
    }

    /// <summary>
    /// Loads empty libraries in place of those that the system's libtorch names and does not call (OpenCV, FFmpeg and the 200 they need; see native/build.sh): the
    /// loader then finds their names taken. LLMRL_FULL_LIBTORCH=1 leaves libtorch as it is.
    /// </summary>
    /// <param name="folder">Where the shim lies.</param>
    internal static void LoadStandIns(string folder)
    {
        var standIns = Path.Combine(folder, StandIns);
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("LLMRL_FULL_LIBTORCH") is "1" || !Directory.Exists(standIns)) return;
        foreach (string library in Directory.GetFiles(standIns)) StandInCount += dlopen(library, LoadNow) != 0 ? 1 : 0;
    }

    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unsetenv(string name);

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);

    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string path, int flags);
}
