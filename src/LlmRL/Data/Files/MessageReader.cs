using System.Text.Json;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>Reads messages as data sets spell them: <c>role</c> and <c>content</c>, or ShareGPT's <c>from</c> and <c>value</c>.</summary>
internal static class MessageReader
{
    /// <summary>A message, or a list of them; null where the value is something else.</summary>
    /// <exception cref="FormatException">A message says something else than text.</exception>
    public static List<ChatMessage>? Read(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object)
            return One(value) is { } only ? [only] : null;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
            return null;
        var messages = new List<ChatMessage>(value.GetArrayLength());
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object || One(item) is not { } message)
                return null;
            messages.Add(message);
        }

        return messages;
    }

    private static ChatMessage? One(JsonElement value)
    {
        if (!value.TryGetProperty("role", out var role) && !value.TryGetProperty("from", out role))
            return null;
        if (!value.TryGetProperty("content", out var content) && !value.TryGetProperty("value", out content))
            return null;
        return role.ValueKind == JsonValueKind.String ? new ChatMessage(Role(role.GetString()!), Content(content)) : null;
    }

    private static string Role(string name) => name.ToLowerInvariant() switch
    {
        "human" => "user",
        "gpt" or "chatgpt" or "bot" or "model" or "function_call" => "assistant",
        "observation" or "function" => "tool",
        var role => role,
    };

    private static string Content(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => content.GetString()!,
        // A message that only calls tools says nothing.
        JsonValueKind.Null => "",
        JsonValueKind.Array => string.Concat(content.EnumerateArray().Select(Part)),
        _ => throw new FormatException($"a message's content is a {content.ValueKind.ToString().ToLowerInvariant()}, but must be text"),
    };

    private static string Part(JsonElement part)
    {
        if (part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text) && text.ValueKind is JsonValueKind.String)
            return text.GetString()!;
        throw new FormatException("a message has a part that is no text (an image, say), which is not read here; select rows of text with sql");
    }
}
