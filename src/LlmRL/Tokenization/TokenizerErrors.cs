using System.Text.Json;

namespace LlmRL.Tokenization;

/// <summary>Messages that several tokenizers share.</summary>
internal static class TokenizerErrors
{
    /// <summary>The id itself where it is in the vocabulary.</summary>
    public static int Checked(int id, int vocabularySize) => (uint)id < (uint)vocabularySize
        ? id
        : throw new BadInputException($"token id {id} is outside the vocabulary [0, {vocabularySize}): these ids come from another tokenizer");

    public static BadInputException InvalidJson(string file, JsonException fault) => new(
        $"{file}, line {fault.LineNumber + 1}, byte {fault.BytePositionInLine + 1}: not valid JSON; "
        + "the file may be cut off or damaged: fetch it again", fault);

    public static byte[] ReadAllBytes(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{file}: cannot be read: {fault.Message}", fault);
        }
    }
}
