using System.Buffers;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>A token that is found in the text before the model sees it.</summary>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>Only where no word character touches it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Takes the spaces before it along.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Takes the spaces after it along.</summary>
    public bool StripRight { get; init; }

    /// <summary>Looked for in the normalised text, not in the original.</summary>
    public bool Normalized { get; init; }

    /// <summary>Left out by <c>Decode</c> with <c>skipSpecialTokens</c>.</summary>
    public bool Special { get; init; }
}

/// <summary>Finds added tokens: at each place the longest one.</summary>
internal sealed class AddedTokenFinder
{
    private readonly Dictionary<char, (string Content, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">The tokens, each with the spelling to look for.</param>
    public AddedTokenFinder(IEnumerable<(string Content, AddedToken Token)> tokens)
    {
        _byFirst = tokens.Where(t => t.Content.Length > 0).GroupBy(t => t.Content[0])
            .ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Content.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>Cuts a text into parts with a token each, and parts without.</summary>
    public List<(int Start, int End, AddedToken? Token)> Split(string text)
    {
        var result = new List<(int, int, AddedToken?)>();
        var taken = 0;
        for (var position = 0; position < text.Length;)
        {
            var offset = text.AsSpan(position).IndexOfAny(_firsts);
            if (offset < 0)
                break;
            position += offset;
            if (Longest(text, position) is not { } match)
            {
                position++;
                continue;
            }

            var (content, token) = match;
            int start = position, end = position + content.Length;
            position = end;
            if (token.SingleWord && (IsWordBefore(text, start) || IsWordAt(text, end)))
                continue;
            while (token.StripLeft && start > taken && IsSpace(text[start - 1]))
                start--;
            while (token.StripRight && end < text.Length && IsSpace(text[end]))
                end++;
            if (start > taken)
                result.Add((taken, start, null));
            result.Add((start, end, token));
            taken = end;
        }

        if (taken < text.Length)
            result.Add((taken, text.Length, null));
        return result;
    }

    private (string Content, AddedToken Token)? Longest(string text, int position)
    {
        foreach (var candidate in _byFirst[text[position]])
        {
            if (text.AsSpan(position).StartsWith(candidate.Content, StringComparison.Ordinal))
                return candidate;
        }

        return null;
    }

    private static bool IsSpace(char c) => (CharClasses.Of(c) & CharClass.Space) != 0;

    private static bool IsWordAt(string text, int index) => index < text.Length && CharClasses.IsWord(CharClasses.At(text, index, out _));

    private static bool IsWordBefore(string text, int index)
    {
        if (index == 0)
            return false;
        var start = index > 1 && char.IsSurrogatePair(text[index - 2], text[index - 1]) ? index - 2 : index - 1;
        return CharClasses.IsWord(CharClasses.At(text, start, out _));
    }
}
