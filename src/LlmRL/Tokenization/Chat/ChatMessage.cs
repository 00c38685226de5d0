using System.Text.Json;

namespace LlmRL.Tokenization.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>, or what the template knows.</param>
/// <param name="Content">What is said; null where the message has no such field.</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>
    /// Further fields, such as <c>tool_calls</c>: null, booleans, numbers, strings, lists, dictionaries by string and <see cref="JsonElement"/>. A field
    /// <c>content</c> here takes the place of <see cref="Content"/> (null, or a list of parts).
    /// </summary>
    public IReadOnlyDictionary<string, object?>? Fields { get; init; }

    /// <summary>Reads a conversation: a JSON list of objects with <c>role</c> and <c>content</c>, and whatever else the template knows.</summary>
    /// <param name="messages">The list.</param>
    /// <param name="place">Its file and line, for messages.</param>
    public static ChatMessage[] ReadList(JsonElement messages, string place)
    {
        if (messages.ValueKind != JsonValueKind.Array)
            throw new BadInputException($"{place}: a list of messages was expected, such as [{{\"role\": \"user\", \"content\": \"Hi\"}}], found {Shown(messages)}");
        return [.. messages.EnumerateArray().Select((message, i) => Read(message, $"{place}, message {i + 1}"))];
    }

    /// <summary>What a JSON string that is no Unicode text means to a reader.</summary>
    internal static BadInputException HalfPair(string place, Exception fault) =>
        new($"{place}: a string has one half of a surrogate pair (\\ud800 to \\udfff alone): write the whole character", fault);

    /// <summary>Reads a message: an object with <c>role</c> and <c>content</c>, and whatever else the template knows.</summary>
    /// <param name="message">The object. It is read now: the document may go away afterwards.</param>
    /// <param name="place">Its file and line, for messages.</param>
    public static ChatMessage Read(JsonElement message, string place)
    {
        try
        {
            return ReadFields(message, place);
        }
        catch (InvalidOperationException fault)
        {
            throw HalfPair(place, fault);
        }
    }

    private static ChatMessage ReadFields(JsonElement message, string place)
    {
        if (message.ValueKind != JsonValueKind.Object || !message.TryGetProperty("role", out var role) || role.ValueKind != JsonValueKind.String)
            throw new BadInputException($"{place}: an object with \"role\" and \"content\" was expected, found {Shown(message)}");
        var hasText = message.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String;
        if (!hasText && content.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null or JsonValueKind.Array or JsonValueKind.Object))
            throw new BadInputException($"{place}: content: a string or a list of parts was expected, found {Shown(content)}");
        Dictionary<string, object?>? fields = null;
        foreach (var field in message.EnumerateObject())
        {
            if (field.Name != "role" && !(field.Name == "content" && hasText))
                (fields ??= new(StringComparer.Ordinal))[field.Name] = field.Value.Clone();
        }

        return new ChatMessage(role.GetString()!, hasText ? content.GetString() : null) { Fields = fields };
    }

    internal object ToTemplate(ref long size, int depth)
    {
        size += Role.Length + (Content?.Length ?? 0);
        var map = new OrderedDictionary<string, object?>(StringComparer.Ordinal) { ["role"] = Role };
        if (Content is not null)
            map["content"] = Content;
        foreach (var (name, value) in Fields ?? (IEnumerable<KeyValuePair<string, object?>>)[])
        {
            size += name.Length;
            map[name] = TemplateValues.FromHost(value, ref size, depth + 1);
        }

        return map;
    }

    private static string Shown(JsonElement value)
    {
        var raw = value.ValueKind == JsonValueKind.Undefined ? "nothing" : value.GetRawText();
        return raw.Length <= 60 ? raw : raw[..60] + "…";
    }
}
