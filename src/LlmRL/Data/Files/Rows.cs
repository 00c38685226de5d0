using System.Globalization;
using System.Text.Json;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Data;

/// <summary>One row of a file before its columns are mapped.</summary>
internal interface IRow
{
    /// <summary>The names of the top-level columns.</summary>
    IEnumerable<string> Columns { get; }

    /// <summary>Whether the row has the column; its text is null where its value is.</summary>
    bool TryGet(string path, out string? text);

    /// <summary>What the column's value is, for people: text, number, list of text.</summary>
    string Kind(string column);

    /// <summary>The column's value as a list of messages; null where it is something else, or where the row lacks it.</summary>
    /// <param name="path">The column.</param>
    /// <param name="orOne">Whether one message by itself will do, too.</param>
    /// <exception cref="FormatException">A message says something else than text.</exception>
    List<ChatMessage>? Messages(string path, bool orOne);
}

/// <summary>An object of a JSON file.</summary>
internal sealed class JsonRow(JsonElement element) : IRow
{
    private const int MostNames = 8;

    public IEnumerable<string> Columns => element.EnumerateObject().Select(property => property.Name);

    public bool TryGet(string path, out string? text)
    {
        text = null;
        if (element.TryGetProperty(path, out var value) || TryWalk(path, out value))
        {
            text = Text(value);
            return true;
        }

        return false;
    }

    public string Kind(string column) => Kind(element.GetProperty(column));

    public List<ChatMessage>? Messages(string path, bool orOne) =>
        (element.TryGetProperty(path, out var value) || TryWalk(path, out value)) && (orOne || value.ValueKind == JsonValueKind.Array) ? MessageReader.Read(value) : null;

    // a.b[0].c, and a[choice].b where choice is another column
    private bool TryWalk(string path, out JsonElement value)
    {
        value = element;
        foreach (var step in path.Replace("[", ".[", StringComparison.Ordinal).Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            if (step[0] == '[')
            {
                if (value.ValueKind != JsonValueKind.Array || Index(step[1..].TrimEnd(']')) is not { } index)
                    return false;
                index = index < 0 ? value.GetArrayLength() + index : index;
                if (index < 0 || index >= value.GetArrayLength())
                    return false;
                value = value[index];
            }
            else if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(step, out value))
            {
                return false;
            }
        }

        return true;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "text",
        JsonValueKind.Number => "number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        JsonValueKind.Array when value.GetArrayLength() == 0 => "empty list",
        JsonValueKind.Array => $"list of {Kind(value[0])}",
        JsonValueKind.Object => $"{{ {string.Join(", ", value.EnumerateObject().Take(MostNames).Select(property => property.Name))}{(value.EnumerateObject().Count() > MostNames ? ", …" : "")} }}",
        _ => "null",
    };

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        // Texts cut into sentences are read as one.
        JsonValueKind.Array when value.GetArrayLength() > 0 && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            string.Join(' ', value.EnumerateArray().Select(item => item.GetString())),
        // One message of a conversation stands for what it says.
        JsonValueKind.Object when MessageReader.Read(value) is [var message] => message.Content,
        _ => value.GetRawText(),
    };

    /// <summary>A number, a column that holds one, or a number minus such a column.</summary>
    private int? Index(string text)
    {
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            return number;
        var minus = text.IndexOf('-', StringComparison.Ordinal);
        if (minus > 0 && int.TryParse(text.AsSpan(0, minus), NumberStyles.None, CultureInfo.InvariantCulture, out var from))
            return Column(text[(minus + 1)..]) is { } less && less <= from ? from - less : null;
        return Column(text);
    }

    // Only a number that is written out counts from the end where it is negative.
    private int? Column(string name) =>
        element.TryGetProperty(name, out var column) && column.ValueKind == JsonValueKind.Number && column.TryGetInt32(out var index) && index >= 0 ? index : null;
}

/// <summary>A record of a CSV file.</summary>
internal sealed class CsvRow(IReadOnlyList<string> header, IReadOnlyList<string> fields) : IRow
{
    public IEnumerable<string> Columns => header;

    public bool TryGet(string path, out string? text)
    {
        for (var i = 0; i < header.Count; i++)
        {
            if (header[i] == path)
            {
                text = fields[i];
                return true;
            }
        }

        text = null;
        return false;
    }

    public string Kind(string column) =>
        TryGet(column, out var text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? "number" : text is "" ? "nothing" : "text";

    public List<ChatMessage>? Messages(string path, bool orOne) => null;
}
