using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>Writes a model in SentencePiece's protocol-buffers form, so that one read from another format can be used elsewhere.</summary>
internal static class SentencePieceWriter
{
    public static byte[] Write(SentencePieceModel model)
    {
        var message = new ArrayBufferWriter<byte>();
        foreach (var piece in model.Pieces)
        {
            var entry = new ArrayBufferWriter<byte>();
            Bytes(entry, 1, Encoding.UTF8.GetBytes(piece.Text));
            Single(entry, 2, piece.Score);
            Number(entry, 3, (uint)piece.Kind);
            Bytes(message, 1, entry.WrittenSpan);
        }

        var trainer = new ArrayBufferWriter<byte>();
        Number(trainer, 3, model.IsBpe ? 2u : 1u);
        Number(trainer, 35, model.ByteFallback ? 1u : 0u);
        Bytes(trainer, 44, Encoding.UTF8.GetBytes(model.UnknownSurface));
        Bytes(message, 2, trainer.WrittenSpan);

        var normalizer = new ArrayBufferWriter<byte>();
        Bytes(normalizer, 1, "identity"u8);
        Number(normalizer, 3, model.AddDummyPrefix ? 1u : 0u);
        Number(normalizer, 4, model.RemoveExtraWhitespaces ? 1u : 0u);
        Number(normalizer, 5, model.EscapeWhitespaces ? 1u : 0u);
        Bytes(message, 3, normalizer.WrittenSpan);
        return message.WrittenSpan.ToArray();
    }

    private static void Bytes(ArrayBufferWriter<byte> output, uint field, ReadOnlySpan<byte> content)
    {
        Varint(output, (field << 3) | 2);
        Varint(output, (uint)content.Length);
        output.Write(content);
    }

    private static void Number(ArrayBufferWriter<byte> output, uint field, uint value)
    {
        Varint(output, field << 3);
        Varint(output, value);
    }

    private static void Single(ArrayBufferWriter<byte> output, uint field, float value)
    {
        Varint(output, (field << 3) | 5);
        BinaryPrimitives.WriteSingleLittleEndian(output.GetSpan(4), value);
        output.Advance(4);
    }

    private static void Varint(ArrayBufferWriter<byte> output, uint value)
    {
        for (; value >= 0x80; value >>= 7)
            output.Write([(byte)(value | 0x80)]);
        output.Write([(byte)value]);
    }
}
