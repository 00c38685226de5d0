using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Runs;

/// <summary>
/// Whole-file writes that either happen or do not: the content goes to a temporary name in the same folder, is synced to the disk, and is renamed
/// over the old file. A reader, or a run that is killed half way, sees the old content or the new one, never a part.
/// </summary>
public static partial class AtomicFile
{
    private static int counter;

    /// <summary>Writes text as UTF-8 without a byte order mark.</summary>
    /// <exception cref="IOException">The file could not be written; the message names it, and the old file is as it was.</exception>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes bytes.</summary>
    /// <exception cref="IOException">The file could not be written; the message names it, and the old file is as it was.</exception>
    public static void WriteAllBytes(string path, ReadOnlyMemory<byte> bytes) => Write(path, stream => stream.Write(bytes.Span));

    /// <summary>Writes what <paramref name="write"/> puts into the stream. Its own exceptions, but for I/O errors, pass through.</summary>
    /// <exception cref="IOException">The file could not be written; the message names it, and the old file is as it was.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full) ?? throw new IOException($"Cannot write {path}: it names a root folder, not a file.");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Environment.ProcessId}-{Interlocked.Increment(ref counter)}.tmp");
        var renamed = false;
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(Disk.Faulty(stream));
                Disk.Sync(stream);
            }

            Disk.Announce(DiskOperation.Rename, full);
            File.Move(temporary, full, overwrite: true);
            renamed = true;
            SyncFolder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot write {path}: {e.Message}", e);
        }
        finally
        {
            if (!renamed) TryDelete(temporary);
        }
    }

    /// <summary>Syncs a folder's entries, so that a rename in it outlives a power cut. Nothing happens where the system has no such call.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = Open(folder, 0);
        if (descriptor < 0) return;
        // Some network file systems refuse to sync a folder; the rename has happened all the same, so this is not an error.
        _ = Fsync(descriptor);
        _ = Close(descriptor);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report.
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
