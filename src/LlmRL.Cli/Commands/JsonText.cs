using System.Text.Json;

namespace LlmRL.Cli.Commands;

/// <summary>Lines of input that are text, or JSON.</summary>
internal static class JsonText
{
    /// <summary>The line itself, or, where it starts with a quote, the JSON string that it is.</summary>
    /// <param name="line">The line.</param>
    /// <param name="place">Its file and number, for messages.</param>
    public static string Read(string line, string place)
    {
        try
        {
            return line.StartsWith('"') ? JsonSerializer.Deserialize<string>(line)! : line;
        }
        catch (JsonException fault)
        {
            throw new BadInputException($"{place}: a line that starts with a quote must be a JSON string, but this is none: {line}", fault);
        }
    }

    /// <summary>A JSON array of token ids.</summary>
    /// <param name="line">The line.</param>
    /// <param name="place">Its file and number, for messages.</param>
    /// <param name="vocabularySize">Ids are below it.</param>
    public static int[] ReadIds(string line, string place, int vocabularySize)
    {
        int[]? ids;
        try
        {
            ids = JsonSerializer.Deserialize<int[]>(line);
        }
        catch (JsonException)
        {
            ids = null;
        }

        if (ids is null)
            throw new BadInputException($"{place}: a JSON array of ids was expected, such as [72, 105], but the line is: {line}");
        return Array.FindIndex(ids, id => (uint)id >= (uint)vocabularySize) is >= 0 and var wrong
            ? throw new BadInputException($"{place}: id {ids[wrong]} is none of the tokenizer's, which go from 0 to {vocabularySize - 1}.")
            : ids;
    }
}
