namespace LlmRL.Tokenization.Chat;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">system, user, assistant, tool.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content);
