namespace LlmRL.Data;

/// <summary>The kinds of data sets, as TRL divides them.</summary>
public enum DataKind
{
    /// <summary>Texts or whole conversations.</summary>
    LanguageModeling,

    /// <summary>Prompts, perhaps with an answer to verify.</summary>
    PromptOnly,

    /// <summary>Prompts with a completion each: demonstrations.</summary>
    PromptCompletion,

    /// <summary>A preferred and another completion, after a prompt or behind the beginning that they share.</summary>
    Preference,

    /// <summary>Prompts with a completion each, and whether it is good.</summary>
    UnpairedPreference,
}

/// <summary>What a file's columns were recognised as.</summary>
public sealed record DataFormat
{
    /// <summary>The kind.</summary>
    public required DataKind Kind { get; init; }

    /// <summary>Whether prompts or completions are lists of messages with roles, rather than texts.</summary>
    public bool IsConversational { get; init; }

    /// <summary>Whether the prompt of a pair is what its two texts or conversations have in common.</summary>
    public bool HasImplicitPrompt { get; init; }

    /// <summary>Which column is what: prompt → question, say. In the order of <see cref="ColumnMap"/>.</summary>
    public required IReadOnlyList<(string Role, string Column)> Columns { get; init; }

    /// <summary>For people: "preference pairs, implicit prompt, conversational".</summary>
    public override string ToString() => string.Join(", ", new[]
    {
        Kind switch
        {
            DataKind.LanguageModeling => "language modelling",
            DataKind.PromptOnly => "prompts",
            DataKind.PromptCompletion => "prompts with completions",
            DataKind.Preference => "preference pairs",
            _ => "unpaired preferences",
        },
        HasImplicitPrompt ? "implicit prompt" : null,
        IsConversational ? "conversational" : null,
        Columns.Any(column => column.Role == "answer") ? "with answers" : null,
    }.OfType<string>());
}
