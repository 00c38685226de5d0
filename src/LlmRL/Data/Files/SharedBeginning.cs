using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>The prompt of a pair without one: what its two sides have in common.</summary>
internal static class SharedBeginning
{
    private const string Turn = "\n\nAssistant:";

    /// <summary>
    /// What two texts share: up to the last "Assistant:" in it where there is one (hh-rlhf), else up to the word in which they part, without the space before it.
    /// </summary>
    public static string Of(string a, string b)
    {
        var length = a.AsSpan().CommonPrefixLength(b);
        var turn = a.AsSpan(0, length).LastIndexOf(Turn, StringComparison.Ordinal);
        if (turn >= 0)
            return a[..(turn + Turn.Length)];
        while (length > 0 && length < a.Length && !char.IsWhiteSpace(a[length - 1]))
            length--;
        return a[..(length > 0 && a[length - 1] == ' ' ? length - 1 : length)];
    }

    /// <summary>How many messages two conversations share; each keeps at least its last one.</summary>
    public static int Of(IReadOnlyList<ChatMessage> a, IReadOnlyList<ChatMessage> b)
    {
        var most = Math.Min(a.Count, b.Count) - 1;
        var length = 0;
        while (length < most && a[length] == b[length])
            length++;
        return length;
    }
}
