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
        var table = OpenTable(path, sql, limit);
        try
        {
            return table.Examples(columns);
        }
        catch
        {
            table.Dispose();
            throw;
        }
    }

    /// <summary>Opens a data file, or several as one, without asking what its columns are.</summary>
    /// <param name="path">As for <see cref="Open"/>.</param>
    /// <param name="sql">As for <see cref="Open"/>.</param>
    /// <param name="limit">At most so many rows.</param>
    public static DataTable OpenTable(string path, string? sql = null, int? limit = null)
    {
        var files = Files(path);
        return new DataTable(sql is null ? [.. files.Select(file => OpenRows(file, limit))] : [Query(path, files, sql, limit)], limit);
    }

    /// <summary>The files that a path or a pattern means, in ordinal order.</summary>
    /// <exception cref="BadInputException">There are none, or their endings are not known, or differ.</exception>
    public static IReadOnlyList<string> Files(string path)
    {
        var files = IsPattern(path) ? Matches(path) : [path];
        if (files.Count == 0)
            throw new BadInputException($"{path}: no file matches. Check the path; it is relative to the folder the program is started in.");
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

    /// <summary>Whether a path means several files.</summary>
    internal static bool IsPattern(string path) => Path.GetFileName(path).AsSpan().ContainsAny('*', '?') && !File.Exists(path);

    /// <summary>The files that match a pattern, in ordinal order.</summary>
    internal static IReadOnlyList<string> Matches(string pattern)
    {
        var folder = Path.GetDirectoryName(pattern) is { Length: > 0 } named ? named : ".";
        return Directory.Exists(folder) ? [.. Directory.GetFiles(folder, Path.GetFileName(pattern)).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>A file name's ending in lower case, the one before .gz where there is one.</summary>
    internal static string Ending(string path) =>
        Path.GetExtension(path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path).ToLowerInvariant();

    private static RowFile OpenRows(string file, int? limit) => Ending(file) switch
    {
        Parquet => Query(file, [file], null, limit),
        ".csv" or ".tsv" => CsvRowFile.Open(file),
        _ => JsonRowFile.Open(file),
    };

    private static JsonRowFile Query(string name, IReadOnlyList<string> files, string? sql, int? limit) =>
        new(FileRows.Open(name, DuckDbQuery.Spool(files, sql, limit, name), _ => new LineSplitter()));
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
