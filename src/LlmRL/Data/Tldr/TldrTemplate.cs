using System.Text;

namespace LlmRL.Data;

/// <summary>
/// A sentence with slots, <c>my {relation} {name} left.</c>, that renders text and recognises it again. A digit after a slot's name sets two
/// slots of one vocabulary apart.
/// </summary>
internal sealed class TldrTemplate
{
    public TldrTemplate(string text)
    {
        Parts = [.. Words(text)];
        Slots = [.. Parts.Where(IsSlot).Select(part => part[1..^1])];
    }

    public IReadOnlyList<string> Parts { get; }

    public IReadOnlyList<string> Slots { get; }

    /// <summary>Words and punctuation marks, in lower case; a line break is a token of its own, other white space none.</summary>
    public static List<string> Words(string text)
    {
        var words = new List<string>();
        for (var i = 0; i < text.Length;)
        {
            var start = i++;
            if (IsWordCharacter(text[start]))
            {
                while (i < text.Length && IsWordCharacter(text[i]))
                    i++;
            }
            else if (text[start] is ' ' or '\t' or '\r')
            {
                continue;
            }

            words.Add(text[start..i].ToLowerInvariant());
        }

        return words;
    }

    /// <summary>Joins tokens with spaces, none before a punctuation mark.</summary>
    public static string Join(IEnumerable<string> words)
    {
        var text = new StringBuilder();
        foreach (var word in words)
        {
            if (text.Length > 0 && !IsPunctuation(word))
                text.Append(' ');
            text.Append(word);
        }

        return text.ToString();
    }

    public static bool IsPunctuation(string word) => word is "." or "," or "?" or "!";

    public IEnumerable<string> Fill(IReadOnlyDictionary<string, string> values) => Parts.Select(part => IsSlot(part) ? values[part[1..^1]] : part);

    /// <summary>The slots' values, in order, where the words from <paramref name="start"/> on fit; null where they do not.</summary>
    public string[]? Match(IReadOnlyList<string> words, int start) => Match(words, start, Parts.Count);

    /// <summary>As <see cref="Match(IReadOnlyList{string}, int)"/>, without the closing mark.</summary>
    public string[]? MatchOpen(IReadOnlyList<string> words, int start) => Match(words, start, Parts.Count - 1);

    private string[]? Match(IReadOnlyList<string> words, int start, int length)
    {
        if (start + length > words.Count)
            return null;
        for (var i = 0; i < length; i++)
        {
            var fits = IsSlot(Parts[i]) ? TldrLexicon.Has(Parts[i][1..^1], words[start + i]) : Parts[i] == words[start + i];
            if (!fits)
                return null;
        }

        var values = new string[Slots.Count];
        for (int i = 0, slot = 0; i < length; i++)
        {
            if (IsSlot(Parts[i]))
                values[slot++] = words[start + i];
        }

        return values;
    }

    private static bool IsSlot(string part) => part[0] == '{' && part.Length > 1;

    private static bool IsWordCharacter(char c) => char.IsLetterOrDigit(c) || c is '\'' or '{' or '}';
}
