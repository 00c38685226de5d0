namespace LlmRL.Data;

/// <summary>The examples of one file: rows with their columns mapped. Rows are parsed when they are asked for; those of small files are kept.</summary>
internal sealed class FileSource : IExampleSource
{
    private readonly RowFile rows;
    private readonly RowMapper mapper;
    private readonly ExampleCache cache;

    /// <summary>Decides by the first row what the columns are.</summary>
    /// <param name="rows">The file.</param>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    public FileSource(RowFile rows, ColumnMap? columns)
    {
        this.rows = rows;
        mapper = rows.Read(0, first => new RowMapper(rows.File, columns ?? new ColumnMap(), first, rows.Line(0)));
        cache = new ExampleCache(rows.Count);
    }

    /// <inheritdoc/>
    public int Count => rows.Count;

    /// <inheritdoc/>
    public DataFormat Format => mapper.Format;

    /// <inheritdoc/>
    public Example this[int index] => cache.Get(index, i => rows.Read(i, row => mapper.Map(row, rows.Line(i))));
}

/// <summary>Keeps the rows of small data sets.</summary>
internal sealed class ExampleCache(int count)
{
    private const int MaxRows = 100_000;
    private readonly Example?[] examples = new Example?[count <= MaxRows ? count : 0];

    public Example Get(int index, Func<int, Example> make)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        if (examples.Length == 0)
            return make(index);
        // Two threads may make the same row; both results are equal.
        return examples[index] ??= make(index);
    }
}
