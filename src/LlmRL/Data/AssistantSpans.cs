using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>Where in the text of a conversation the assistant speaks, its ends of turn included: what a model that answers is to learn.</summary>
public static class AssistantSpans
{
    // A character for private use, which no conversation has.
    private const string Placeholder = "\uE000";

    /// <summary>
    /// The spans within the completion, or within the chosen answer of a preference pair. The template's own <c>{% generation %}</c> blocks count where it has them; else a turn begins where the
    /// messages before it, rendered with the mark after which the assistant speaks, end (where the template has none, at its content), and it ends behind its content and
    /// the end-of-turn token.
    /// </summary>
    /// <param name="example">A row whose texts were written by the form.</param>
    /// <param name="form">How messages become text.</param>
    /// <exception cref="BadInputException">The row is no conversation, or the assistant's turns are not found in its text.</exception>
    public static IReadOnlyList<Range> Of(Example example, ChatForm form)
    {
        if (example.Conversation is not { } talk || (talk.Completion ?? talk.Chosen) is not { } said || example.Demonstration is not { } text)
            throw new BadInputException($"{example.Source}: assistant_only_loss needs conversations (a column of messages), and this row is plain text; leave the option out.");
        IReadOnlyList<ChatMessage> messages = [.. talk.Prompt, .. said];
        var whole = form.Render(messages, false);
        var offset = whole.LastIndexOf(text, StringComparison.Ordinal);
        if (offset < 0)
            throw new BadInputException($"{example.Source}: the conversation's text was shortened, so that assistant_only_loss cannot find the turns in it; leave out truncation_mode.");
        var turns = form.Generated(messages) is { Count: > 0 } marked ? marked : [.. Turns(messages, talk.Prompt.Count, whole, form, example.Source)];
        var spans = turns.Select(turn => Clip(turn, offset, text.Length)).Where(span => span.End.Value > span.Start.Value).ToArray();
        return spans.Length > 0 ? spans
            : throw new BadInputException($"{example.Source}: no message of the assistant is in this row, so that assistant_only_loss leaves nothing to learn; select other rows with sql.");
    }

    private static IEnumerable<Range> Turns(IReadOnlyList<ChatMessage> messages, int first, string whole, ChatForm form, string source)
    {
        for (var i = first; i < messages.Count; i++)
        {
            if (messages[i].Role == "assistant")
                yield return Turn(messages, i, whole, form)
                    ?? throw new BadInputException($"{source}: what follows message {i + 1}, of the assistant, depends on it in the chat template, so that assistant_only_loss cannot find its end.");
        }
    }

    /// <summary>Where a turn stands: what comes before and after it is what stays when another word is said in its place.</summary>
    private static Range? Turn(IReadOnlyList<ChatMessage> messages, int index, string whole, ChatForm form)
    {
        ChatMessage[] before = [.. messages.Take(index)];
        var other = form.Render([.. before, messages[index] with { Content = Placeholder }, .. messages.Skip(index + 1)], false);
        var place = other.IndexOf(Placeholder, StringComparison.Ordinal);
        var after = place < 0 ? "" : other[(place + Placeholder.Length)..];
        if (place < 0 || !whole.EndsWith(after, StringComparison.Ordinal))
            return null;
        // A mark after which the assistant speaks comes before anything that the template itself puts at the beginning of an answer.
        var opened = before.Length > 0 ? form.Render(before, true).AsSpan().CommonPrefixLength(whole) : 0;
        var closed = before.Length > 0 ? form.Render(before, false).AsSpan().CommonPrefixLength(whole) : 0;
        var start = opened > closed ? opened : other.AsSpan(0, place).CommonPrefixLength(whole);
        var end = whole.Length - after.Length;
        var gap = after.Length - after.AsSpan().TrimStart().Length;
        var isClosed = form.EndOfTurn.Trim().Length > 0 && after.AsSpan(gap).StartsWith(form.EndOfTurn, StringComparison.Ordinal);
        return start..Math.Max(start, isClosed ? end + gap + form.EndOfTurn.Length : end);
    }

    private static Range Clip(Range turn, int offset, int length) =>
        Math.Clamp(turn.Start.Value - offset, 0, length)..Math.Clamp(turn.End.Value - offset, 0, length);
}
