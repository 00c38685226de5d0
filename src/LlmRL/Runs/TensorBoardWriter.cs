using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace LlmRL.Runs;

/// <summary>
/// Writes a TensorBoard event file: a TFRecord stream of protobuf <c>Event</c> messages with scalar and text summaries.
/// </summary>
/// <remarks>
/// Record framing: length (u64 little endian), masked CRC32C of those 8 bytes, data, masked CRC32C of the data. Field numbers are those of
/// tensorflow/core/util/event.proto, framework/summary.proto and framework/tensor.proto.
/// </remarks>
public sealed class TensorBoardWriter : IDisposable
{
    private const int DtString = 7, SessionStart = 1, DataClassTensor = 2;

    private readonly TimeProvider time;
    private readonly FileStream stream;
    private readonly Lock gate = new();

    /// <summary>Starts a new event file <c>events.out.tfevents.UNIX.HOST.llmrl</c> in a folder, which is created where it is absent.</summary>
    /// <param name="folder">TensorBoard shows each folder as one run.</param>
    /// <param name="time">Clock of the events.</param>
    /// <param name="host">Machine name in the file name.</param>
    /// <param name="purgeStep">When a run resumes: events of earlier files at this step and after are no longer shown.</param>
    public TensorBoardWriter(string folder, TimeProvider time, string host, long? purgeStep = null)
    {
        this.time = time;
        Directory.CreateDirectory(folder);
        stream = OpenNew(folder, time.GetUtcNow().ToUnixTimeSeconds(), host);
        Path = stream.Name;
        WriteEvent(0, e => e.Text(3, "brain.Event:2"));
        if (purgeStep is { } step) WriteEvent(step, e => e.Message(7, session => session.Varint(1, SessionStart)));
        stream.Flush();
    }

    /// <summary>The event file.</summary>
    public string Path { get; }

    /// <summary>Writes the numbers of one step, tagged <c>stage/metric</c>, and flushes.</summary>
    public void Scalars(string stage, long step, IEnumerable<KeyValuePair<string, double>> values)
    {
        foreach (var (name, value) in values) Scalar($"{stage}/{name}", value, step);
        Flush();
    }

    /// <summary>Writes one number (TensorBoard keeps float32).</summary>
    public void Scalar(string tag, double value, long step) => WriteEvent(step, e => e.Message(5, summary => summary.Message(1, entry =>
    {
        entry.Text(1, tag);
        entry.Fixed32(2, BitConverter.SingleToUInt32Bits((float)value));
    })));

    /// <summary>Writes a text, shown as Markdown.</summary>
    public void Text(string tag, string text, long step) => WriteEvent(step, e => e.Message(5, summary => summary.Message(1, entry =>
    {
        entry.Text(1, $"{tag}/text_summary");
        entry.Message(8, tensor =>
        {
            tensor.Varint(1, DtString);
            tensor.Message(2, shape => shape.Message(2, dimension => dimension.Varint(1, 1)));
            tensor.Text(8, text);
        });
        entry.Message(9, metadata =>
        {
            metadata.Message(1, plugin => plugin.Text(1, "text"));
            metadata.Varint(4, DataClassTensor);
        });
    })));

    /// <summary>Hands everything written so far to the operating system.</summary>
    public void Flush()
    {
        lock (gate) stream.Flush();
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => stream.Dispose();

    /// <summary>CRC-32C (Castagnoli): the check of "123456789" is 0xE3069283.</summary>
    internal static uint Crc32C(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var b in data) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    /// <summary>TFRecord's mask, which keeps a CRC over data that holds CRCs sound: rotate right by 15, add a constant.</summary>
    internal static uint Mask(uint crc) => BitOperations.RotateRight(crc, 15) + 0xA282EAD8;

    private static FileStream OpenNew(string folder, long unixSeconds, string host)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{unixSeconds}.{host}.llmrl");
        // Two sessions may start within one second; TensorBoard reads every file whose name contains "tfevents".
        for (var i = 0; ; i++)
        {
            var path = System.IO.Path.Combine(folder, i == 0 ? name : $"{name}.{i}");
            try
            {
                return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
            }
            catch (IOException) when (File.Exists(path) && i < 1000)
            {
                continue;
            }
        }
    }

    private void WriteEvent(long step, Action<ProtoWriter> content)
    {
        lock (gate)
        {
            var message = new ProtoWriter();
            message.Fixed64(1, BitConverter.DoubleToUInt64Bits((time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds));
            message.Varint(2, (ulong)step);
            content(message);
            WriteRecord(message.Written);
        }
    }

    private void WriteRecord(ReadOnlySpan<byte> data)
    {
        Span<byte> header = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Mask(Crc32C(header[..8])));
        Span<byte> footer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(footer, Mask(Crc32C(data)));
        byte[] record = [.. header, .. data, .. footer];
        Disk.Write(stream, record);
    }
}

/// <summary>The few wire types of protobuf that event files need.</summary>
internal sealed class ProtoWriter
{
    private readonly ArrayBufferWriter<byte> buffer = new(64);

    public ReadOnlySpan<byte> Written => buffer.WrittenSpan;

    public void Varint(int field, ulong value)
    {
        Raw((ulong)field << 3);
        Raw(value);
    }

    public void Fixed64(int field, ulong value)
    {
        Raw(((ulong)field << 3) | 1);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan(8), value);
        buffer.Advance(8);
    }

    public void Fixed32(int field, uint value)
    {
        Raw(((ulong)field << 3) | 5);
        BinaryPrimitives.WriteUInt32LittleEndian(buffer.GetSpan(4), value);
        buffer.Advance(4);
    }

    public void Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

    public void Message(int field, Action<ProtoWriter> content)
    {
        var inner = new ProtoWriter();
        content(inner);
        Bytes(field, inner.Written);
    }

    private void Bytes(int field, ReadOnlySpan<byte> bytes)
    {
        Raw(((ulong)field << 3) | 2);
        Raw((ulong)bytes.Length);
        buffer.Write(bytes);
    }

    private void Raw(ulong value)
    {
        while (value >= 0x80)
        {
            buffer.Write([(byte)(value | 0x80)]);
            value >>= 7;
        }

        buffer.Write([(byte)value]);
    }
}
