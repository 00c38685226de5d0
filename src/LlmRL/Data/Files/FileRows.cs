using System.IO.Compression;
using Microsoft.Win32.SafeHandles;

namespace LlmRL.Data;

/// <summary>
/// The byte ranges of a file's rows: the file is scanned once, and a row is read when it is asked for, so that files may be larger than memory. A
/// gzip file is unpacked to a temporary one that vanishes when it is closed.
/// </summary>
internal sealed class FileRows : IDisposable
{
    private const int BlockSize = 1 << 20;
    private const int MaxRow = 1 << 30;

    private readonly SafeFileHandle handle;
    private readonly RowIndex rows = new();

    private FileRows(string path, SafeFileHandle handle)
    {
        File = path;
        this.handle = handle;
    }

    public string File { get; }

    public int Count => rows.Count;

    /// <summary>Whether the bytes begin, after white space, with a JSON array's bracket.</summary>
    public bool BeginsWithBracket { get; private set; }

    /// <summary>Opens a file and finds its rows.</summary>
    /// <param name="path">The file; <c>.gz</c> is unpacked.</param>
    /// <param name="splitterFor">Makes the splitter for a file that does or does not begin with a bracket.</param>
    public static FileRows Open(string path, Func<bool, IRowSplitter> splitterFor)
    {
        if (!System.IO.File.Exists(path))
            throw new BadInputException($"{path}: there is no such file. Check the path; it is relative to the folder the program is started in.");
        try
        {
            return Open(path, path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? Unpack(path) : System.IO.File.OpenHandle(path), splitterFor);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new BadInputException($"{path}: cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Finds the rows of a file that is open already.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="handle">The file, which is closed with the rows.</param>
    /// <param name="splitterFor">Makes the splitter for a file that does or does not begin with a bracket.</param>
    public static FileRows Open(string name, SafeFileHandle handle, Func<bool, IRowSplitter> splitterFor)
    {
        var rows = new FileRows(name, handle);
        try
        {
            rows.Index(splitterFor);
            return rows;
        }
        catch
        {
            rows.Dispose();
            throw;
        }
    }

    /// <summary>The bytes of a row.</summary>
    public byte[] Bytes(int row)
    {
        var (start, length, _) = rows[row];
        var bytes = new byte[length];
        for (var done = 0; done < length;)
        {
            var read = RandomAccess.Read(handle, bytes.AsSpan(done), start + done);
            if (read == 0)
                throw new BadInputException($"{File}:{Line(row)}: the file has become shorter since it was opened. Start again.");
            done += read;
        }

        // A byte-order mark stands before the first row.
        return start == 0 && bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
    }

    /// <summary>The row's first line in the file, from 1.</summary>
    public int Line(int row) => rows[row].Line;

    public void Dispose() => handle.Dispose();

    private static SafeFileHandle Unpack(string path)
    {
        var temporary = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        var unpacked = System.IO.File.OpenHandle(
            temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        using var packed = new GZipStream(System.IO.File.OpenRead(path), CompressionMode.Decompress);
        try
        {
            var block = new byte[BlockSize];
            long at = 0;
            for (int read; (read = packed.Read(block)) > 0; at += read)
                RandomAccess.Write(unpacked, block.AsSpan(0, read), at);
            return unpacked;
        }
        catch (Exception fault)
        {
            unpacked.Dispose();
            throw fault is IOException ? new BadInputException($"{path}: cannot be unpacked to {Path.GetTempPath()}: {fault.Message}. TMPDIR names another folder.", fault) : fault;
        }
    }

    private void Index(Func<bool, IRowSplitter> splitterFor)
    {
        var block = new byte[BlockSize];
        IRowSplitter? splitter = null;
        long at = 0;
        for (int read; (read = RandomAccess.Read(handle, block, at)) > 0; at += read)
        {
            var bytes = block.AsSpan(0, read);
            if (at == 0 && bytes.StartsWith("\uFEFF"u8))
                bytes[..3].Fill((byte)' ');
            if (splitter is null)
            {
                var first = bytes.IndexOfAnyExcept(" \t\r\n"u8);
                BeginsWithBracket = first >= 0 && bytes[first] == '[';
                splitter = splitterFor(BeginsWithBracket);
            }

            splitter.Next(bytes, Add);
        }

        splitter?.End(File, Add);
        if (rows.Count == 0)
            throw new BadInputException($"{File}: the file has no rows.");

        void Add(long start, long end, int line)
        {
            if (end - start > MaxRow)
                throw new BadInputException($"{File}:{line}: a row of {end - start} bytes is too long. Are the line ends right?");
            rows.Add((start, (int)(end - start), line));
        }
    }
}
