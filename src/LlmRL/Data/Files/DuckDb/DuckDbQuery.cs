using Microsoft.Win32.SafeHandles;

namespace LlmRL.Data.DuckDb;

/// <summary>Reads Parquet, CSV and JSON files through DuckDB, whole or through a query, as rows of JSON.</summary>
internal static class DuckDbQuery
{
    /// <summary>The name under which a query sees the files.</summary>
    public const string View = "data";

    private const int MostThreads = 4;

    /// <summary>
    /// Writes the rows, one JSON object a line, to a temporary file that vanishes when it is closed: rows can then be read in any order, from a result that is
    /// larger than memory.
    /// </summary>
    /// <param name="files">Files of one kind.</param>
    /// <param name="sql">A query that reads <see cref="View"/>; null for all rows in their order.</param>
    /// <param name="limit">At most so many rows.</param>
    /// <param name="name">What messages call the files.</param>
    public static SafeFileHandle Spool(IReadOnlyList<string> files, string? sql, int? limit, string name)
    {
        var folder = Directory.CreateTempSubdirectory("llmrl-rows-").FullName;
        try
        {
            var target = Path.Combine(folder, "rows.jsonl");
            // A query may group or join, where several threads would give the rows another order each time.
            using (var session = Open(files, folder, sql is null ? Math.Min(MostThreads, Environment.ProcessorCount) : 1, name))
            {
                var query = $"SELECT * FROM ({sql?.TrimEnd().TrimEnd(';') ?? $"FROM {View}"}\n)" + (limit is { } most ? $" LIMIT {most}" : "");
                Explain(name, sql, () => session.Run($"COPY ({query}) TO {DuckDbSession.Quote(target)} (FORMAT json)"));
            }

            // The file's name goes now, its contents with the handle.
            return File.OpenHandle(target);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The columns of the files or of a query's result, in order, with DuckDB's names of their types.</summary>
    public static IReadOnlyList<(string Name, string Type)> Columns(IReadOnlyList<string> files, string? sql, string name)
    {
        var folder = Directory.CreateTempSubdirectory("llmrl-rows-").FullName;
        try
        {
            using var session = Open(files, folder, 1, name);
            List<string?[]> rows = [];
            Explain(name, sql, () => rows = session.Query($"DESCRIBE SELECT * FROM ({sql?.TrimEnd().TrimEnd(';') ?? $"FROM {View}"}\n)", columns: 2));
            return [.. rows.Select(row => (row[0]!, row[1]!))];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static DuckDbSession Open(IReadOnlyList<string> files, string folder, int threads, string name)
    {
        DuckDbSession? session = null;
        try
        {
            session = new DuckDbSession(files, folder, threads);
            session.Run($"CREATE VIEW {View} AS FROM {Reader(files)}");
            // random() and samples give the same rows every time.
            session.Run("SELECT setseed(0.5)");
            return session;
        }
        catch (DuckDbException fault)
        {
            session?.Dispose();
            throw new BadInputException($"{name}: DuckDB cannot read it: {fault.Message}", fault);
        }
    }

    private static string Reader(IReadOnlyList<string> files)
    {
        var list = $"[{string.Join(", ", files.Select(DuckDbSession.Quote))}]";
        var ending = ExampleFiles.Ending(files[0]);
        return ending switch
        {
            ".parquet" => $"read_parquet({list}, union_by_name = true)",
            // Dates stay as they are written.
            ".csv" or ".tsv" => $"read_csv({list}, union_by_name = true, header = true, delim = '{(ending == ".tsv" ? "\\t" : ",")}', quote = '\"', escape = '\"', "
                + "sample_size = -1, max_line_size = 4000000, auto_type_candidates = ['BOOLEAN', 'BIGINT', 'DOUBLE', 'VARCHAR'])",
            _ => $"read_json({list}, union_by_name = true, sample_size = -1)",
        };
    }

    private static void Explain(string name, string? sql, Action query)
    {
        try
        {
            query();
        }
        catch (DuckDbException fault)
        {
            throw new BadInputException(sql is null
                ? $"{name}: DuckDB cannot read it: {fault.Message}. Is the file whole?"
                : $"sql over {name}: {fault.Message}. Write one select, without a semicolon between; the files under path are visible as the view {View}, and nothing else is.", fault);
        }
    }
}
