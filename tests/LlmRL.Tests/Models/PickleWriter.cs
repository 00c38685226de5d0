using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace LlmRL.Tests.Models;

/// <summary>Writes files as torch.save does, instruction by instruction, and such as it never would.</summary>
internal sealed class PickleWriter
{
    private readonly MemoryStream _pickle = new();
    private readonly List<(string Key, byte[] Data, int ElementSize)> _storages = [];

    /// <summary>Legacy files name the view in a storage's id, too.</summary>
    public bool Legacy { get; init; }

    public PickleWriter Op(char code, params byte[] arguments)
    {
        _pickle.WriteByte((byte)code);
        _pickle.Write(arguments);
        return this;
    }

    public PickleWriter Protocol() => Op('\x80', 2);

    public PickleWriter Global(string module, string name) => Op('c', Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    public PickleWriter Text(string text) => Op('X', [.. BitConverter.GetBytes(Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)]);

    public PickleWriter Int(long value) => value is >= 0 and < 256 ? Op('K', (byte)value) : Op('J', BitConverter.GetBytes((int)value));

    public PickleWriter Ints(params long[] values)
    {
        Op('(');
        foreach (var value in values)
            Int(value);
        return Op('t');
    }

    /// <summary>A dictionary of tensors, each put on the stack by its action.</summary>
    public PickleWriter Dictionary(params (string Name, Action<PickleWriter> Value)[] items)
    {
        Global("collections", "OrderedDict").Op(')').Op('R').Op('(');
        foreach (var (name, value) in items)
        {
            Text(name);
            value(this);
        }

        return Op('u');
    }

    /// <summary>A tensor that views a storage of its own, or one written before.</summary>
    public PickleWriter Tensor(string type, byte[] data, int elementSize, long[] shape, long[]? strides = null, long offset = 0, string? storage = null)
    {
        var key = storage ?? _storages.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (_storages.All(known => known.Key != key))
            _storages.Add((key, data, elementSize));
        Global("torch._utils", "_rebuild_tensor_v2").Op('(');
        Op('(').Text("storage").Global("torch", type).Text(key).Text("cpu").Int(data.Length / elementSize);
        if (Legacy)
            Op('N');
        Op('t').Op('Q').Int(offset).Ints(shape).Ints(strides ?? RowMajor(shape)).Op('\x89');
        return Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');
    }

    public PickleWriter Floats(long[] shape, params float[] values) => Tensor("FloatStorage", [.. values.SelectMany(BitConverter.GetBytes)], 4, shape);

    /// <summary>The same around a pickle whose storages, numbered from 0, were written by hand.</summary>
    public byte[] Archive(IReadOnlyList<byte[]> storages)
    {
        _storages.AddRange(storages.Select((data, i) => (i.ToString(System.Globalization.CultureInfo.InvariantCulture), data, 1)));
        return Archive();
    }

    /// <summary>The zip archive of PyTorch 1.6 and later.</summary>
    public byte[] Archive(CompressionLevel compression = CompressionLevel.NoCompression)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            void Add(string name, byte[] data)
            {
                using var entry = zip.CreateEntry("weights/" + name, compression).Open();
                entry.Write(data);
            }

            Add("data.pkl", _pickle.ToArray());
            Add("byteorder", Encoding.ASCII.GetBytes("little"));
            _storages.ForEach(storage => Add("data/" + storage.Key, storage.Data));
            Add("version", Encoding.ASCII.GetBytes("3\n"));
        }

        return bytes.ToArray();
    }

    /// <summary>The file of PyTorch before 1.6.</summary>
    public byte[] Old()
    {
        using var bytes = new MemoryStream();
        bytes.Write([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.']);
        bytes.Write([0x80, 2, (byte)'M', 0xe9, 3, (byte)'.']);
        bytes.Write([0x80, 2, (byte)'}', (byte)'.']);
        bytes.Write(_pickle.ToArray());
        var keys = new PickleWriter().Protocol().Op(']').Op('(');
        _storages.ForEach(storage => keys.Text(storage.Key));
        bytes.Write(keys.Op('e').Op('.')._pickle.ToArray());
        var length = new byte[8];
        foreach (var storage in _storages)
        {
            BinaryPrimitives.WriteInt64LittleEndian(length, storage.Data.Length / storage.ElementSize);
            bytes.Write(length);
            bytes.Write(storage.Data);
        }

        return bytes.ToArray();
    }

    public byte[] Bare() => _pickle.ToArray();

    private static long[] RowMajor(long[] shape)
    {
        var strides = new long[shape.Length];
        var stride = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        return strides;
    }
}
