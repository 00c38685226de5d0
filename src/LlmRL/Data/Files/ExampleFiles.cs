using LlmRL.Data.DuckDb;

namespace LlmRL.Data;

/// <summary>Opens data files by what their names end in.</summary>
public static class ExampleFiles
{
    private const string Parquet = ".parquet";
    private static readonly string[] Text = [".jsonl", ".ndjson", ".json", ".csv", ".tsv"];

    /// <summary>The endings that <see cref="Open"/> knows; each but .parquet may be followed by .gz.</summary>
    public static IReadOnlyList<string> Endings { get; } = [.. Text, Parquet];

    /// <summary>Opens a data file, or several as one.</summary>
    /// <param name="path">A file with one of <see cref="Endings"/>, or a pattern with * and ? in the file's name: the files that match, in ordinal order.</param>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    /// <param name="sql">A query over the files, which it sees as the view <c>data</c>; its rows are the examples.</param>
    /// <param name="limit">At most so many rows.</param>
    public static IExampleSource Open(string path, ColumnMap? columns = null, string? sql = null, int? limit = null)
    {
        var files = Files(path);
        if (sql is not null)
            return Queried(path, files, columns, sql, limit);
        IExampleSource[] sources = [.. files.Select(file => Ending(file) == Parquet ? Queried(file, [file], columns, null, limit) : OpenText(file, columns))];
        var all = sources.Length == 1 ? sources[0] : new JoinedSources(sources);
        return limit is { } most && most < all.Count ? new FirstRows(all, most) : all;
    }

    /// <summary>The files that a path or a pattern means, in ordinal order.</summary>
    /// <exception cref="BadInputException">There are none, or their endings are not known, or differ.</exception>
    public static IReadOnlyList<string> Files(string path)
    {
        string[] files = [path];
        if (Path.GetFileName(path).AsSpan().ContainsAny('*', '?') && !File.Exists(path))
        {
            var folder = Path.GetDirectoryName(path) is { Length: > 0 } named ? named : ".";
            files = Directory.Exists(folder) ? [.. Directory.GetFiles(folder, Path.GetFileName(path)).Order(StringComparer.Ordinal)] : [];
            if (files.Length == 0)
                throw new BadInputException($"{path}: no file matches. Check the path; it is relative to the folder the program is started in.");
        }

        foreach (var file in files)
        {
            if (Directory.Exists(file))
                throw new BadInputException($"{file}: this is a folder; name a file in it, or all of a kind as {Path.Combine(file, "*.parquet")}.");
            if (!File.Exists(file))
                throw new BadInputException($"{file}: there is no such file. Check the path; it is relative to the folder the program is started in.");
            if (!Endings.Contains(Ending(file)) || (Ending(file) == Parquet && !file.EndsWith(Parquet, StringComparison.OrdinalIgnoreCase)))
            {
                throw new BadInputException($"{file}: files that end in '{Path.GetExtension(file)}' are not read here. "
                    + $"Use {string.Join(", ", Endings)}; the text ones also with .gz.");
            }

            if (Ending(file) != Ending(files[0]))
                throw new BadInputException($"{path}: {files[0]} and {file} are of different kinds; name files of one kind.");
        }

        return files;
    }

    /// <summary>A file name's ending in lower case, the one before .gz where there is one.</summary>
    internal static string Ending(string path) =>
        Path.GetExtension(path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path).ToLowerInvariant();

    private static IExampleSource OpenText(string file, ColumnMap? columns) =>
        Ending(file) is ".csv" or ".tsv" ? new CsvSource(file, columns) : new JsonLinesSource(file, columns);

    private static JsonLinesSource Queried(string name, IReadOnlyList<string> files, ColumnMap? columns, string? sql, int? limit) =>
        new(FileRows.Open(name, DuckDbQuery.Spool(files, sql, limit, name), _ => new LineSplitter()), columns);
}

/// <summary>The first rows of a data set.</summary>
internal sealed class FirstRows(IExampleSource source, int count) : IExampleSource
{
    public int Count => count;

    public DataFormat? Format => source.Format;

    public Example this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
            return source[index];
        }
    }
}

/// <summary>Data sets one after the other.</summary>
internal sealed class JoinedSources : IExampleSource
{
    private readonly IReadOnlyList<IExampleSource> sources;
    private readonly int[] starts;

    public JoinedSources(IReadOnlyList<IExampleSource> sources)
    {
        this.sources = sources;
        foreach (var source in sources)
        {
            if (source.Format?.ToString() != sources[0].Format?.ToString())
                throw new BadInputException($"{source[0].Source}: the files differ: this one holds {source.Format}, that of {sources[0][0].Source} {sources[0].Format}. Name files with the same columns.");
        }

        starts = new int[sources.Count];
        for (var i = 0; i < starts.Length; i++)
        {
            starts[i] = Count;
            Count = checked(Count + sources[i].Count);
        }
    }

    public int Count { get; }

    public DataFormat? Format => sources[0].Format;

    public Example this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            var place = Array.BinarySearch(starts, index);
            var source = place >= 0 ? place : ~place - 1;
            return sources[source][index - starts[source]];
        }
    }
}
