using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Data.DuckDb;

/// <summary>A private database in memory that may read some files, write one folder, and nothing else: no network, no extensions.</summary>
internal sealed unsafe class DuckDbSession : IDisposable
{
    private readonly DuckDbApi api = DuckDbLibrary.Api;
    private nint database, connection;

    /// <summary>Opens a database.</summary>
    /// <param name="readable">The files that queries may read.</param>
    /// <param name="writable">The folder that queries may write to; what does not fit into memory goes there, too.</param>
    /// <param name="threads">How many threads a query may use; with one, the order of the rows is always the same.</param>
    public DuckDbSession(IEnumerable<string> readable, string writable, int threads)
    {
        try
        {
            Open();
            Run("SET autoinstall_known_extensions = false");
            Run("SET autoload_known_extensions = false");
            Run($"SET threads = {threads}");
            Run("SET memory_limit = '1GB'");
            Run("SET enable_progress_bar = false");
            Run($"SET temp_directory = {Quote(writable)}");
            Run($"SET allowed_paths = [{string.Join(", ", readable.Select(Quote))}]");
            Run($"SET allowed_directories = [{Quote(writable)}]");
            Run("SET enable_external_access = false");
            Run("SET lock_configuration = true");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>A text as SQL writes it.</summary>
    public static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>Runs a statement.</summary>
    /// <exception cref="DuckDbException">What DuckDB said.</exception>
    public void Run(string sql) => Query(sql, columns: 0);

    /// <summary>Runs a query and returns the first columns of all its rows as text.</summary>
    /// <exception cref="DuckDbException">What DuckDB said.</exception>
    public List<string?[]> Query(string sql, int columns)
    {
        DuckDbResult result;
        fixed (byte* text = Encoding.UTF8.GetBytes(sql + "\0"))
        {
            var failed = api.Query(connection, text, &result) != 0;
            try
            {
                if (failed)
                    throw new DuckDbException(Marshal.PtrToStringUTF8((nint)api.ResultError(&result)) ?? "unknown error");
                return columns == 0 ? [] : Read(&result, columns);
            }
            finally
            {
                api.DestroyResult(&result);
            }
        }
    }

    public void Dispose()
    {
        fixed (nint* open = &connection)
        {
            if (connection != 0)
                api.Disconnect(open);
        }

        fixed (nint* open = &database)
        {
            if (database != 0)
                api.Close(open);
        }
    }

    private void Open()
    {
        byte* message = null;
        fixed (nint* db = &database)
        fixed (nint* con = &connection)
        {
            // No path is a database in memory.
            if (api.OpenExt(null, db, 0, &message) != 0)
            {
                var text = Marshal.PtrToStringUTF8((nint)message) ?? "unknown error";
                api.Free(message);
                throw new DuckDbException(text);
            }

            if (api.Connect(database, con) != 0)
                throw new DuckDbException("cannot connect to a database in memory");
        }
    }

    private List<string?[]> Read(DuckDbResult* result, int columns)
    {
        var rows = new List<string?[]>();
        for (ulong row = 0; row < api.RowCount(result); row++)
        {
            var values = new string?[columns];
            for (var column = 0; column < columns; column++)
            {
                var text = api.ValueVarchar(result, (ulong)column, row);
                values[column] = Marshal.PtrToStringUTF8((nint)text);
                api.Free(text);
            }

            rows.Add(values);
        }

        return rows;
    }
}

/// <summary>A message of DuckDB without the excerpt of the query, which holds names that the user never wrote.</summary>
internal sealed class DuckDbException(string message) : Exception(Shorten(message))
{
    private static string Shorten(string message)
    {
        var excerpt = message.IndexOf("\n\nLINE ", StringComparison.Ordinal);
        return string.Join(' ', (excerpt < 0 ? message : message[..excerpt]).Split('\n', StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');
    }
}
