using Microsoft.Win32.SafeHandles;

namespace LlmRL.Runs;

/// <summary>What a write to the disk does.</summary>
internal enum DiskOperation
{
    /// <summary>Bytes go into an open file.</summary>
    Write,

    /// <summary>A file's content is put on the disk itself.</summary>
    Sync,

    /// <summary>A file or folder gets its final name.</summary>
    Rename,

    /// <summary>A file or folder goes away.</summary>
    Delete,
}

/// <summary>
/// The seam through which a run's writes go, so that a test can let any of them fail as a bad disk would. Faults belong to the flow of execution that
/// injected them, its background writers included, and not to the process: tests beside it do not notice.
/// </summary>
internal static class Disk
{
    private static readonly AsyncLocal<IDiskFaults?> Injected = new();

    /// <summary>Sends every further write of this flow of execution through <paramref name="faults"/> until the result is disposed.</summary>
    public static IDisposable Inject(IDiskFaults faults)
    {
        Injected.Value = faults;
        return new Injection();
    }

    /// <summary>Announces an operation other than writing bytes.</summary>
    /// <exception cref="IOException">A fault was injected.</exception>
    public static void Announce(DiskOperation operation, string path) => Injected.Value?.Before(operation, path, 0);

    /// <summary>Writes bytes into an open file; where a fault is injected, a part of them or none.</summary>
    public static void Write(FileStream stream, ReadOnlySpan<byte> bytes)
    {
        if (Injected.Value is { } faults && faults.Before(DiskOperation.Write, stream.Name, bytes.Length) is { } fault)
        {
            stream.Write(bytes[..fault.BytesWritten]);
            stream.Flush();
            throw fault.Error;
        }

        stream.Write(bytes);
    }

    /// <summary>Writes bytes at an offset of an open file; where a fault is injected, a part of them or none.</summary>
    public static void Write(SafeFileHandle file, string path, ReadOnlySpan<byte> bytes, long offset)
    {
        if (Injected.Value is { } faults && faults.Before(DiskOperation.Write, path, bytes.Length) is { } fault)
        {
            RandomAccess.Write(file, bytes[..fault.BytesWritten], offset);
            throw fault.Error;
        }

        RandomAccess.Write(file, bytes, offset);
    }

    /// <summary>Puts an open file's content on the disk itself.</summary>
    public static void Sync(FileStream stream)
    {
        Announce(DiskOperation.Sync, stream.Name);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>The stream itself, or one that lets writes fail where faults are injected.</summary>
    public static Stream Faulty(FileStream stream) => Injected.Value is null ? stream : new FaultyStream(stream);

    /// <summary>Deletes a folder and everything in it where it is there.</summary>
    public static void DeleteFolder(string path)
    {
        if (!Directory.Exists(path))
            return;
        Announce(DiskOperation.Delete, path);
        Directory.Delete(path, recursive: true);
    }

    /// <summary>Gives a folder its final name.</summary>
    public static void MoveFolder(string from, string to)
    {
        Announce(DiskOperation.Rename, to);
        Directory.Move(from, to);
    }

    private sealed class Injection : IDisposable
    {
        public void Dispose() => Injected.Value = null;
    }

    private sealed class FaultyStream(FileStream stream) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => stream.Length;

        public override long Position { get => stream.Position; set => throw new NotSupportedException(); }

        public override void Flush() => stream.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Disk.Write(stream, buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer) => Disk.Write(stream, buffer);
    }
}

/// <summary>Decides which writes fail. Called from several threads.</summary>
internal interface IDiskFaults
{
    /// <summary>Called before an operation. An operation that writes no bytes fails by throwing.</summary>
    /// <param name="operation">What is about to happen.</param>
    /// <param name="path">The file or folder.</param>
    /// <param name="bytes">How many bytes are written.</param>
    /// <returns>For <see cref="DiskOperation.Write"/>: how it fails, or null where it does not.</returns>
    WriteFault? Before(DiskOperation operation, string path, int bytes);
}

/// <summary>A write that fails.</summary>
/// <param name="BytesWritten">How many bytes still reach the file.</param>
/// <param name="Error">What the writer is told.</param>
internal sealed record WriteFault(int BytesWritten, IOException Error);

/// <summary>How a write of <see cref="NthWriteFault"/> fails.</summary>
internal enum WriteFaultKind
{
    /// <summary>An I/O error once; later writes work.</summary>
    Error,

    /// <summary>Half of the bytes are written, then an I/O error, once.</summary>
    ShortWrite,

    /// <summary>The disk is full from then on: half of the bytes are written, and no later write works.</summary>
    NoSpace,
}

/// <summary>Lets the n-th operation fail, counted from 1; n = 0 counts without a fault.</summary>
/// <param name="n">Which operation.</param>
/// <param name="kind">How it fails.</param>
internal sealed class NthWriteFault(int n, WriteFaultKind kind) : IDiskFaults
{
    private int count;

    /// <summary>Operations so far.</summary>
    public int Count => Volatile.Read(ref count);

    /// <inheritdoc/>
    public WriteFault? Before(DiskOperation operation, string path, int bytes)
    {
        var number = Interlocked.Increment(ref count);
        if (n == 0 || number < n || (number > n && (kind != WriteFaultKind.NoSpace || operation == DiskOperation.Delete)))
            return null;
        var error = new IOException(kind == WriteFaultKind.NoSpace ? $"No space left on device : '{path}'" : $"Input/output error : '{path}'");
        return operation == DiskOperation.Write ? new WriteFault(kind == WriteFaultKind.Error ? 0 : bytes / 2, error) : throw error;
    }
}
