namespace LlmRL.Data;

/// <summary>The rows of one file, each read when it is asked for.</summary>
internal abstract class RowFile(FileRows rows) : IDisposable
{
    /// <summary>The file's name, for messages.</summary>
    public string File => Rows.File;

    /// <summary>How many rows there are.</summary>
    public virtual int Count => Rows.Count;

    /// <summary>Where the rows are.</summary>
    protected FileRows Rows => rows;

    /// <summary>The line or row number by which messages name a row, from 1.</summary>
    public virtual int Line(int row) => Rows.Line(row);

    /// <summary>Reads a row, which is there until <paramref name="use"/> returns.</summary>
    public abstract T Read<T>(int row, Func<IRow, T> use);

    public void Dispose() => rows.Dispose();
}
