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

    /// <summary>Encodes text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the tokenizer's template adds its special tokens (BOS, say), as Hugging Face's <c>encode</c> does.</param>
    public abstract int[] Encode(string text, bool addSpecialTokens = false);

    /// <summary>Decodes ids. Bytes that are no valid UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Ids in [0, <see cref="VocabularySize"/>); others are an error.</param>
    /// <param name="skipSpecialTokens">Whether special tokens (BOS, EOS, PAD) are left out.</param>
    public abstract string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true);

    /// <summary>The token's own text form as the vocabulary spells it, for inspection.</summary>
    public abstract string TokenText(int id);

    /// <summary>Writes the tokenizer's files (<c>tokenizer.json</c> or <c>tokenizer.model</c>, and <c>tokenizer_config.json</c>) into a folder in Hugging Face layout.</summary>
    public abstract void Save(string folder);
}
