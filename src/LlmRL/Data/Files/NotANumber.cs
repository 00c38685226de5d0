using System.Text;

namespace LlmRL.Data;

/// <summary>NaN and Infinity, which JSON does not have but Python and DuckDB write.</summary>
internal static class NotANumber
{
    private static readonly byte[][] Words =
        [.. new[] { "-Infinity", "Infinity", "-inf", "inf", "-NaN", "NaN", "-nan", "nan" }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>The row with null in place of such words outside texts; null where it has none.</summary>
    public static byte[]? Replace(byte[] row)
    {
        var written = new List<byte>(row.Length);
        var (found, inString) = (false, false);
        for (var i = 0; i < row.Length; i++)
        {
            if (!inString && Array.Find(Words, word => row.AsSpan(i).StartsWith(word)) is { } word)
            {
                written.AddRange("null"u8);
                i += word.Length - 1;
                found = true;
                continue;
            }

            written.Add(row[i]);
            if (inString && row[i] == '\\' && i + 1 < row.Length)
                written.Add(row[++i]);
            else if (row[i] == '"')
                inString = !inString;
        }

        return found ? [.. written] : null;
    }
}
