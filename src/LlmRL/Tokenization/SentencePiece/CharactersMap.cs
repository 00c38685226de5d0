using System.Buffers.Binary;
using System.Text;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>
/// SentencePiece's precompiled normalisation rules: a double-array trie over UTF-8 bytes (the layout of darts-clone) whose values point into a
/// blob of zero-terminated replacements.
/// </summary>
internal sealed class CharactersMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    public CharactersMap(ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(blob) is var size && (size % 4 != 0 || size == 0 || size > blob.Length - 4))
            throw new InvalidDataException("the trie's length does not fit");
        var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(blob);
        _units = new uint[length / 4];
        for (var i = 0; i < _units.Length; i++)
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + (4 * i))..]);
        _replacements = blob[(4 + length)..].ToArray();
    }

    /// <summary>Replaces, from left to right, the longest prefix that has a rule; without one a character stays.</summary>
    public string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
            i += AppendPrefix(text.AsSpan(i), result);
        return result.ToString();
    }

    /// <summary>Appends the replacement of the text's longest prefix that has one, or the first character; returns the prefix's length.</summary>
    public int AppendPrefix(ReadOnlySpan<char> text, StringBuilder output)
    {
        Span<byte> utf8 = stackalloc byte[4];
        var node = Offset(_units[0]);
        int best = 0, found = 0;
        for (int i = 0, width; i < text.Length; i += width)
        {
            Rune.DecodeFromUtf16(text[i..], out var rune, out width);
            if (!TryStep(utf8[..rune.EncodeToUtf8(utf8)], ref node, out var value))
                break;
            if (value >= 0)
                (best, found) = (i + width, value);
        }

        if (best > 0)
        {
            var replacement = _replacements.AsSpan(Math.Min(found, _replacements.Length));
            var end = replacement.IndexOf((byte)0);
            output.Append(Encoding.UTF8.GetString(end < 0 ? replacement : replacement[..end]));
            return best;
        }

        Rune.DecodeFromUtf16(text, out var first, out var firstWidth);
        output.Append(first.ToString());
        return firstWidth;
    }

    // One character down the trie; value is the rule that ends there, or -1.
    private bool TryStep(ReadOnlySpan<byte> character, ref uint node, out int value)
    {
        value = -1;
        foreach (var b in character)
        {
            node ^= b;
            if (node >= _units.Length || (_units[node] & 0x800000FF) != b)
                return false;
            var unit = _units[node];
            node ^= Offset(unit);
            value = (unit & 0x100) != 0 && node < _units.Length ? (int)(_units[node] & 0x7FFFFFFF) : -1;
        }

        return true;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1U << 9)) >> 6);
}
