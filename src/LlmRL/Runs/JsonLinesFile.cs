using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>
/// An append-only file of JSON objects, one a line. Each line is handed to the operating system in one write, so a process that is killed loses at
/// most the line under way; such a torn end is cut off (or ended, where the object is complete) when the file is opened again.
/// </summary>
internal sealed class JsonLinesFile : IDisposable
{
    private const byte NewLine = (byte)'\n';

    // Plain UTF-8 keeps the files readable and searchable; nothing here is ever pasted into HTML without escaping.
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly FileStream stream;
    private readonly ArrayBufferWriter<byte> buffer = new(512);
    private readonly Lock gate = new();

    public JsonLinesFile(string path)
    {
        Path = path;
        try
        {
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot open {path} for appending: {e.Message}", e);
        }

        EndTornLine();
    }

    public string Path { get; }

    public void Append(Action<Utf8JsonWriter> writeProperties)
    {
        lock (gate)
        {
            buffer.ResetWrittenCount();
            using (var json = new Utf8JsonWriter(buffer, WriterOptions))
            {
                json.WriteStartObject();
                writeProperties(json);
                json.WriteEndObject();
            }

            buffer.Write([NewLine]);
            stream.Seek(0, SeekOrigin.End);
            Disk.Write(stream, buffer.WrittenSpan);
        }
    }

    /// <summary>Puts everything written so far on the disk itself.</summary>
    public void Sync()
    {
        lock (gate) Disk.Sync(stream);
    }

    public void Dispose() => stream.Dispose();

    private int ByteAt(long offset)
    {
        stream.Seek(offset, SeekOrigin.Begin);
        return stream.ReadByte();
    }

    private void EndTornLine()
    {
        var end = stream.Length;
        if (end == 0 || ByteAt(end - 1) == NewLine) return;
        var start = end;
        while (start > 0 && ByteAt(start - 1) != NewLine) start--;
        var tail = new byte[end - start];
        stream.Seek(start, SeekOrigin.Begin);
        stream.ReadExactly(tail);
        if (JsonLinesReader.TryParse(tail, out _)) stream.Write([NewLine]);
        else stream.SetLength(start);
    }
}
