namespace LlmRL.Data;

/// <summary>
/// One row of a data set after its columns were mapped. What is set depends on the kind of data: a prompt alone, a prompt with its completion
/// (demonstration), a preference pair, or a prompt with a verifiable answer.
/// </summary>
public sealed record Example
{
    /// <summary>The text the policy is given.</summary>
    public required string Prompt { get; init; }

    /// <summary>The demonstrated completion: SFT's target, and the human reference in win rates.</summary>
    public string? Completion { get; init; }

    /// <summary>The preferred completion of a pair.</summary>
    public string? Chosen { get; init; }

    /// <summary>What SFT imitates: the completion, or a pair's preferred one.</summary>
    internal string? Demonstration => Completion ?? Chosen;

    /// <summary>The other completion of a pair.</summary>
    public string? Rejected { get; init; }

    /// <summary>Whether <see cref="Completion"/> is a good one, in data without pairs.</summary>
    public bool? Label { get; init; }

    /// <summary>How much better the chosen one is, in units of reward, where the data says so.</summary>
    public double? Margin { get; init; }

    /// <summary>The gold answer that a verifier compares with.</summary>
    public string? Answer { get; init; }

    /// <summary>A level to break results down by: number of steps of a problem, say. 0 where the data has none.</summary>
    public int Difficulty { get; init; }

    /// <summary>The messages of a conversational row, from which the texts above were made; null for plain text.</summary>
    public Conversation? Conversation { get; init; }

    /// <summary>Whether the texts hold the special tokens that the model wants (a chat template wrote them), so that none are added.</summary>
    public bool HasSpecialTokens { get; init; }

    /// <summary>The part of <see cref="Prompt"/> that may be shortened where the prompt is too long: the post within its template. Null: not known.</summary>
    public Range? Shortenable { get; init; }

    /// <summary>Where the row comes from, for messages: "file.jsonl:12" or "arithmetic/test/3".</summary>
    public string Source { get; init; } = "";

    /// <summary>The other columns, by name, as text (JSON for nested ones).</summary>
    public IReadOnlyDictionary<string, string> Fields { get; init; } = new Dictionary<string, string>();
}
