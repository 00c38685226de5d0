using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics;

namespace LlmRL.Models;

/// <summary>
/// Reads the state dict of a file that <c>torch.save</c> wrote (<c>.bin</c>, <c>.pt</c>, <c>.pth</c>): a zip archive with a pickle and a file per storage, or, before PyTorch
/// 1.6, pickles followed by the storages. No code of the file is run; see <see cref="Pickle"/>.
/// </summary>
public sealed class PickleReader : IWeightFile
{
    private const int MaxPickle = 100_000_000;
    private static readonly BigInteger LegacyMagic = BigInteger.Parse("119547037146038801333356");
    private static readonly string[] Wrappers = ["state_dict", "model_state_dict", "model", "module"];
    private readonly FileStream file;
    private readonly ZipArchive? archive;
    private readonly Dictionary<string, long> legacyStart = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PickledTensor> tensors = new(StringComparer.Ordinal);
    private readonly string root = "";

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="BadInputException">It is missing, cut short, holds no state dict, or asks for code to be run.</exception>
    public PickleReader(string path)
    {
        Path = path;
        if (!File.Exists(path))
            throw new BadInputException($"{path}: no such file. Name a folder or file with weights.");
        file = File.OpenRead(path);
        try
        {
            var start = new byte[4];
            var isZip = file.ReadAtLeast(start, 4, throwOnEndOfStream: false) == 4 && start.AsSpan().SequenceEqual("PK\x03\x04"u8);
            file.Position = 0;
            object? content;
            if (isZip)
            {
                archive = new ZipArchive(file, ZipArchiveMode.Read);
                content = LoadArchive(out root);
            }
            else
                content = LoadLegacy();
            CollectTensors(content);
        }
        catch (Exception fault) when (fault is InvalidDataException or EndOfStreamException)
        {
            Dispose();
            throw new BadInputException($"{path}: no sound PyTorch file ({fault.Message}); it is cut short or damaged. Fetch it again.", fault);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>Names of the tensors.</summary>
    public IReadOnlyCollection<string> Names => tensors.Keys;

    /// <inheritdoc/>
    public long[]? ShapeOf(string name) => tensors.TryGetValue(name, out var tensor) ? tensor.Shape : null;

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        var tensor = tensors[name];
        if (destination.Length != tensor.Shape.Aggregate(1L, (product, length) => product * length))
            throw new ArgumentException($"{name} has shape [{string.Join(", ", tensor.Shape)}], the destination {destination.Length} elements");
        if (destination.Length == 0)
            return;
        var last = tensor.Offset + tensor.Shape.Zip(tensor.Strides, (length, stride) => (length - 1) * stride).Sum();
        var size = ElementTypes.Size(tensor.Storage.Type);
        var span = last - tensor.Offset + 1;
        if (span * size > Array.MaxLength)
            throw new BadInputException($"{Path}: tensor {name} spans {span} elements; more than {Array.MaxLength} bytes cannot be read at once. Convert it to safetensors.");
        var bytes = new byte[span * size];
        ReadStorage(tensor.Storage, tensor.Offset * size, bytes);
        var values = span == destination.Length ? destination : new float[span];
        if (!ElementTypes.TryWiden(tensor.Storage.Type, bytes, values))
            throw new BadInputException($"{Path}: tensor {name} has type {tensor.Storage.Type}; weights must be F32, F16, BF16 or F64.");
        if (!IsRowMajor(tensor))
            Gather(span == destination.Length ? values.ToArray() : values, tensor, destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        archive?.Dispose();
        file.Dispose();
    }

    private static bool IsRowMajor(PickledTensor tensor)
    {
        var expected = 1L;
        for (var i = tensor.Shape.Length - 1; i >= 0; i--)
        {
            if (tensor.Shape[i] != 1 && tensor.Strides[i] != expected)
                return false;
            expected *= tensor.Shape[i];
        }

        return true;
    }

    private static void Gather(ReadOnlySpan<float> source, PickledTensor tensor, Span<float> destination)
    {
        var index = new long[tensor.Shape.Length];
        var at = 0L;
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = source[(int)at];
            for (var d = index.Length - 1; d >= 0; d--)
            {
                at += tensor.Strides[d];
                if (++index[d] < tensor.Shape[d])
                    break;
                at -= index[d] * tensor.Strides[d];
                index[d] = 0;
            }
        }
    }

    private object? LoadArchive(out string folder)
    {
        const string Name = "data.pkl";
        var pickle = archive!.Entries.FirstOrDefault(entry => entry.Name == Name)
            ?? throw new BadInputException($"{Path}: the archive has no {Name}; it was not written by torch.save.");
        folder = pickle.FullName[..^Name.Length];
        if (archive.GetEntry(folder + "byteorder") is { } order)
        {
            using var reader = new StreamReader(order.Open());
            var text = new char[6];
            if (new string(text, 0, reader.ReadBlock(text)) != "little")
                throw new BadInputException($"{Path}: the file was written by a big-endian machine; only little-endian ones are read.");
        }

        if (pickle.Length > MaxPickle || pickle.CompressedLength != pickle.Length)
            throw Pickle.Damaged(Path, $"{pickle.FullName} is compressed or larger than {MaxPickle} bytes, which torch.save never makes it");
        var data = new byte[pickle.Length];
        using var stream = pickle.Open();
        stream.ReadExactly(data);
        return new Pickle(Path, data).Load();
    }

    /// <summary>A magic number, a protocol number, the machine's sizes, the state dict, the keys of the storages, and the storages, each led by its length.</summary>
    private object? LoadLegacy()
    {
        var data = new byte[Math.Min(file.Length, MaxPickle)];
        file.ReadExactly(data);
        if (data.Length < 2 || data[0] != 0x80 || data[1] > 5)
            throw new BadInputException($"{Path}: neither a zip archive nor a pickle; a file written by torch.save was expected.");
        var pickle = new Pickle(Path, data);
        if (!LegacyMagic.Equals(pickle.Load()))
            throw new BadInputException($"{Path}: a pickle, but not one written by torch.save.");
        pickle.Load();
        pickle.Load();
        var content = pickle.Load();
        if (pickle.Load() is not List<object?> keys)
            throw Pickle.Damaged(Path, "the list of storages is missing");
        var sizes = new Dictionary<string, PickledStorage>(StringComparer.Ordinal);
        foreach (var tensor in Tensors(content))
            sizes[tensor.Storage.Key] = tensor.Storage;
        var position = (long)pickle.Position;
        foreach (var key in keys)
        {
            if (key is not string text || !sizes.TryGetValue(text, out var storage))
                throw Pickle.Damaged(Path, "a storage belongs to no tensor");
            var length = new byte[8];
            file.Position = position;
            file.ReadExactly(length);
            if (BinaryPrimitives.ReadInt64LittleEndian(length) != storage.Elements)
                throw Pickle.Damaged(Path, $"storage {text} has another length than its tensors say");
            legacyStart[text] = position + 8;
            position = checked(position + 8 + storage.Elements * ElementTypes.Size(storage.Type));
            if (position > file.Length)
                throw Pickle.Damaged(Path, $"storage {text} ends behind the file");
        }

        return content;
    }

    private void CollectTensors(object? content)
    {
        var dictionary = StateDict(content)
            ?? throw new BadInputException($"{Path}: no state dict: a dictionary of tensors by name, by itself or under {string.Join(", ", Wrappers)}, was expected.");
        foreach (var (name, value) in dictionary.Entries)
        {
            if (value is not PickledTensor tensor)
                continue;
            CheckStorage(tensor.Storage);
            tensors[name] = tensor;
        }
    }

    private static PickledDictionary? StateDict(object? content)
    {
        if (content is not PickledDictionary dictionary)
            return null;
        if (dictionary.Entries.Values.Any(value => value is PickledTensor))
            return dictionary;
        return Wrappers.Select(name => dictionary.Entries.GetValueOrDefault(name)).OfType<PickledDictionary>().FirstOrDefault(inner => inner.Entries.Values.Any(value => value is PickledTensor));
    }

    /// <summary>All tensors of a dictionary and of the dictionaries and lists in it.</summary>
    private static IEnumerable<PickledTensor> Tensors(object? content)
    {
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        var left = new Stack<object?>([content]);
        while (left.TryPop(out var item))
        {
            if (item is null || !seen.Add(item))
                continue;
            if (item is PickledTensor tensor)
                yield return tensor;
            foreach (var inner in item switch { PickledDictionary dictionary => dictionary.Entries.Values, IEnumerable<object?> list => list, _ => [] })
                left.Push(inner);
        }
    }

    private void CheckStorage(PickledStorage storage)
    {
        var bytes = (Int128)storage.Elements * ElementTypes.Size(storage.Type);
        if (archive is null)
        {
            if (!legacyStart.ContainsKey(storage.Key))
                throw Pickle.Damaged(Path, $"storage {storage.Key} is missing");
            return;
        }

        var entry = Entry(storage);
        if (entry.Length != bytes || entry.CompressedLength != entry.Length)
            throw Pickle.Damaged(Path, $"storage {storage.Key} has {entry.Length} bytes where {bytes} were announced");
    }

    private ZipArchiveEntry Entry(PickledStorage storage) =>
        archive!.GetEntry($"{root}data/{storage.Key}") ?? throw Pickle.Damaged(Path, $"storage {storage.Key} is missing");

    private void ReadStorage(PickledStorage storage, long offset, Span<byte> destination)
    {
        try
        {
            if (archive is null)
            {
                file.Position = legacyStart[storage.Key] + offset;
                file.ReadExactly(destination);
                return;
            }

            using var stream = Entry(storage).Open();
            Skip(stream, offset);
            stream.ReadExactly(destination);
        }
        catch (Exception fault) when (fault is InvalidDataException or EndOfStreamException)
        {
            throw Pickle.Damaged(Path, $"storage {storage.Key} cannot be read ({fault.Message})");
        }
    }

    private static void Skip(Stream stream, long bytes)
    {
        if (stream.CanSeek)
        {
            stream.Seek(bytes, SeekOrigin.Current);
            return;
        }

        var buffer = new byte[Math.Min(bytes, 1 << 16)];
        for (var left = bytes; left > 0;)
        {
            var count = (int)Math.Min(left, buffer.Length);
            stream.ReadExactly(buffer, 0, count);
            left -= count;
        }
    }
}
