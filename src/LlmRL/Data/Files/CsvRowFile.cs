using System.Text;

namespace LlmRL.Data;

/// <summary>
/// A CSV file with a header (RFC 4180: fields in quotes may hold delimiters, line breaks and doubled quotes), .tsv with tabs; either may be gzip-compressed.
/// </summary>
internal sealed class CsvRowFile : RowFile
{
    private readonly char delimiter;
    private readonly List<string> header;

    private CsvRowFile(FileRows rows, char delimiter)
        : base(rows)
    {
        this.delimiter = delimiter;
        header = Fields(0);
        if (rows.Count < 2)
            throw new BadInputException($"{File}: the file has a header but no rows.");
    }

    public override int Count => Rows.Count - 1;

    /// <summary>Opens a file and finds its rows.</summary>
    /// <param name="path">.csv or .tsv, or either with .gz.</param>
    public static CsvRowFile Open(string path)
    {
        var rows = FileRows.Open(path, _ => new CsvSplitter());
        try
        {
            return new CsvRowFile(rows, ExampleFiles.Ending(path) == ".tsv" ? '\t' : ',');
        }
        catch
        {
            rows.Dispose();
            throw;
        }
    }

    public override int Line(int row) => Rows.Line(row + 1);

    public override T Read<T>(int row, Func<IRow, T> use)
    {
        var fields = Fields(row + 1);
        return fields.Count == header.Count
            ? use(new CsvRow(header, fields))
            : throw new BadInputException($"{File}:{Line(row)}: {fields.Count} fields, but the header has {header.Count}. Quote a field that holds the delimiter.");
    }

    private List<string> Fields(int record)
    {
        var text = Encoding.UTF8.GetString(Rows.Bytes(record)).TrimEnd('\r');
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
