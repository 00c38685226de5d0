using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace LlmRL.Tokenization.Training;

/// <summary>Texts to train a tokenizer on: plain text files, and JSON Lines files (<c>*.jsonl</c>), whose strings are the texts; either also as <c>*.gz</c>.</summary>
public static class Corpus
{
    private const int BlockLength = 1 << 22;

    /// <summary>The texts of files, read as they are asked for. A long file comes in several parts, cut where no token reaches across.</summary>
    public static IEnumerable<string> Read(IEnumerable<string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        foreach (var file in files)
        {
            if (!File.Exists(file))
                throw new BadInputException($"{file}: no such file; give text files or JSON Lines files");
            var isPacked = file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
            var name = isPacked ? file[..^3] : file;
            using var content = File.OpenRead(file);
            using var reader = new StreamReader(isPacked ? new GZipStream(content, CompressionMode.Decompress) : content, Encoding.UTF8);
            foreach (var text in name.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) ? Strings(file, reader) : Blocks(reader))
                yield return text;
        }
    }

    /// <summary>Plain text in blocks that end behind a line break between two characters that are no white space.</summary>
    internal static IEnumerable<string> Blocks(TextReader reader, int length = BlockLength)
    {
        var buffer = new char[length];
        var rest = new StringBuilder();
        for (int count; (count = reader.ReadBlock(buffer, 0, length)) > 0;)
        {
            rest.Append(buffer, 0, count);
            var text = rest.ToString();
            var cut = count == length ? LastCut(text) : text.Length;
            if (cut == 0)
                continue;
            yield return text[..cut];
            rest.Clear().Append(text, cut, text.Length - cut);
        }

        if (rest.Length > 0)
            yield return rest.ToString();
    }

    private static int LastCut(string text)
    {
        for (var i = text.Length - 1; i >= 2; i--)
        {
            if (text[i - 1] == '\n' && !char.IsWhiteSpace(text[i]) && !char.IsWhiteSpace(text[i - 2]))
                return i;
        }

        return 0;
    }

    private static IEnumerable<string> Strings(string file, StreamReader reader)
    {
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            if (line.Length == 0)
                continue;
            var texts = new List<string>();
            try
            {
                using var row = JsonDocument.Parse(line);
                AddStrings(row.RootElement, texts);
            }
            catch (JsonException fault)
            {
                throw new BadInputException($"{file}:{number}: not valid JSON; a .jsonl file has one JSON value a line", fault);
            }

            foreach (var text in texts)
                yield return text;
        }
    }

    private static void AddStrings(JsonElement value, List<string> texts)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                texts.Add(value.GetString()!);
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    AddStrings(item, texts);
                break;
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                    AddStrings(member.Value, texts);
                break;
        }
    }
}
