namespace LlmRL.Data;

/// <summary>The rows of a file, or of several one after the other, before their columns are mapped.</summary>
public sealed class DataTable : IDisposable
{
    private readonly IReadOnlyList<RowFile> files;
    private readonly int? limit;

    internal DataTable(IReadOnlyList<RowFile> files, int? limit) => (this.files, this.limit) = (files, limit);

    /// <summary>How many rows there are.</summary>
    public int Count => (int)Math.Min(files.Sum(file => (long)file.Count), limit ?? int.MaxValue);

    /// <summary>The rows as examples.</summary>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    /// <exception cref="BadInputException">The columns make no kind of data that is known.</exception>
    public IExampleSource Examples(ColumnMap? columns = null)
    {
        FileSource[] sources = [.. files.Select(file => new FileSource(file, columns))];
        IExampleSource all = sources is [var only] ? only : new JoinedSources(sources);
        return all.Count > Count ? new FirstRows(all, Count) : all;
    }

    /// <summary>The columns of the first rows, in the order in which they appear, with what their values are: text, number, list of text, …</summary>
    /// <param name="rows">How many rows are looked at.</param>
    public IReadOnlyList<(string Name, string Type)> Columns(int rows)
    {
        var types = new OrderedDictionary<string, OrderedDictionary<string, bool>>(StringComparer.Ordinal);
        foreach (var (file, index) in First(rows))
        {
            file.Read(index, row =>
            {
                foreach (var column in row.Columns)
                {
                    types.TryAdd(column, []);
                    types[column].TryAdd(row.Kind(column), true);
                }

                return 0;
            });
        }

        return [.. types.Select(column => (column.Key, string.Join(" or ", column.Value.Keys)))];
    }

    /// <summary>The first rows: where each comes from, and its columns as text.</summary>
    /// <param name="rows">How many.</param>
    public IEnumerable<(string Source, IReadOnlyList<(string Name, string? Value)> Values)> Rows(int rows) => First(rows).Select(place =>
        ($"{place.File.File}:{place.File.Line(place.Row)}", place.File.Read(place.Row, row =>
            (IReadOnlyList<(string, string?)>)[.. row.Columns.Select(column => (column, row.TryGet(column, out var text) ? text : null))])));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }

    private IEnumerable<(RowFile File, int Row)> First(int rows) =>
        files.SelectMany(file => Enumerable.Range(0, file.Count).Select(row => (file, row))).Take(Math.Min(rows, Count));
}
