using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>The messages of a conversational row. A chat template turns them into the texts of an <see cref="Example"/>.</summary>
public sealed record Conversation
{
    /// <summary>The messages up to where the policy speaks; of language-modelling data none.</summary>
    public required IReadOnlyList<ChatMessage> Prompt { get; init; }

    /// <summary>The demonstrated messages; of language-modelling data the whole conversation.</summary>
    public IReadOnlyList<ChatMessage>? Completion { get; init; }

    /// <summary>The preferred messages.</summary>
    public IReadOnlyList<ChatMessage>? Chosen { get; init; }

    /// <summary>The other messages.</summary>
    public IReadOnlyList<ChatMessage>? Rejected { get; init; }
}
