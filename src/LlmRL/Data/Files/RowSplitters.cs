namespace LlmRL.Data;

/// <summary>Finds the rows in a stream of bytes.</summary>
internal interface IRowSplitter
{
    /// <summary>Takes the next bytes; calls <paramref name="add"/> with the byte range [start, end) and line of each row that ends.</summary>
    void Next(ReadOnlySpan<byte> bytes, Action<long, long, int> add);

    /// <summary>The file ended.</summary>
    void End(string file, Action<long, long, int> add);
}

/// <summary>One row a line; blank lines are none.</summary>
internal sealed class LineSplitter : IRowSplitter
{
    private long at, start;
    private int line = 1;
    private bool blank = true;

    public void Next(ReadOnlySpan<byte> bytes, Action<long, long, int> add)
    {
        while (bytes.Length > 0)
        {
            var end = bytes.IndexOf((byte)'\n');
            var piece = end < 0 ? bytes : bytes[..end];
            blank &= piece.IndexOfAnyExcept(" \t\r"u8) < 0;
            at += piece.Length;
            if (end < 0)
                return;
            if (!blank)
                add(start, at, line);
            start = ++at;
            line++;
            blank = true;
            bytes = bytes[(end + 1)..];
        }
    }

    public void End(string file, Action<long, long, int> add)
    {
        if (!blank)
            add(start, at, line);
    }
}

/// <summary>One row an element of a JSON array.</summary>
internal sealed class ArraySplitter : IRowSplitter
{
    private long at, start;
    private int line = 1, startLine, depth;
    private bool inString, escaped, inElement;

    public void Next(ReadOnlySpan<byte> bytes, Action<long, long, int> add)
    {
        foreach (var b in bytes)
            Next(b, add);
    }

    private void Next(byte b, Action<long, long, int> add)
    {
        if (inString)
        {
            inString = escaped || b != '"';
            escaped = !escaped && b == '\\';
        }
        else if (depth == 1 && (b == ',' || b == ']') && inElement)
        {
            add(start, at, startLine);
            inElement = false;
            depth -= b == ']' ? 1 : 0;
        }
        else
        {
            if (depth == 1 && b > ' ' && !inElement && b != ']')
                (start, startLine, inElement) = (at, line, true);
            inString = b == '"';
            depth += b is (byte)'{' or (byte)'[' ? 1 : b is (byte)'}' or (byte)']' ? -1 : 0;
        }

        if (b == '\n')
            line++;
        at++;
    }

    public void End(string file, Action<long, long, int> add)
    {
        if (depth != 0 || inString)
            throw new BadInputException($"{file}:{line}: the JSON array is not closed. Is the file complete?");
    }
}

/// <summary>One row a CSV record (RFC 4180): line breaks inside quotes belong to the field.</summary>
internal sealed class CsvSplitter : IRowSplitter
{
    private long at, start;
    private int line = 1, startLine = 1, quoteLine;
    private bool quoted, blank = true;

    public void Next(ReadOnlySpan<byte> bytes, Action<long, long, int> add)
    {
        foreach (var b in bytes)
            Next(b, add);
    }

    private void Next(byte b, Action<long, long, int> add)
    {
        if (b == '"')
        {
            quoted = !quoted;
            quoteLine = line;
        }

        if (b == '\n')
        {
            line++;
            if (!quoted)
            {
                if (!blank)
                    add(start, at, startLine);
                (start, startLine, blank) = (at + 1, line, true);
            }
        }
        else if (b > ' ' || b == '\t')
        {
            blank = false;
        }

        at++;
    }

    public void End(string file, Action<long, long, int> add)
    {
        if (quoted)
            throw new BadInputException($"{file}:{quoteLine}: a quoted field that begins here is not closed. Double a quote within a text: \"\".");
        if (!blank)
            add(start, at, startLine);
    }
}

/// <summary>One row an object at the top, on one line or on many.</summary>
internal sealed class ObjectSplitter : IRowSplitter
{
    private long at, start;
    private int line = 1, startLine, depth;
    private bool inString, escaped, inRow;

    public void Next(ReadOnlySpan<byte> bytes, Action<long, long, int> add)
    {
        foreach (var b in bytes)
            Next(b, add);
    }

    private void Next(byte b, Action<long, long, int> add)
    {
        if (!inRow && b > ' ')
            (start, startLine, inRow) = (at, line, true);
        if (inString)
        {
            inString = (escaped || b != '"') && b != '\n';
            escaped = !escaped && b == '\\';
        }
        else
        {
            inString = b == '"';
            depth = Math.Max(0, depth + (b is (byte)'{' or (byte)'[' ? 1 : b is (byte)'}' or (byte)']' ? -1 : 0));
        }

        at++;
        // Whatever else stands at the top is a row of its line, so that its fault is told with its place.
        if (inRow && depth == 0 && (b is (byte)'}' or (byte)'\n'))
        {
            add(start, at, startLine);
            inRow = false;
        }

        if (b == '\n')
            line++;
    }

    public void End(string file, Action<long, long, int> add)
    {
        if (inRow)
            add(start, at, startLine);
    }
}
