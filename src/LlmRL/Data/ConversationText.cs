using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>How messages become text: a model's chat template, or a plain form where it has none.</summary>
/// <param name="Render">(messages, whether the mark follows after which the policy speaks) → text.</param>
/// <param name="EndOfTurn">What ends a completion, and is not part of its text, because EOS is put behind every completion; may be empty.</param>
/// <param name="HasSpecialTokens">Whether the text holds the special tokens that the model wants.</param>
public sealed record ChatForm(Func<IReadOnlyList<ChatMessage>, bool, string> Render, string EndOfTurn, bool HasSpecialTokens)
{
    /// <summary>Where in a finished conversation's text the form itself says that the assistant speaks; empty where it does not say.</summary>
    public Func<IReadOnlyList<ChatMessage>, IReadOnlyList<Range>> Generated { get; init; } = _ => [];

    /// <summary>The form that a model's files ask for; the plain one where they have no template.</summary>
    public static ChatForm Of(Tokenizer tokenizer) => tokenizer.ChatTemplate is { } template
        ? new ChatForm((messages, open) => template.Render(messages, open), tokenizer.TokenText(tokenizer.EosId), HasSpecialTokens: true)
        {
            Generated = template.Generated,
        }
        : PlainChat.Form;
}

/// <summary>Messages without a template, a line each: <c>user: hello</c>.</summary>
public static class PlainChat
{
    /// <summary>The form.</summary>
    public static ChatForm Form { get; } = new(Render, "\n", HasSpecialTokens: false);

    private static string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) =>
        string.Concat(messages.Select(message => $"{message.Role}: {message.Content}\n")) + (addGenerationPrompt ? "assistant:" : "");
}

/// <summary>Writes the texts of a conversational example.</summary>
public static class ConversationText
{
    /// <summary>The example with the texts of its messages. What is said after the prompt is what a rendering of the whole conversation adds to it.</summary>
    /// <param name="example">A row with a <see cref="Conversation"/>.</param>
    /// <param name="form">How messages become text.</param>
    public static Example Apply(Example example, ChatForm form)
    {
        if (example.Conversation is not { } talk)
            return example;
        var completion = Whole(talk.Completion);
        var (chosen, rejected) = (Whole(talk.Chosen), Whole(talk.Rejected));
        var prompt = talk.Prompt.Count == 0 ? "" : Start(talk.Prompt, form);
        // Some templates open the answer of a prompt in another way than that of a finished conversation.
        var shared = new[] { completion, chosen, rejected }.OfType<string>().Aggregate(prompt.Length, (length, whole) => prompt.AsSpan(0, length).CommonPrefixLength(whole));
        return example with
        {
            Prompt = prompt[..shared],
            Completion = Rest(completion),
            Chosen = Rest(chosen),
            Rejected = Rest(rejected),
            HasSpecialTokens = form.HasSpecialTokens,
            Shortenable = LastQuestion(talk.Prompt, prompt[..shared]),
        };

        string? Whole(IReadOnlyList<ChatMessage>? messages) => messages is null ? null : form.Render([.. talk.Prompt, .. messages], false);

        string? Rest(string? whole) => whole is null ? null : WithoutEnd(whole[shared..], form.EndOfTurn);
    }

    /// <summary>A prompt up to where the policy speaks: after the template's mark, or in the midst of its own message where that comes last.</summary>
    private static string Start(IReadOnlyList<ChatMessage> prompt, ChatForm form)
    {
        if (prompt[^1].Role != "assistant")
            return form.Render(prompt, true);
        var whole = form.Render(prompt, false);
        var said = (prompt[^1].Content ?? "").Trim();
        var at = whole.LastIndexOf(said, StringComparison.Ordinal);
        return at < 0 ? whole : whole[..(at + said.Length)];
    }

    private static string WithoutEnd(string text, string end)
    {
        if (end.Length == 0)
            return text;
        var trimmed = text.TrimEnd();
        return end.Trim().Length == 0 ? trimmed : trimmed.EndsWith(end, StringComparison.Ordinal) ? trimmed[..^end.Length] : text;
    }

    private static Range? LastQuestion(IReadOnlyList<ChatMessage> prompt, string text)
    {
        if (prompt.LastOrDefault(message => message.Role == "user") is not { } question || question.Content?.Trim() is not { Length: > 0 } said)
            return null;
        var at = text.LastIndexOf(said, StringComparison.Ordinal);
        return at < 0 ? null : at..(at + said.Length);
    }
}
