using System.Buffers.Binary;
using System.Text;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>Walks the fields of one protocol-buffers message (the wire format, without a schema).</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;
    private ReadOnlySpan<byte> _payload;
    private ulong _number;

    /// <summary>The field number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>The current field as a signed integer (int32, int64, enum).</summary>
    public readonly int Int32 => (int)(long)_number;

    /// <summary>The current field as a flag.</summary>
    public readonly bool Flag => _number != 0;

    /// <summary>The current field as a 32-bit float.</summary>
    public readonly float Single => BitConverter.UInt32BitsToSingle((uint)_number);

    /// <summary>The current field's bytes: a string, bytes or a message.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _payload;

    /// <summary>The current field as text.</summary>
    public readonly string Text => Encoding.UTF8.GetString(_payload);

    /// <summary>Goes to the next field; false at the end.</summary>
    public bool Read()
    {
        if (_rest.IsEmpty)
            return false;
        var tag = Varint();
        Field = (int)(tag >> 3);
        _payload = default;
        _number = 0;
        switch (tag & 7)
        {
            case 0:
                _number = Varint();
                break;
            case 1:
                _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                _payload = Take(Varint());
                break;
            case 5:
                _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw new InvalidDataException($"wire type {tag & 7} in field {Field}");
        }

        return Field > 0 ? true : throw new InvalidDataException("field number 0");
    }

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)_rest.Length)
            throw new InvalidDataException($"field {Field} wants {count} bytes, {_rest.Length} are left");
        var taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }

    private ulong Varint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64 && !_rest.IsEmpty; shift += 7)
        {
            var b = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }

        throw new InvalidDataException("a number is cut off");
    }
}
