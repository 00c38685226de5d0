using System.Text;

namespace LlmRL.Data;

/// <summary>
/// A CSV file with a header (RFC 4180: fields in quotes may hold delimiters, line breaks and doubled quotes), .tsv with tabs; either may be
/// gzip-compressed. Rows are parsed when they are asked for.
/// </summary>
public sealed class CsvSource : IExampleSource, IDisposable
{
    private readonly FileRows rows;
    private readonly char delimiter;
    private readonly List<string> header;
    private readonly RowMapper mapper;
    private readonly ExampleCache cache;

    /// <summary>Opens a file, finds its rows, and decides what its columns are.</summary>
    /// <param name="path">.csv or .tsv, or either with .gz.</param>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    public CsvSource(string path, ColumnMap? columns = null)
    {
        delimiter = path.Contains(".tsv", StringComparison.OrdinalIgnoreCase) ? '\t' : ',';
        rows = FileRows.Open(path, _ => new CsvSplitter());
        header = Fields(0);
        if (rows.Count < 2)
            throw new BadInputException($"{path}: the file has a header but no rows.");
        mapper = new RowMapper(path, columns ?? new ColumnMap(), Row(1), rows.Line(1));
        cache = new ExampleCache(Count);
    }

    /// <inheritdoc/>
    public int Count => rows.Count - 1;

    /// <inheritdoc/>
    public DataFormat Format => mapper.Format;

    /// <inheritdoc/>
    public Example this[int index] => cache.Get(index, i => mapper.Map(Row(i + 1), rows.Line(i + 1)));

    /// <inheritdoc/>
    public void Dispose() => rows.Dispose();

    private CsvRow Row(int row)
    {
        var fields = Fields(row);
        return fields.Count == header.Count
            ? new CsvRow(header, fields)
            : throw new BadInputException(
                $"{rows.File}:{rows.Line(row)}: {fields.Count} fields, but the header has {header.Count}. Quote a field that holds the delimiter.");
    }

    private List<string> Fields(int row)
    {
        var text = Encoding.UTF8.GetString(rows.Bytes(row)).TrimEnd('\r');
        var fields = new List<string>();
        var field = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '"' && quoted && i + 1 < text.Length && text[i + 1] == '"')
                field.Append(text[i++]);
            else if (text[i] == '"')
                quoted = !quoted;
            else if (text[i] == delimiter && !quoted)
                Finish();
            else
                field.Append(text[i]);
        }

        Finish();
        return fields;

        void Finish()
        {
            fields.Add(field.ToString());
            field.Clear();
        }
    }
}
