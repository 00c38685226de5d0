using System.Globalization;
using System.Text;
using LlmRL.Tokenization.Normalization;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Respells a text before it is cut.</summary>
internal interface INormalizer
{
    string Normalize(string text);
}

/// <summary>One after the other.</summary>
internal sealed class SequenceNormalizer(INormalizer[] steps) : INormalizer
{
    public string Normalize(string text)
    {
        foreach (var step in steps)
            text = step.Normalize(text);
        return text;
    }
}

/// <summary>A Unicode normalisation form.</summary>
internal sealed class UnicodeFormNormalizer(NormalizationForm form) : INormalizer
{
    public string Normalize(string text) => UnicodeNormalizer.Normalize(text, form);
}

/// <summary>A normaliser that is one function.</summary>
internal sealed class FunctionNormalizer(Func<string, string> function) : INormalizer
{
    public string Normalize(string text) => function(text);

    public static string Lowercase(string text)
    {
        var result = text.ToLowerInvariant();
        // The one character whose full lower case is two characters.
        return result.Contains('\u0130') ? result.Replace("\u0130", "i\u0307", StringComparison.Ordinal) : result;
    }

    public static string StripAccents(string text) => Filter(text, rune => !UnicodeNormalizer.IsMark(rune.Value));

    public static string Filter(string text, Func<Rune, bool> keep)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (keep(rune))
                result.Append(rune.ToString());
        }

        return result.ToString();
    }

    /// <summary>The clean-up of SentencePiece's NMT rules: control characters go, exotic spaces become plain ones.</summary>
    public static string Nmt(string text)
    {
        var kept = Filter(text, rune => rune.Value is not ((>= 0x1 and <= 0x8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F));
        return string.Create(kept.Length, kept, static (chars, source) =>
        {
            for (var i = 0; i < chars.Length; i++)
            {
                chars[i] = source[i] is '\t' or '\n' or '\f' or '\r' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029'
                    or '\u2581' or '\uFEFF' or '\uFFFD' ? ' ' : source[i];
            }
        });
    }
}

/// <summary>BERT's clean-up (Devlin et al. 2018).</summary>
internal sealed class BertNormalizer(bool cleanText, bool spaceChinese, bool stripAccents, bool lowercase) : INormalizer
{
    public string Normalize(string text)
    {
        if (cleanText)
            text = Clean(text);
        if (spaceChinese)
            text = SpaceChinese(text);
        if (stripAccents)
            text = FunctionNormalizer.Filter(UnicodeNormalizer.Normalize(text, NormalizationForm.FormD), IsNoNonSpacingMark);
        return lowercase ? FunctionNormalizer.Lowercase(text) : text;
    }

    private static bool IsNoNonSpacingMark(Rune rune) => Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark;

    private static string Clean(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
                result.Append(' ');
            else if (rune.Value is not (0 or 0xFFFD) && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned))
                result.Append(rune.ToString());
        }

        return result.ToString();
    }

    private static string SpaceChinese(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var isIdeograph = rune.Value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
                or (>= 0x2A700 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
            result.Append(isIdeograph ? $" {rune} " : rune.ToString());
        }

        return result.ToString();
    }
}
