namespace LlmRL.Tokenization;

/// <summary>The ids that the rest of the program asks a tokenizer for.</summary>
internal readonly record struct SpecialTokenIds(int? Bos, int Eos, int Pad);
