using System.CommandLine;
using System.Runtime.InteropServices;
using LlmRL.Benchmarks;
using LlmRL.Data.DuckDb;
using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl doctor</c>: what the program found on this machine.</summary>
internal static class DoctorCommand
{
    private const long ReadBytes = 1L << 28;

    public static Command Create()
    {
        var command = new Command("doctor", "Says what was found: libtorch, device, cores, matrix-product speed, memory, and what is missing.");
        command.SetAction(_ => Guard.Run(Run));
        return command;
    }

    private static void Run()
    {
        var notes = Startup.Prepare();
        NativeTorch.Threads = Environment.ProcessorCount;
        Line("program", $"LlmRL {typeof(Guard).Assembly.GetName().Version?.ToString(3)}, .NET {Environment.Version}, {RuntimeInformation.OSDescription}");
        Line("libtorch", $"{NativeTorch.Version} at {NativeLibraries("libtorch_cpu") ?? "unknown path"}");
        Line("shim", NativeTorch.LibraryPath ?? "not found");
        Line("device", cuda.is_available() ? $"CUDA, {cuda.device_count()} found" : "CPU (no CUDA device is visible to this libtorch)");
        if (cuda.is_available())
            Line("CUDA graphs", DeviceGraph.IsSupported ? "yes" : "no: the shim was built without CUDA's headers, so that decoding launches every operator by itself; install them (CUDA_HOME names a toolkit) and build it again");
        Line("cores", $"{Environment.ProcessorCount}, {Startup.CpuLevel}; {NativeTorch.Threads} libtorch threads");
        Line("BLAS", NativeLibraries("libopenblas") ?? NativeLibraries("blas") ?? "inside libtorch");
        if (Startup.StandInCount is > 0 and var count)
            Line("left out", $"{count} libraries that libtorch names and never calls, with what they need (LLMRL_FULL_LIBTORCH=1 loads them)");
        var limit = new MachineLimit(CPU, ReadBytes);
        limit.Measure();
        Line("matrix product", $"{limit.FlopsPerSecond / 1e9:N0} GFLOP/s float32; memory read {limit.BytesPerSecond / 1e9:N0} GB/s");
        Line("DuckDB", DuckDbLibrary.Version is { } duckDb ? $"{duckDb} at {DuckDbLibrary.Location ?? "the system's library folder"} (Parquet, sql)" : "not found");
        var memory = GC.GetGCMemoryInfo();
        Line("memory", $"{memory.TotalAvailableMemoryBytes / 1e9:N1} GB, this process {Environment.WorkingSet / 1e6:N0} MB");
        foreach (var note in notes)
            Line("note", note);
        var missing = Missing().ToArray();
        Line("missing", missing.Length == 0 ? "nothing" : string.Join("; ", missing));
    }

    private static void Line(string what, string found) => Console.WriteLine($"{what,-15} {found}");

    private static IEnumerable<string> Missing()
    {
        if (!Blas.IsDirect)
            yield return "a BLAS with cblas_sgemm (apt-get install libopenblas0-openmp): rollouts go through libtorch's own products";
        if (DuckDbLibrary.Problem is { } problem)
            yield return problem.TrimEnd('.');
        if (NativeLibraries("openblas-pthread") is { } wrong)
            yield return $"the OpenMP build of OpenBLAS (apt-get install libopenblas0-openmp): {wrong} keeps a second pool of threads that fights with libtorch's";
    }

    /// <summary>The path of a loaded library whose path contains a text.</summary>
    private static string? NativeLibraries(string part) => !File.Exists("/proc/self/maps") ? null : File.ReadLines("/proc/self/maps")
        .Where(line => line.Contains('/')).Select(line => line[line.IndexOf('/')..]).FirstOrDefault(path => path.Contains(part) && path.Contains(".so"));
}
