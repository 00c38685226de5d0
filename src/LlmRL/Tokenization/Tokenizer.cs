using LlmRL.Tokenization.Chat;

namespace LlmRL.Tokenization;

/// <summary>Text ↔ token ids. Implementations are immutable and safe to use from several threads.</summary>
public abstract class Tokenizer
{
    /// <summary>Number of ids, special ones included: every id is in [0, VocabularySize).</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Beginning-of-sequence id, where the tokenizer has one.</summary>
    public abstract int? BosId { get; }

    /// <summary>End-of-sequence id: a completion ends with it.</summary>
    public abstract int EosId { get; }

    /// <summary>Padding id, never equal to <see cref="EosId"/> where the vocabulary has room; masks, not this id, say what counts.</summary>
    public abstract int PadId { get; }

    /// <summary>
    /// How the model wants conversations to be written, where its files say so (<c>chat_template</c> of <c>tokenizer_config.json</c>, or
    /// <c>chat_template.jinja</c>). A template that cannot be read is an error when it is asked for, not before.
    /// </summary>
    public ChatTemplate? ChatTemplate => ChatTemplateSource?.Value;

    /// <summary>The template, read when it is first needed.</summary>
    internal Lazy<ChatTemplate>? ChatTemplateSource { get; set; }

    /// <summary>Encodes text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the tokenizer's template adds its special tokens (BOS, say), as Hugging Face's <c>encode</c> does.</param>
    public abstract int[] Encode(string text, bool addSpecialTokens = false);

    /// <summary>Encodes text in which the spelling of a special token is that token, as chat templates write it; nothing is added.</summary>
    /// <param name="text">Any text.</param>
    public virtual int[] EncodeMarkup(string text) => Encode(text);

    /// <summary>Decodes ids. Bytes that are no valid UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Ids in [0, <see cref="VocabularySize"/>); others are an error.</param>
    /// <param name="skipSpecialTokens">Whether special tokens (BOS, EOS, PAD) are left out.</param>
    public abstract string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true);

    /// <summary>The token's own text form as the vocabulary spells it, for inspection.</summary>
    public abstract string TokenText(int id);

    /// <summary>Writes the tokenizer's files (<c>tokenizer.json</c> or <c>tokenizer.model</c>, and <c>tokenizer_config.json</c>) into a folder in Hugging Face layout.</summary>
    public abstract void Save(string folder);
}
