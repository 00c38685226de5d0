using System.Runtime.InteropServices;

namespace LlmRL.Data.DuckDb;

/// <summary>DuckDB's C library, which reads Parquet and answers <c>sql</c>: where it is found, and its functions.</summary>
/// <remarks>
/// Looked for in this order: the file that <c>LIBDUCKDB</c> names; beside the program; <c>.build/duckdb</c> of the program's folder, where the set-up script
/// puts it; the system's library folders.
/// </remarks>
public static unsafe class DuckDbLibrary
{
    private const string FileName = "libduckdb.so", Variable = "LIBDUCKDB";

    /// <summary>The library's version, e.g. <c>v1.5.6</c>; null when there is no library.</summary>
    public static string? Version => Problem is null ? Marshal.PtrToStringUTF8((nint)Api.LibraryVersion()) : null;

    /// <summary>The library's file; null when there is none, or when the system finds it.</summary>
    public static string? Location { get; } = Find();

    // After Location, which loading reads.
    private static readonly Lazy<DuckDbApi> Loaded = new(Load);

    /// <summary>What is wrong and how to get the library, in one sentence; null when it is there.</summary>
    public static string? Problem
    {
        get
        {
            try
            {
                _ = Loaded.Value;
                return null;
            }
            catch (BadInputException fault)
            {
                return fault.Message;
            }
        }
    }

    /// <summary>The library's functions.</summary>
    /// <exception cref="BadInputException">There is no library; the message says how to get it.</exception>
    internal static DuckDbApi Api => Loaded.Value;

    private static DuckDbApi Load()
    {
        var named = Environment.GetEnvironmentVariable(Variable);
        if (!string.IsNullOrEmpty(named) && Location is null)
            throw new BadInputException($"{Variable} names {named}, which does not exist: correct it, or unset it and run ./llmrl get-duckdb.");
        nint handle;
        if (Location is null)
        {
            if (!NativeLibrary.TryLoad(FileName, out handle))
            {
                throw new BadInputException($"Parquet files and sql need DuckDB's library ({FileName}), which is not here: run ./llmrl get-duckdb "
                    + $"(24 MB from the npm registry), or set {Variable} to a copy, such as the one in libduckdb-linux-amd64.zip of DuckDB's releases.");
            }
        }
        else if (!NativeLibrary.TryLoad(Location, out handle))
        {
            throw new BadInputException($"{Location}: cannot be loaded as DuckDB's library: is it whole, and for this kind of processor? "
                + $"Delete it and run ./llmrl get-duckdb, or set {Variable} to another copy.");
        }

        try
        {
            return new DuckDbApi(handle);
        }
        catch (EntryPointNotFoundException fault)
        {
            throw new BadInputException($"{Location ?? FileName}: this is not DuckDB's C library of version 1.2 or newer ({fault.Message}). "
                + $"Run ./llmrl get-duckdb, or set {Variable} to another copy.", fault);
        }
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            return File.Exists(named) ? Path.GetFullPath(named) : null;
        var beside = Path.Combine(AppContext.BaseDirectory, FileName);
        if (File.Exists(beside))
            return beside;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var fetched = Path.Combine(folder.FullName, ".build", "duckdb", FileName);
            if (File.Exists(fetched))
                return fetched;
        }

        return null;
    }
}

/// <summary>The functions of DuckDB's C interface that are used here.</summary>
internal sealed unsafe class DuckDbApi(nint library)
{
    /// <summary>(path, out database, config, out error) → 0 on success.</summary>
    public readonly delegate* unmanaged<byte*, nint*, nint, byte**, int> OpenExt =
        (delegate* unmanaged<byte*, nint*, nint, byte**, int>)NativeLibrary.GetExport(library, "duckdb_open_ext");

    /// <summary>(database, out connection) → 0 on success.</summary>
    public readonly delegate* unmanaged<nint, nint*, int> Connect =
        (delegate* unmanaged<nint, nint*, int>)NativeLibrary.GetExport(library, "duckdb_connect");

    /// <summary>(connection, sql, out result) → 0 on success; the result is destroyed either way.</summary>
    public readonly delegate* unmanaged<nint, byte*, DuckDbResult*, int> Query =
        (delegate* unmanaged<nint, byte*, DuckDbResult*, int>)NativeLibrary.GetExport(library, "duckdb_query");

    /// <summary>(result) → message, which lives as long as the result.</summary>
    public readonly delegate* unmanaged<DuckDbResult*, byte*> ResultError =
        (delegate* unmanaged<DuckDbResult*, byte*>)NativeLibrary.GetExport(library, "duckdb_result_error");

    /// <summary>(result) → rows of a materialised result.</summary>
    public readonly delegate* unmanaged<DuckDbResult*, ulong> RowCount =
        (delegate* unmanaged<DuckDbResult*, ulong>)NativeLibrary.GetExport(library, "duckdb_row_count");

    /// <summary>(result, column, row) → text to be freed with <see cref="Free"/>, or null.</summary>
    public readonly delegate* unmanaged<DuckDbResult*, ulong, ulong, byte*> ValueVarchar =
        (delegate* unmanaged<DuckDbResult*, ulong, ulong, byte*>)NativeLibrary.GetExport(library, "duckdb_value_varchar");

    /// <summary>(result).</summary>
    public readonly delegate* unmanaged<DuckDbResult*, void> DestroyResult =
        (delegate* unmanaged<DuckDbResult*, void>)NativeLibrary.GetExport(library, "duckdb_destroy_result");

    /// <summary>(pointer).</summary>
    public readonly delegate* unmanaged<void*, void> Free =
        (delegate* unmanaged<void*, void>)NativeLibrary.GetExport(library, "duckdb_free");

    /// <summary>(connection).</summary>
    public readonly delegate* unmanaged<nint*, void> Disconnect =
        (delegate* unmanaged<nint*, void>)NativeLibrary.GetExport(library, "duckdb_disconnect");

    /// <summary>(database).</summary>
    public readonly delegate* unmanaged<nint*, void> Close =
        (delegate* unmanaged<nint*, void>)NativeLibrary.GetExport(library, "duckdb_close");

    /// <summary>() → version, static.</summary>
    public readonly delegate* unmanaged<byte*> LibraryVersion =
        (delegate* unmanaged<byte*>)NativeLibrary.GetExport(library, "duckdb_library_version");
}

/// <summary>A result as the C interface lays it out: six words, of which only their address is used here.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DuckDbResult
{
    private readonly ulong columnCount, rowCount, rowsChanged;
    private readonly nint columns, errorMessage, data;
}
