using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace LlmRL.Models;

/// <summary>A tensor in a pickle: a strided view of a storage.</summary>
/// <param name="Storage">What it views.</param>
/// <param name="Offset">First element.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Strides">Elements from one index to the next, by dimension.</param>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>A storage that a pickle refers to.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">Element type as safetensors spells it.</param>
/// <param name="Elements">Number of elements.</param>
internal sealed record PickledStorage(string Key, string Type, long Elements);

/// <summary>
/// Python's pickle format (docs.python.org/3/library/pickletools.html) as far as tensors and plain containers need it. A pickle is a program that may call any Python
/// function; this reader knows no functions but those that rebuild a tensor or an ordered dictionary, and refuses all others by name.
/// </summary>
/// <param name="path">The file, for messages.</param>
/// <param name="data">The pickle; what follows it is left alone.</param>
internal sealed class Pickle(string path, byte[] data)
{
    private static readonly object Mark = new();
    private readonly List<object?> stack = [];
    private readonly Dictionary<long, object?> memo = [];

    /// <summary>Where the next pickle starts.</summary>
    public int Position { get; private set; }

    /// <summary>
    /// Reads one pickle. Lists come as <see cref="List{T}"/>, tuples as arrays, dictionaries as lists of pairs (<see cref="PickledDictionary"/>), numbers as long or double.
    /// </summary>
    public object? Load()
    {
        stack.Clear();
        memo.Clear();
        while (true)
        {
            var code = (char)Byte();
            if (code == '.')
                return Pop();
            if (!Constant(code) && !Container(code) && !Memory(code))
                Call(code);
        }
    }

    /// <summary>The error of a file that is no sound pickle.</summary>
    public static BadInputException Damaged(string path, string what) => new($"{path}: {what}; the file is cut short or damaged. Fetch it again.");

    private bool Constant(char code)
    {
        switch (code)
        {
            case '\x80': // protocol
                return Byte() <= 5 ? true : throw Refused("a newer pickle protocol than 5");
            case '\x95': // frame
                Bytes(8);
                return true;
            case 'N':
                return Push(null);
            case '\x88':
                return Push(true);
            case '\x89':
                return Push(false);
            case 'J':
                return Push((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4)));
            case 'K':
                return Push((long)Byte());
            case 'M':
                return Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2)));
            case '\x8a':
                var digits = Bytes(Byte());
                return Push(digits.Length <= 8 ? (long)new BigInteger(digits) : new BigInteger(digits));
            case 'G':
                return Push(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8)));
            case 'X':
                return Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))));
            case '\x8c' or 'U':
                return Push(Text(Byte()));
            case 'T':
                return Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))));
            default:
                return false;
        }
    }

    private bool Container(char code)
    {
        switch (code)
        {
            case '(':
                return Push(Mark);
            case ')':
                return Push(Array.Empty<object?>());
            case ']':
                return Push(new List<object?>());
            case '}':
                return Push(new PickledDictionary());
            case 't':
                return Push(PopToMark());
            case 'l':
                return Push(new List<object?>(PopToMark()));
            case 'd':
                return Push(new PickledDictionary().Add(path, PopToMark()));
            case '\x85':
                return Push(PopMany(1));
            case '\x86':
                return Push(PopMany(2));
            case '\x87':
                return Push(PopMany(3));
            case 'a':
                Extend(PopMany(1));
                return true;
            case 'e':
                Extend(PopToMark());
                return true;
            case 's':
                Set(PopMany(2));
                return true;
            case 'u':
                Set(PopToMark());
                return true;
            default:
                return false;
        }
    }

    private bool Memory(char code)
    {
        switch (code)
        {
            case 'q':
                memo[Byte()] = Peek();
                return true;
            case 'r':
                memo[BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))] = Peek();
                return true;
            case '\x94':
                memo[memo.Count] = Peek();
                return true;
            case 'h':
                return Recall(Byte());
            case 'j':
                return Recall(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)));
            case '0':
                Pop();
                return true;
            default:
                return false;
        }
    }

    /// <summary>What could run code in Python: names of functions, calls, states of objects.</summary>
    private void Call(char code)
    {
        switch (code)
        {
            case 'c':
                Push(PickledFunction.Find(path, Line(), Line()));
                break;
            case '\x93':
                var names = PopMany(2);
                Push(PickledFunction.Find(path, names[0] as string ?? "", names[1] as string ?? ""));
                break;
            case 'R':
                var call = PopMany(2);
                if (call is not [PickledFunction function, object?[] arguments])
                    throw Refused("a call of something that is no known function");
                Push(function.Invoke(path, arguments));
                break;
            case 'Q':
                Push(PickledFunction.Storage(path, Pop()));
                break;
            case 'b':
                Pop();
                // An ordered dictionary's own attributes, such as the versions of modules, say nothing about tensors.
                if (Peek() is not PickledDictionary)
                    throw Refused("the state of an object");
                break;
            default:
                throw Refused($"the instruction 0x{(int)code:x2}");
        }
    }

    private BadInputException Refused(string what) => PickledFunction.Refused(path, what);

    private bool Push(object? value)
    {
        stack.Add(value);
        return true;
    }

    private object? Peek() => stack.Count > 0 && stack[^1] != Mark ? stack[^1] : throw Damaged(path, "the pickle takes from an empty stack");

    private object? Pop()
    {
        var top = Peek();
        stack.RemoveAt(stack.Count - 1);
        return top;
    }

    private object?[] PopMany(int count)
    {
        var values = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            values[i] = Pop();
        return values;
    }

    private object?[] PopToMark()
    {
        var start = stack.LastIndexOf(Mark);
        if (start < 0)
            throw Damaged(path, "the pickle lacks a mark");
        object?[] values = [.. stack[(start + 1)..]];
        stack.RemoveRange(start, stack.Count - start);
        return values;
    }

    private void Extend(object?[] values) =>
        (Peek() as List<object?> ?? throw Damaged(path, "the pickle appends to what is no list")).AddRange(values);

    private void Set(object?[] values) =>
        (Peek() as PickledDictionary ?? throw Refused("items of an object that is no dictionary")).Add(path, values);

    private bool Recall(long index) => memo.TryGetValue(index, out var value) ? Push(value) : throw Damaged(path, $"the pickle recalls {index}, which it never stored");

    private byte Byte() => Bytes(1)[0];

    private ReadOnlySpan<byte> Bytes(long count)
    {
        if (count > data.Length - Position)
            throw Damaged(path, "the pickle ends too early");
        Position += (int)count;
        return data.AsSpan(Position - (int)count, (int)count);
    }

    private string Text(long length) => Encoding.UTF8.GetString(Bytes(length));

    private string Line()
    {
        var end = Array.IndexOf(data, (byte)'\n', Position);
        if (end < 0)
            throw Damaged(path, "the pickle ends too early");
        var line = Encoding.UTF8.GetString(data, Position, end - Position);
        Position = end + 1;
        return line;
    }
}

/// <summary>A dictionary in the order of the pickle. Only texts are of interest as keys.</summary>
internal sealed class PickledDictionary
{
    /// <summary>The entries whose keys are texts.</summary>
    public Dictionary<string, object?> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds key, value, key, value, ….</summary>
    public PickledDictionary Add(string path, object?[] items)
    {
        if (items.Length % 2 != 0)
            throw Pickle.Damaged(path, "the pickle has a key without a value");
        for (var i = 0; i < items.Length; i += 2)
        {
            if (items[i] is string key)
                Entries[key] = items[i + 1];
        }

        return this;
    }
}
