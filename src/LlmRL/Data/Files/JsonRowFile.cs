using System.Text.Json;

namespace LlmRL.Data;

/// <summary>JSON objects: one a line, the elements of one array, or one after the other however they are laid out.</summary>
internal sealed class JsonRowFile(FileRows rows) : RowFile(rows)
{
    /// <summary>Opens a file and finds its rows.</summary>
    /// <param name="path">.jsonl, .ndjson, .json, or one of them with .gz.</param>
    public static JsonRowFile Open(string path)
    {
        var isLines = ExampleFiles.Ending(path) != ".json";
        return new(FileRows.Open(path, isArray => isArray ? new ArraySplitter() : isLines ? new LineSplitter() : new ObjectSplitter()));
    }

    public override T Read<T>(int row, Func<IRow, T> use)
    {
        using var document = Parse(row);
        try
        {
            return use(new JsonRow(document.RootElement));
        }
        catch (InvalidOperationException fault)
        {
            throw new BadInputException($"{File}:{Line(row)}: a text holds bytes that are not UTF-8, or half of a surrogate pair. Write the file as UTF-8.", fault);
        }
    }

    private JsonDocument Parse(int row)
    {
        JsonDocument document;
        try
        {
            document = Document(Rows.Bytes(row));
        }
        catch (JsonException error)
        {
            var line = Line(row) + (error.LineNumber ?? 0);
            throw new BadInputException(
                $"{File}:{line}: invalid JSON at byte {error.BytePositionInLine + 1} of the line: {Fault(error)} "
                + (Rows.BeginsWithBracket ? "Each element of the array is one object." : "Each line is one object; is the file really JSON Lines?"),
                error);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return document;
        var kind = document.RootElement.ValueKind;
        document.Dispose();
        throw new BadInputException($"{File}:{Line(row)}: a row is an object with named columns, but here is a JSON {kind.ToString().ToLowerInvariant()}.");
    }

    private static JsonDocument Document(byte[] row)
    {
        try
        {
            return JsonDocument.Parse(row);
        }
        catch (JsonException) when (NotANumber.Replace(row) is { } readable)
        {
            return JsonDocument.Parse(readable);
        }
    }

    // The exception's own position is within the row's bytes, so it would contradict ours.
    private static string Fault(JsonException error)
    {
        var end = error.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? error.Message : error.Message[..end];
    }
}
