using System.Text.Json;

namespace LlmRL.Data;

/// <summary>
/// A JSON Lines file, or a file with one JSON array of objects; either may be gzip-compressed. Only the rows' positions are kept in memory; a row
/// is parsed when it is asked for.
/// </summary>
public sealed class JsonLinesSource : IExampleSource, IDisposable
{
    private readonly FileRows rows;
    private readonly RowMapper mapper;
    private readonly ExampleCache cache;

    /// <summary>Opens a file, finds its rows, and decides what its columns are.</summary>
    /// <param name="path">.jsonl, .json, .jsonl.gz or .json.gz.</param>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    public JsonLinesSource(string path, ColumnMap? columns = null)
        : this(FileRows.Open(path, isArray => isArray ? new ArraySplitter() : new LineSplitter()), columns)
    {
    }

    /// <summary>Decides what the columns of rows are that were found already.</summary>
    internal JsonLinesSource(FileRows rows, ColumnMap? columns)
    {
        this.rows = rows;
        using var first = Parse(0);
        mapper = new RowMapper(rows.File, columns ?? new ColumnMap(), new JsonRow(first.RootElement), rows.Line(0));
        cache = new ExampleCache(rows.Count);
    }

    /// <inheritdoc/>
    public int Count => rows.Count;

    /// <inheritdoc/>
    public DataFormat Format => mapper.Format;

    /// <inheritdoc/>
    public Example this[int index] => cache.Get(index, i =>
    {
        using var document = Parse(i);
        try
        {
            return mapper.Map(new JsonRow(document.RootElement), rows.Line(i));
        }
        catch (InvalidOperationException fault)
        {
            throw new BadInputException($"{rows.File}:{rows.Line(i)}: a text holds bytes that are not UTF-8, or half of a surrogate pair. Write the file as UTF-8.", fault);
        }
    });

    /// <inheritdoc/>
    public void Dispose() => rows.Dispose();

    private JsonDocument Parse(int index)
    {
        JsonDocument document;
        try
        {
            document = Document(rows.Bytes(index));
        }
        catch (JsonException error)
        {
            var line = rows.Line(index) + (error.LineNumber ?? 0);
            throw new BadInputException(
                $"{rows.File}:{line}: invalid JSON at byte {error.BytePositionInLine + 1} of the line: {Fault(error)} "
                + (rows.BeginsWithBracket ? "Each element of the array is one object." : "Each line is one object; is the file really JSON Lines?"),
                error);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return document;
        var kind = document.RootElement.ValueKind;
        document.Dispose();
        throw new BadInputException(
            $"{rows.File}:{rows.Line(index)}: a row is an object with named columns, but here is a JSON {kind.ToString().ToLowerInvariant()}.");
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

/// <summary>Keeps the parsed rows of small files.</summary>
internal sealed class ExampleCache(int count)
{
    private const int MaxRows = 100_000;
    private readonly Example?[] examples = new Example?[count <= MaxRows ? count : 0];

    public Example Get(int index, Func<int, Example> parse)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        if (examples.Length == 0)
            return parse(index);
        // Two threads may parse the same row; both results are equal.
        return examples[index] ??= parse(index);
    }
}
