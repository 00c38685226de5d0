using LlmRL.Tokenization.Chat;

namespace LlmRL.Tokenization;

/// <summary>How prompts and completions become token ids.</summary>
public static class Prompting
{
    private const int ContextTokens = 4;

    /// <summary>Encodes a prompt, with the special tokens that the tokenizer puts before it.</summary>
    /// <param name="tokenizer">Text ↔ ids.</param>
    /// <param name="prompt">The text.</param>
    /// <param name="hasSpecialTokens">Whether the text holds them already, because a chat template wrote it.</param>
    public static int[] Encode(Tokenizer tokenizer, string prompt, bool hasSpecialTokens = false)
    {
        if (hasSpecialTokens)
            return EncodeRendered(tokenizer, prompt);
        var ids = tokenizer.Encode(prompt, addSpecialTokens: true);
        // Some tokenizers close every text with EOS; a prompt goes on.
        if (ids.Length > 0 && ids[^1] == tokenizer.EosId)
            ids = ids[..^1];
        // A model needs at least one token to start from.
        return ids.Length > 0 ? ids : [tokenizer.BosId ?? tokenizer.EosId];
    }

    /// <summary>The model's chat template, or an error that says how to give it one.</summary>
    public static ChatTemplate ChatTemplateOf(Tokenizer tokenizer) => tokenizer.ChatTemplate ?? throw new BadInputException(
        $"the tokenizer has no chat template, so messages cannot become a prompt: put a {TokenizerLoader.ChatTemplateName} beside it, or give plain text");

    /// <summary>
    /// Encodes text that a chat template wrote: the spellings of special tokens are the tokens, and none is added, for the template has put them where they
    /// belong.
    /// </summary>
    public static int[] EncodeRendered(Tokenizer tokenizer, string rendered) =>
        tokenizer.EncodeMarkup(rendered) is { Length: > 0 } ids ? ids : [tokenizer.BosId ?? tokenizer.EosId];

    /// <summary>
    /// Encodes a prompt with its completion and EOS. The two are encoded together and cut where the prompt's own ids end, as the model will see them in a
    /// rollout; where the tokenizer merges across the seam, each is encoded by itself.
    /// </summary>
    /// <param name="tokenizer">Text ↔ ids.</param>
    /// <param name="prompt">The text before; of a conversation that is learned as a whole it is empty, and its first token takes its place.</param>
    /// <param name="completion">The text after.</param>
    /// <param name="hasSpecialTokens">Whether the texts hold special tokens already, because a chat template wrote them.</param>
    public static (int[] Prompt, int[] Completion) EncodePair(Tokenizer tokenizer, string prompt, string completion, bool hasSpecialTokens = false)
    {
        var (promptIds, ids, _) = Pair(tokenizer, prompt, completion, hasSpecialTokens);
        return (promptIds, ids);
    }

    private static (int[] Prompt, int[] Completion, bool IsTogether) Pair(Tokenizer tokenizer, string prompt, string completion, bool hasSpecialTokens)
    {
        var both = Encode(tokenizer, prompt + completion, hasSpecialTokens);
        var promptIds = hasSpecialTokens && prompt.Length == 0 ? both[..1] : Encode(tokenizer, prompt, hasSpecialTokens);
        var isTogether = both.Length > promptIds.Length && both.AsSpan(0, promptIds.Length).SequenceEqual(promptIds);
        var rest = isTogether ? both[promptIds.Length..] : hasSpecialTokens ? tokenizer.EncodeMarkup(completion) : tokenizer.Encode(completion);
        return (promptIds, [.. rest, tokenizer.EosId], isTogether);
    }

    /// <summary>Encodes as <see cref="EncodePair"/> does, and tells which of the completion's ids begin within parts of its text.</summary>
    /// <param name="tokenizer">Text ↔ ids.</param>
    /// <param name="prompt">The text before.</param>
    /// <param name="completion">The text after.</param>
    /// <param name="spans">The parts, in order. EOS belongs to the last one where that goes to the text's end.</param>
    /// <param name="hasSpecialTokens">Whether the texts hold special tokens already.</param>
    public static (int[] Prompt, int[] Completion, bool[] Within) EncodeMarked(Tokenizer tokenizer, string prompt, string completion, IReadOnlyList<Range> spans, bool hasSpecialTokens)
    {
        var (promptIds, ids, isTogether) = Pair(tokenizer, prompt, completion, hasSpecialTokens);
        var within = new bool[ids.Length];
        foreach (var span in spans)
        {
            var end = span.End.Value == completion.Length ? ids.Length : Before(span.End.Value);
            for (var i = Before(span.Start.Value); i < end; i++)
                within[i] = true;
        }

        return (promptIds, ids, within);

        // Text is encoded from left to right: the ids of a beginning that ends at a special token or a word are a beginning of the ids.
        int Before(int length)
        {
            var part = completion[..length];
            var count = isTogether ? Encode(tokenizer, prompt + part, hasSpecialTokens).Length - promptIds.Length
                : hasSpecialTokens ? tokenizer.EncodeMarkup(part).Length : tokenizer.Encode(part).Length;
            return Math.Clamp(count, 0, ids.Length);
        }
    }

    /// <summary>
    /// The text of a completion as it continues its prompt. Some tokenizers drop the space before the first word of a text, so the completion is decoded behind
    /// the prompt's last tokens, whose own text is then taken off.
    /// </summary>
    /// <param name="tokenizer">Text ↔ ids.</param>
    /// <param name="prompt">The prompt's ids.</param>
    /// <param name="completion">The completion's ids, without its stop token.</param>
    public static string DecodeCompletion(Tokenizer tokenizer, int[] prompt, ReadOnlySpan<int> completion)
    {
        var context = prompt.AsSpan(Math.Max(0, prompt.Length - ContextTokens));
        var before = tokenizer.Decode(context);
        var whole = tokenizer.Decode([.. context, .. completion]);
        return whole.StartsWith(before, StringComparison.Ordinal) ? whole[before.Length..] : tokenizer.Decode(completion);
    }
}
