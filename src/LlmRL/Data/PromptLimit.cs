using LlmRL.Tokenization;

namespace LlmRL.Data;

/// <summary>Makes prompts fit into a number of tokens.</summary>
/// <param name="tokenizer">Text ↔ ids.</param>
/// <param name="most">Most tokens of a prompt, those included that the tokenizer puts before it.</param>
/// <param name="mode">What becomes of longer ones.</param>
public sealed class PromptLimit(Tokenizer tokenizer, int most, TruncationMode mode)
{
    // Leaving a character out can make a text longer by a token or two, where it parts a word that was one token.
    private const int Unevenness = 8;

    /// <summary>Whether a row with too long a prompt is left out.</summary>
    public bool Drops => mode == TruncationMode.Drop;

    /// <summary>Whether a row's prompt fits as it is.</summary>
    public bool Fits(Example example) => Length(example, example.Prompt) <= most;

    /// <summary>The row with a prompt that fits.</summary>
    /// <exception cref="BadInputException">What may be left out is not enough.</exception>
    public Example Shorten(Example example) => Drops || Fits(example) ? example : example with
    {
        Prompt = mode switch
        {
            TruncationMode.KeepEnd => Tokens(example, fromEnd: true),
            TruncationMode.KeepStart => Tokens(example, fromEnd: false),
            _ => Lines(example),
        },
        Shortenable = null,
    };

    private int Length(Example example, string prompt) => Prompting.Encode(tokenizer, prompt, example.HasSpecialTokens).Length;

    /// <summary>So many tokens at one end that the text has no more than it may have when it is encoded again.</summary>
    private string Tokens(Example example, bool fromEnd)
    {
        var ids = Prompting.Encode(tokenizer, example.Prompt, example.HasSpecialTokens);
        for (var kept = most; kept > 0; kept--)
        {
            var text = tokenizer.Decode(fromEnd ? ids.AsSpan(ids.Length - kept) : ids.AsSpan(0, kept), skipSpecialTokens: !example.HasSpecialTokens);
            if (Length(example, text) <= most)
                return text;
        }

        throw TooLong(example);
    }

    private string Lines(Example example)
    {
        var (start, length) = (example.Shortenable ?? AllButTheLastLine(example.Prompt)).GetOffsetAndLength(example.Prompt.Length);
        var (before, text, after) = (example.Prompt[..start], example.Prompt.Substring(start, length), example.Prompt[(start + length)..]);
        for (int end; (end = text.LastIndexOf('\n')) >= 0;)
        {
            text = text[..end];
            if (Length(example, before + text + after) <= most)
                return before + text + after;
        }

        return Characters(example, before, text, after);
    }

    /// <summary>The most characters of the text's beginning that fit.</summary>
    private string Characters(Example example, string before, string text, string after)
    {
        var (fits, tooMany) = (0, text.Length + 1);
        if (Length(example, before + after) > most)
            throw TooLong(example);
        while (tooMany - fits > 1)
        {
            var middle = (fits + tooMany) / 2;
            if (Length(example, before + text[..middle] + after) <= most)
                fits = middle;
            else
                tooMany = middle;
        }

        for (var length = Math.Min(fits + Unevenness, text.Length); length > fits; length--)
        {
            if (Length(example, before + text[..length] + after) <= most)
                fits = length;
        }

        // Half a surrogate pair is no text.
        if (fits > 0 && char.IsHighSurrogate(text[fits - 1]))
            fits--;
        return before + text[..fits] + after;
    }

    private static Range AllButTheLastLine(string prompt)
    {
        var last = prompt.TrimEnd('\n').LastIndexOf('\n');
        if (last < 0)
            return ..;
        while (last > 0 && prompt[last - 1] == '\n')
            last--;
        return ..last;
    }

    private BadInputException TooLong(Example example) => new($"{example.Source}: the prompt has {Length(example, example.Prompt)} tokens, and what may be left out of it is not enough "
        + $"for max_prompt_length {most}. Raise it, or leave such rows out: truncation_mode: drop.");
}
