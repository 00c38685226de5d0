namespace LlmRL.Tokenization.HuggingFace;

/// <summary>A pre-tokenizer pattern whose matches cover the whole text, written out by hand: several times faster than a regular expression.</summary>
internal abstract class Scanner
{
    /// <summary>The end of the piece that starts at <paramref name="start"/>, which is below the text's length.</summary>
    public abstract int End(ReadOnlySpan<char> text, int start);

    /// <summary>The scanner for a pattern as <c>tokenizer.json</c> spells it, or null where the pattern is not one of the known ones.</summary>
    public static Scanner? ForPattern(string pattern) => pattern switch
    {
        Gpt2Scanner.Pattern => Gpt2Scanner.Instance,
        TiktokenScanner.PatternStart + @"\p{N}" + TiktokenScanner.PatternEnd => new TiktokenScanner(1),
        TiktokenScanner.PatternStart + @"\p{N}{1,3}" + TiktokenScanner.PatternEnd => new TiktokenScanner(3),
        WordScanner.Pattern => WordScanner.Instance,
        CharacterScanner.Pattern => CharacterScanner.Instance,
        _ => null,
    };

    /// <summary>The end of the run of code points from <paramref name="position"/> that have one of the classes.</summary>
    protected static int SkipAny(ReadOnlySpan<char> text, int position, CharClass classes)
    {
        while (position < text.Length && (CharClasses.At(text, position, out var length) & classes) != 0)
            position += length;
        return position;
    }

    /// <summary>The end of the run of code points from <paramref name="position"/> that have none of the classes.</summary>
    protected static int SkipNone(ReadOnlySpan<char> text, int position, CharClass classes)
    {
        while (position < text.Length && (CharClasses.At(text, position, out var length) & classes) == 0)
            position += length;
        return position;
    }

    /// <summary>The end of what <c>\s+(?!\S)|\s+</c> matches: a run of spaces leaves its last one to a word that follows, if it has more than one.</summary>
    protected static int SpacesEnd(ReadOnlySpan<char> text, int start)
    {
        var end = SkipAny(text, start, CharClass.Space);
        return end < text.Length && end - start > 1 ? end - 1 : end;
    }

    /// <summary>The length of an English contraction ('s 't 're 've 'm 'll 'd) at an apostrophe, or 0.</summary>
    protected static int ContractionLength(ReadOnlySpan<char> text, int start, bool ignoreCase)
    {
        if (start + 1 >= text.Length)
            return 0;
        var first = Fold(text[start + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (start + 2 >= text.Length)
            return 0;
        var second = Fold(text[start + 2], ignoreCase);
        return (first is 'r' or 'v' && second == 'e') || (first == 'l' && second == 'l') ? 3 : 0;
    }

    // U+017F, the long s, is the only other character whose case folding is one of the contractions' letters.
    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c is >= 'A' and <= 'Z' ? (char)(c | 0x20) : c == '\u017F' ? 's' : c;
}

/// <summary>GPT-2's pattern (Radford et al. 2019): contractions, then runs of letters, of numbers, of others, each with one leading space.</summary>
internal sealed class Gpt2Scanner : Scanner
{
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static readonly Gpt2Scanner Instance = new();

    private const CharClass Kinds = CharClass.Letter | CharClass.Number | CharClass.Space;

    public override int End(ReadOnlySpan<char> text, int start)
    {
        if (text[start] == '\'' && ContractionLength(text, start, ignoreCase: false) is > 0 and var length)
            return start + length;
        var position = text[start] == ' ' && start + 1 < text.Length ? start + 1 : start;
        var kind = CharClasses.At(text, position, out var width) & Kinds;
        if (kind == CharClass.Space)
            return SpacesEnd(text, start);
        return kind == CharClass.None ? SkipNone(text, position + width, Kinds) : SkipAny(text, position + width, kind);
    }
}

/// <summary>
/// The pattern of cl100k and its heirs (Llama 3, Qwen 2): letters take one leading character that is no line break, numbers come in groups of
/// at most <paramref name="maxDigits"/>, punctuation keeps the line breaks after it.
/// </summary>
internal sealed class TiktokenScanner(int maxDigits) : Scanner
{
    public const string PatternStart = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    public const string PatternEnd = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const CharClass Kinds = CharClass.Letter | CharClass.Number | CharClass.Space;

    public override int End(ReadOnlySpan<char> text, int start)
    {
        var c = text[start];
        if (c == '\'' && ContractionLength(text, start, ignoreCase: true) is > 0 and var contraction)
            return start + contraction;

        var kind = CharClasses.At(text, start, out var width) & Kinds;
        var next = start + width;
        if (kind == CharClass.Letter)
            return SkipAny(text, next, CharClass.Letter);
        if (kind == CharClass.Number)
            return NumberEnd(text, next);
        if (c is not ('\r' or '\n') && next < text.Length && (CharClasses.At(text, next, out var nextWidth) & CharClass.Letter) != 0)
            return SkipAny(text, next + nextWidth, CharClass.Letter);

        var symbols = c == ' ' && next < text.Length ? next : start;
        if ((CharClasses.At(text, symbols, out _) & Kinds) == CharClass.None)
            return LineBreaksEnd(text, SkipNone(text, symbols, Kinds));

        var spaces = SkipAny(text, start, CharClass.Space);
        var lastBreak = text[start..spaces].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? start + lastBreak + 1 : SpacesEnd(text, start);
    }

    private static int LineBreaksEnd(ReadOnlySpan<char> text, int position)
    {
        while (position < text.Length && text[position] is '\r' or '\n')
            position++;
        return position;
    }

    private int NumberEnd(ReadOnlySpan<char> text, int position)
    {
        for (var count = 1; count < maxDigits && position < text.Length; count++)
        {
            if ((CharClasses.At(text, position, out var length) & CharClass.Number) == 0)
                break;
            position += length;
        }

        return position;
    }
}

/// <summary>Words with one leading space; every other character alone.</summary>
internal sealed class WordScanner : Scanner
{
    public const string Pattern = @" ?[\p{L}\p{M}]+|[\s\S]";

    public static readonly WordScanner Instance = new();

    private const CharClass Word = CharClass.Letter | CharClass.Mark;

    public override int End(ReadOnlySpan<char> text, int start)
    {
        var position = text[start] == ' ' && start + 1 < text.Length ? start + 1 : start;
        var isWord = (CharClasses.At(text, position, out var width) & Word) != 0;
        if (isWord)
            return SkipAny(text, position + width, Word);
        CharClasses.At(text, start, out width);
        return start + width;
    }
}

/// <summary>Every code point alone.</summary>
internal sealed class CharacterScanner : Scanner
{
    public const string Pattern = @"[\s\S]";

    public static readonly CharacterScanner Instance = new();

    public override int End(ReadOnlySpan<char> text, int start)
    {
        CharClasses.At(text, start, out var width);
        return start + width;
    }
}
