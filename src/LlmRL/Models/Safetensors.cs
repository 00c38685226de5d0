using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace LlmRL.Models;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type as the format spells it: F32, F16, BF16, F64, I64, …</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Begin">Offset of its first byte from the start of the data section.</param>
/// <param name="End">Offset behind its last byte.</param>
public sealed record SafetensorsEntry(string Name, string Type, long[] Shape, long Begin, long End)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Bytes of one element, or 0 for an unknown type.</summary>
    public int ElementSize => ElementTypes.Size(Type);
}

/// <summary>
/// Reads a safetensors file through a memory map: 8 bytes of header length (little endian), a JSON header, then raw data.
/// The header is checked against the file before anything is read, so that a cut or lying file is refused with one message.
/// Format: github.com/huggingface/safetensors.
/// </summary>
public sealed unsafe class SafetensorsReader : IWeightFile
{
    private const long MaxHeader = 100_000_000;
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* data;

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="BadInputException">The file is missing, cut short, or its header is not consistent with it.</exception>
    public SafetensorsReader(string path)
    {
        Path = path;
        if (!File.Exists(path))
            throw new BadInputException($"{path}: no such file. Name a folder or file with safetensors weights.");
        var size = new FileInfo(path).Length;
        if (size < 10)
            throw new BadInputException($"{path}: {size} bytes are too few for a safetensors file; it was cut short. Fetch it again.");
        map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        try
        {
            view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            var headerLength = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(start, 8));
            if (headerLength < 2 || headerLength > Math.Min(size - 8, MaxHeader))
                throw new BadInputException($"{path}: the header claims {headerLength} bytes but the file has {size}; it is cut short or no safetensors file.");
            data = start + 8 + headerLength;
            (Entries, Metadata) = ParseHeader(path, new ReadOnlySpan<byte>(start + 8, (int)headerLength), size - 8 - headerLength);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <summary>The <c>__metadata__</c> text pairs.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public long[]? ShapeOf(string name) => Entries.TryGetValue(name, out var entry) ? entry.Shape : null;

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination) => Read(Entries[name], destination);

    /// <summary>Copies a floating-point tensor into float32 memory, widening F16 and BF16 and rounding F64.</summary>
    public void Read(SafetensorsEntry entry, Span<float> destination)
    {
        if (destination.Length != entry.Elements)
            throw new ArgumentException($"{entry.Name} has {entry.Elements} elements, the destination {destination.Length}");
        Read(entry, 0, destination);
    }

    /// <summary>The same for as many of its elements, in row-major order, as the destination has.</summary>
    /// <param name="entry">A tensor of this file.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="destination">Where they go.</param>
    public void Read(SafetensorsEntry entry, long first, Span<float> destination)
    {
        if (first < 0 || first + destination.Length > entry.Elements)
            throw new ArgumentException($"{entry.Name} has {entry.Elements} elements, not {destination.Length} from {first} on");
        var source = new ReadOnlySpan<byte>(data + entry.Begin + first * entry.ElementSize, checked(destination.Length * entry.ElementSize));
        if (!ElementTypes.TryWiden(entry.Type, source, destination))
            throw new BadInputException($"{Path}: tensor {entry.Name} has type {entry.Type}; weights must be F32, F16, BF16 or F64.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (data != null)
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        view?.Dispose();
        map.Dispose();
    }

    private static (Dictionary<string, SafetensorsEntry>, Dictionary<string, string>) ParseHeader(string path, ReadOnlySpan<byte> header, long dataLength)
    {
        var entries = new Dictionary<string, SafetensorsEntry>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            using var json = JsonDocument.Parse(header.ToArray());
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__")
                {
                    foreach (var pair in property.Value.EnumerateObject())
                        metadata[pair.Name] = pair.Value.GetString() ?? "";
                    continue;
                }

                var shape = property.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
                var offsets = property.Value.GetProperty("data_offsets");
                var entry = new SafetensorsEntry(property.Name, property.Value.GetProperty("dtype").GetString() ?? "", shape, offsets[0].GetInt64(), offsets[1].GetInt64());
                Check(path, entry, dataLength);
                if (!entries.TryAdd(entry.Name, entry))
                    throw new BadInputException($"{path}: tensor {entry.Name} stands twice in the header.");
            }
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
        {
            throw new BadInputException($"{path}: the header is no valid safetensors JSON ({fault.Message}). Fetch the file again.", fault);
        }

        return (entries, metadata);
    }

    private static void Check(string path, SafetensorsEntry entry, long dataLength)
    {
        if (entry.Begin < 0 || entry.End < entry.Begin || entry.End > dataLength)
            throw new BadInputException($"{path}: tensor {entry.Name} lies at bytes {entry.Begin} to {entry.End} but the file has {dataLength} bytes of data; it is cut short or damaged.");
        long bytes;
        try
        {
            bytes = checked(entry.Elements * entry.ElementSize);
        }
        catch (OverflowException)
        {
            bytes = -1;
        }

        if (entry.ElementSize == 0)
            throw new BadInputException($"{path}: tensor {entry.Name} has the unknown type '{entry.Type}'.");
        if (Array.Exists(entry.Shape, size => size < 0) || bytes != entry.End - entry.Begin)
            throw new BadInputException($"{path}: tensor {entry.Name} of shape [{string.Join(", ", entry.Shape)}] and type {entry.Type} does not fit its {entry.End - entry.Begin} bytes.");
    }
}

/// <summary>Writes safetensors files in float32.</summary>
public static class SafetensorsWriter
{
    // A stream takes fewer than 2³¹ bytes at once.
    private const int PieceLength = 1 << 24;

    /// <summary>One tensor to write.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Shape">Its shape.</param>
    /// <param name="Write">Gives its elements when their turn comes, row-major, in one piece or several.</param>
    public sealed record Item(string Name, long[] Shape, Source Write)
    {
        /// <summary>A tensor that is given in one piece.</summary>
        public Item(string name, long[] shape, Reader read)
            : this(name, shape, sink => sink(read()))
        {
        }
    }

    /// <summary>A tensor's elements, row-major: those in memory where they lie as the file has them, or an array made for them.</summary>
    public delegate ReadOnlySpan<float> Reader();

    /// <summary>Gives a tensor's elements to a sink.</summary>
    public delegate void Source(Sink sink);

    /// <summary>Takes the next elements of a tensor.</summary>
    public delegate void Sink(ReadOnlySpan<float> piece);

    /// <summary>A tensor that lies in the CPU's memory; it must stay there until it is written.</summary>
    public static Item Of(string name, TorchSharp.torch.Tensor values) =>
        new(name, values.shape, () => Native.NativeTorch.AsSpan<float>(values));

    /// <summary>Writes all items, in the given order, to a stream. The caller makes the file atomic.</summary>
    public static void Write(Stream stream, IReadOnlyList<Item> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in (metadata ?? new Dictionary<string, string>()).Append(new("format", "pt")))
                json.WriteString(key, value);
            json.WriteEndObject();
            var offset = 0L;
            foreach (var item in items)
            {
                var bytes = Elements(item.Shape) * sizeof(float);
                json.WriteStartObject(item.Name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                foreach (var size in item.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // The data section starts at a multiple of 8 bytes, so that a reader can map it as floats.
        var text = Encoding.UTF8.GetString(header.ToArray());
        text = text.PadRight((text.Length + 7) / 8 * 8);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        stream.Write(length);
        stream.Write(Encoding.UTF8.GetBytes(text));
        foreach (var item in items)
        {
            var written = 0L;
            item.Write(piece =>
            {
                written += piece.Length;
                for (var at = 0; at < piece.Length; at += PieceLength)
                    stream.Write(MemoryMarshal.AsBytes(piece[at..Math.Min(at + PieceLength, piece.Length)]));
            });
            if (written != Elements(item.Shape))
                throw new ArgumentException($"{item.Name} of shape [{string.Join(", ", item.Shape)}] has {written} elements.");
        }
    }

    private static long Elements(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);
}
