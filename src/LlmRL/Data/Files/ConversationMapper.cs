using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>Divides the messages of a row into prompt and completions.</summary>
/// <param name="roles">Which column is what.</param>
/// <param name="text">The text of a column of the row.</param>
internal sealed class ConversationMapper(ColumnRoles roles, Func<string, string?> text)
{
    /// <summary>The conversation of one row.</summary>
    /// <exception cref="FormatException">The row's messages make none.</exception>
    public Conversation Map(IRow row)
    {
        var prompt = roles.Prompt is { } path ? Messages(row, path, "user") ?? throw new FormatException($"column '{path}' is null, but every row needs a prompt") : [];
        var completion = Messages(row, roles.Completion, "assistant");
        var (chosen, rejected) = (Messages(row, roles.Chosen, "assistant"), Messages(row, roles.Rejected, "assistant"));
        if (chosen is not null && rejected is not null && !(roles.Prompt is { } named && row.Messages(named, orOne: true) is not null))
        {
            // A prompt that is a text repeats the conversation's beginning.
            var shared = SharedBeginning.Of(chosen, rejected);
            if (shared > 0)
                prompt = chosen[..shared];
            else if (prompt.Count == 0)
                throw new FormatException($"'{roles.Chosen}' and '{roles.Rejected}' do not begin with the same message, so that there is no prompt; name its column under columns.prompt");
            (chosen, rejected) = (chosen[shared..], rejected[shared..]);
        }

        prompt = WithSystem(prompt, completion);
        return new Conversation
        {
            Prompt = prompt,
            Completion = prompt.Count == 0 && completion is not null ? WithSystem(completion, null) : After(prompt, completion),
            Chosen = After(prompt, chosen),
            Rejected = After(prompt, rejected),
        };
    }

    private List<ChatMessage>? Messages(IRow row, string? path, string role)
    {
        if (path is null)
            return null;
        if (!path.Contains('{') && row.Messages(path, orOne: true) is { } messages)
            return messages;
        return text(path) is { } said ? [new ChatMessage(role, said)] : null;
    }

    /// <summary>The messages behind a system message, where the row has one and they have none.</summary>
    private List<ChatMessage> WithSystem(List<ChatMessage> messages, List<ChatMessage>? after) =>
        roles.System is { } column && text(column) is { Length: > 0 } said && (messages.Count > 0 || after is null) && messages is not [{ Role: "system" }, ..]
            ? [new ChatMessage("system", said), .. messages]
            : messages;

    /// <summary>A completion without the prompt, where it repeats it.</summary>
    private static List<ChatMessage>? After(List<ChatMessage> prompt, List<ChatMessage>? messages) =>
        messages is not null && messages.Count > prompt.Count && messages.Take(prompt.Count).SequenceEqual(prompt) ? messages[prompt.Count..] : messages;
}
