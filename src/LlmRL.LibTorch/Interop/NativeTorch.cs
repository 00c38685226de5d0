using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>The native library: where it is found, its version and threads, tensors over foreign memory, raw pointers.</summary>
public static unsafe partial class NativeTorch
{
    private const string FileName = "libllmrl_torch.so";
    private static readonly Lock s_lock = new();
    private static int s_registered;
    private static nint s_handle;

    /// <summary>Version of the libtorch that the shim was built against, e.g. <c>1.13.0</c>.</summary>
    public static string Version => Marshal.PtrToStringUTF8((nint)NativeMethods.llmrl_version())!;

    /// <summary>libtorch's report of its build, BLAS and threads.</summary>
    public static string Configuration
    {
        get
        {
            byte* text = NativeMethods.llmrl_config();
            if (text == null) throw Failure("configuration");
            string report = Marshal.PtrToStringUTF8((nint)text)!;
            NativeMethods.llmrl_free_memory(text);
            return report;
        }
    }

    /// <summary>Path of the shim that is or would be loaded; null when none is found.</summary>
    public static string? LibraryPath => FindLibrary();

    /// <summary>Address of the first element; the tensor must stay alive while it is used.</summary>
    public static void* DataPointer(Tensor tensor)
    {
        void* data = tensor.Info.Data;
        GC.KeepAlive(tensor);
        return data;
    }

    /// <summary>The elements of a contiguous CPU tensor; the tensor must stay alive while the span is used.</summary>
    public static Span<T> AsSpan<T>(Tensor tensor) where T : unmanaged
    {
        TensorInfo info = tensor.Info;
        if (info.Contiguous == 0 || info.DeviceType != 0) throw new InvalidOperationException("A span needs a contiguous CPU tensor: call cpu().contiguous() first.");
        if (Unsafe.SizeOf<T>() != info.ElementSize)
        {
            throw new ArgumentException($"{typeof(T).Name} has {Unsafe.SizeOf<T>()} bytes, an element of {(ScalarType)info.DType} has {info.ElementSize}.");
        }
        Span<T> span = new(info.Data, checked((int)info.Numel));
        GC.KeepAlive(tensor);
        return span;
    }

    /// <summary>A tensor over memory that the caller owns and keeps alive longer than every tensor that shares it. No copy.</summary>
    public static Tensor FromPointer(void* data, ReadOnlySpan<long> shape, ScalarType dtype, Device? device = null, ReadOnlySpan<long> strides = default)
    {
        if (!strides.IsEmpty && strides.Length != shape.Length) throw new ArgumentException($"{shape.Length} sizes but {strides.Length} strides.");
        return Wrap(data, shape, strides, dtype, device ?? CPU, null, 0);
    }

    /// <summary>A tensor over a managed array, which stays pinned until the last tensor that shares it dies. No copy.</summary>
    public static Tensor FromArray<T>(T[] array, ReadOnlySpan<long> shape, long offset = 0) where T : unmanaged
    {
        long count = 1;
        foreach (long size in shape) count = checked(count * size);
        if (offset < 0 || offset + count > array.Length)
        {
            throw new ArgumentException($"Elements {offset} to {offset + count} are asked of an array of {array.Length}.");
        }
        return WrapPinned(array, offset * sizeof(T), shape, ScalarTypes.Of<T>());
    }

    /// <summary>Sets how many threads libtorch's operators use.</summary>
    public static int Threads
    {
        get => NativeMethods.llmrl_get_num_threads();
        set => Check(NativeMethods.llmrl_set_num_threads(value), "set_num_threads");
    }

    /// <summary>Whether a fault, or what lies behind it, is a lack of memory: .NET's own, or libtorch's, which only its text tells from other faults.</summary>
    public static bool IsOutOfMemory(Exception fault) => fault is OutOfMemoryException
        || (fault is ExternalException && (fault.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase) || fault.Message.Contains("can't allocate memory", StringComparison.Ordinal)))
        || (fault.InnerException is { } inner && IsOutOfMemory(inner));

    internal static Tensor WrapPinned(Array array, long byteOffset, ReadOnlySpan<long> shape, ScalarType dtype)
    {
        GCHandle pin = GCHandle.Alloc(array, GCHandleType.Pinned);
        try
        {
            return Wrap((byte*)pin.AddrOfPinnedObject() + byteOffset, shape, default, dtype, CPU, &ReleasePin, GCHandle.ToIntPtr(pin));
        }
        catch
        {
            pin.Free();
            throw;
        }
    }

    private static Tensor Wrap(
        void* data, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, ScalarType dtype, Device device, delegate* unmanaged<nint, void> release, nint context)
    {
        fixed (long* sizes = shape)
        fixed (long* steps = strides)
        {
            nint handle = NativeMethods.llmrl_tensor_from_memory(
                data, sizes, steps, shape.Length, (int)dtype, (int)device.type, device.index, release, context);
            return handle != 0 ? new Tensor(handle) : throw Failure("from_memory");
        }
    }

    [UnmanagedCallersOnly]
    private static void ReleasePin(nint context) => GCHandle.FromIntPtr(context).Free();

    internal static void Check(int status, string what)
    {
        if (status < 0) throw Failure(what);
    }

    internal static ExternalException Failure(string what) => new($"{what}: {LastError()}");

    /// <summary>First line of libtorch's message for the last failure on this thread.</summary>
    internal static string LastError()
    {
        string message = Marshal.PtrToStringUTF8((nint)NativeMethods.llmrl_last_error()) ?? "";
        int end = message.IndexOf('\n');
        return end < 0 ? message : message[..end];
    }

    /// <summary>
    /// Loads the library on another thread, while the caller reads its input. Wait for it before the process ends: a library must not be torn down while its
    /// constructors run. A library that cannot be loaded is reported when it is first used.
    /// </summary>
    public static Task LoadAhead() => Task.Run(() =>
    {
        try
        {
            _ = Version;
        }
        catch (DllNotFoundException)
        {
            // Said again, with what to do, by whatever needs the library.
        }
    });

    internal static void RegisterResolver()
    {
        if (Interlocked.Exchange(ref s_registered, 1) == 0) NativeLibrary.SetDllImportResolver(typeof(NativeTorch).Assembly, Load);
    }

    // Asked once for each function that is called.
    private static nint Load(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != NativeMethods.Library) return 0;
        lock (s_lock)
        {
            return s_handle != 0 ? s_handle : s_handle = Load();
        }
    }

    private static nint Load()
    {
        Startup.Prepare();
        string path = FindLibrary()
            ?? throw new DllNotFoundException($"{FileName} was not found: run ./llmrl once (it builds the library), or set LLMRL_NATIVE to its full path.");
        Startup.LoadStandIns(Path.GetDirectoryName(path)!);
        return NativeLibrary.Load(path);
    }

    private static string? FindLibrary()
    {
        string? named = Environment.GetEnvironmentVariable("LLMRL_NATIVE");
        if (!string.IsNullOrEmpty(named))
        {
            return File.Exists(named)
                ? Path.GetFullPath(named)
                : throw new DllNotFoundException($"LLMRL_NATIVE names {named}, which does not exist: correct it, or unset it and run ./llmrl once.");
        }
        string beside = Path.Combine(AppContext.BaseDirectory, FileName);
        if (File.Exists(beside)) return beside;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string built = Path.Combine(folder.FullName, ".build", "native", FileName);
            if (File.Exists(built)) return built;
        }
        return null;
    }
}
