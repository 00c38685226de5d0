using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using LlmRL.Models;
using LlmRL.Numerics;
using LlmRL.Runs;
using Microsoft.Win32.SafeHandles;

namespace LlmRL.Training;

/// <summary>
/// Moments in a file, 8 bytes a weight: chunk after chunk, m of a chunk and then its v, so that an optimizer step reads and writes each chunk once, through a buffer of 512 KiB for each thread.
/// Optimizer state outside the memory that training needs is ZeRO-Offload's (Ren et al. 2021, arXiv 2101.06840), on a disk ZeRO-Infinity's (Rajbhandari et al. 2021, arXiv 2104.07857).
/// </summary>
/// <remarks>
/// All of its room is taken when it is created, so that a disk fills up before the first step and not in one. The file has no name once it is open (on Windows: until it is closed), so that
/// its room is free again when the process ends, however it ends. The system keeps what it can of it in memory that is free; that is no part of the process's.
/// </remarks>
internal sealed unsafe class MomentFile : IMoments
{
    private const int BytesPerWeight = 2 * sizeof(float), CopyBytes = 1 << 20;
    private static int counter;

    private readonly string folder, path;
    private readonly MomentChunk[] chunks;
    private readonly long count;
    private readonly SafeFileHandle file;
    private readonly ConcurrentBag<NativeBuffer<float>> buffers = [];

    private MomentFile(string folder, MomentChunk[] chunks)
    {
        (this.folder, this.chunks) = (folder, chunks);
        count = chunks.Length == 0 ? 0 : chunks[^1].Start + chunks[^1].Count;
        path = Path.Combine(folder, $".moments.{Environment.ProcessId}-{Interlocked.Increment(ref counter)}.tmp");
        var bytes = count * BytesPerWeight;
        // Looked at beforehand, so that a file which is far too large does not fill the disk for a while.
        if (!OperatingSystem.IsWindows() && new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace is var free && free < bytes)
            throw new IOException($"{free:N0} bytes are free");
        file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.None, OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None, bytes);
        try
        {
            if (!OperatingSystem.IsWindows())
                File.Delete(path);
            // What was never written reads as zeros.
            RandomAccess.SetLength(file, bytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Zeros for all parameters, in a file in a folder.</summary>
    /// <exception cref="BadInputException">The file cannot be created, or the disk has no room for all of it.</exception>
    public static MomentFile Create(string folder, MomentChunk[] chunks)
    {
        try
        {
            return new MomentFile(folder, chunks);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            var weights = chunks.Sum(chunk => (long)chunk.Count);
            throw new BadInputException($"optimizer_offload: disk takes {weights * BytesPerWeight:N0} bytes in {folder}, {BytesPerWeight} for each weight that is trained, and did not get them: {fault.Message.TrimEnd('.')}. "
                + "Make room there, name a folder on another disk with --out, or leave optimizer_offload out.", fault);
        }
    }

    /// <inheritdoc/>
    public void Update(in MomentChunk chunk, MomentUpdate update)
    {
        var buffer = Borrow();
        try
        {
            var bytes = new Span<byte>(buffer.Pointer, chunk.Count * BytesPerWeight);
            Read(bytes, chunk.Start * BytesPerWeight);
            update(buffer.Pointer, buffer.Pointer + chunk.Count);
            Disk.Write(file, path, bytes, chunk.Start * BytesPerWeight);
        }
        finally
        {
            buffers.Add(buffer);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">There is no room for a second file beside the first.</exception>
    public IMoments Copy()
    {
        var copy = new MomentFile(folder, chunks);
        try
        {
            var bytes = new byte[Math.Min(CopyBytes, count * BytesPerWeight)];
            for (var at = 0L; at < count * BytesPerWeight; at += bytes.Length)
            {
                var piece = bytes.AsSpan(0, (int)Math.Min(bytes.Length, count * BytesPerWeight - at));
                Read(piece, at);
                Disk.Write(copy.file, copy.path, piece, at);
            }

            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<SafetensorsWriter.Item> Items() => [new(IMoments.FirstName, [count], sink => Stream(sink, half: 0)), new(IMoments.SecondName, [count], sink => Stream(sink, half: 1))];

    /// <inheritdoc/>
    public void Load(SafetensorsReader reader)
    {
        var (first, second) = (IMoments.Entry(reader, IMoments.FirstName, count), IMoments.Entry(reader, IMoments.SecondName, count));
        foreach (var chunk in chunks)
        {
            Update(chunk, (m, v) =>
            {
                reader.Read(first, chunk.Start, new Span<float>(m, chunk.Count));
                reader.Read(second, chunk.Start, new Span<float>(v, chunk.Count));
            });
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        file.Dispose();
        while (buffers.TryTake(out var buffer))
            buffer.Dispose();
    }

    /// <summary>One of the two moments of all chunks in order.</summary>
    private void Stream(SafetensorsWriter.Sink sink, int half)
    {
        var values = new float[MomentChunk.Length];
        foreach (var chunk in chunks)
        {
            var piece = values.AsSpan(0, chunk.Count);
            Read(MemoryMarshal.AsBytes(piece), chunk.Start * BytesPerWeight + (long)half * chunk.Count * sizeof(float));
            sink(piece);
        }
    }

    private void Read(Span<byte> bytes, long at)
    {
        while (bytes.Length > 0)
        {
            var read = RandomAccess.Read(file, bytes, at);
            if (read == 0)
                throw new IOException($"{path} ends at byte {at:N0} of {count * BytesPerWeight:N0}.");
            bytes = bytes[read..];
            at += read;
        }
    }

    private NativeBuffer<float> Borrow() => buffers.TryTake(out var buffer) ? buffer : new NativeBuffer<float>(2 * MomentChunk.Length);
}
