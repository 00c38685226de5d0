namespace LlmRL.Data;

/// <summary>What becomes of a prompt that has too many tokens.</summary>
public enum TruncationMode
{
    /// <summary>Its row is left out.</summary>
    Drop,

    /// <summary>Its last tokens are kept.</summary>
    KeepEnd,

    /// <summary>Its first tokens are kept.</summary>
    KeepStart,

    /// <summary>
    /// The text in its midst loses its last line until the prompt fits, and where it has one line left, its last characters (arXiv 2403.17031, and the code of
    /// arXiv 2009.01325 before it). That text is the column <c>shorten</c> of a prompt in braces, the last question of a conversation, else all but the last line.
    /// </summary>
    Newline,
}
