using System.Globalization;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>What the pre-tokenizers' patterns ask of a character.</summary>
[Flags]
internal enum CharClass : byte
{
    None = 0,

    /// <summary>\p{L}.</summary>
    Letter = 1,

    /// <summary>\p{N}.</summary>
    Number = 2,

    /// <summary>\s: Unicode's White_Space.</summary>
    Space = 4,

    /// <summary>\p{M}.</summary>
    Mark = 8,

    /// <summary>ASCII punctuation and symbols, and \p{P}.</summary>
    Punctuation = 16,

    /// <summary>The other characters of \w beyond letters, marks and decimal digits: \p{Pc}, letter numbers and other alphabetic symbols.</summary>
    Connector = 32,

    /// <summary>\p{Nd}.</summary>
    Digit = 64,
}

/// <summary>Classes of code points: a table for the basic plane, the runtime's data above it.</summary>
internal static class CharClasses
{
    private static readonly CharClass[] Table = BuildTable();

    public static CharClass Of(char c) => Table[c];

    public static CharClass Of(int codePoint) => codePoint <= char.MaxValue ? Table[codePoint] : Classify(codePoint);

    /// <summary>The class of the code point at <paramref name="index"/> and its length in UTF-16 units. A lone surrogate has no class.</summary>
    public static CharClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        var c = text[index];
        if (char.IsHighSurrogate(c) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            length = 2;
            return Classify(char.ConvertToUtf32(c, text[index + 1]));
        }

        length = 1;
        return Table[c];
    }

    public static bool IsWord(CharClass c) => (c & (CharClass.Letter | CharClass.Mark | CharClass.Digit | CharClass.Connector)) != 0;

    private static CharClass[] BuildTable()
    {
        var table = new CharClass[char.MaxValue + 1];
        for (var c = 0; c < table.Length; c++)
            table[c] = Classify(c);
        return table;
    }

    private static CharClass Classify(int codePoint)
    {
        var result = CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharClass.Letter,
            UnicodeCategory.DecimalDigitNumber => CharClass.Number | CharClass.Digit,
            UnicodeCategory.LetterNumber => CharClass.Number | CharClass.Connector,
            UnicodeCategory.OtherNumber => CharClass.Number,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => CharClass.Mark,
            UnicodeCategory.ConnectorPunctuation => CharClass.Punctuation | CharClass.Connector,
            UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation
                or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation
                or UnicodeCategory.OtherPunctuation => CharClass.Punctuation,
            UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => CharClass.Space,
            _ => CharClass.None,
        };
        if (codePoint is (>= 9 and <= 13) or 0x85)
            result |= CharClass.Space;
        if (codePoint is (>= '!' and <= '/') or (>= ':' and <= '@') or (>= '[' and <= '`') or (>= '{' and <= '~'))
            result |= CharClass.Punctuation;
        if (codePoint is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189))
            result |= CharClass.Connector; // circled and squared letters: Other_Alphabetic symbols
        return result;
    }
}
