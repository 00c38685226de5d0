using System.Text.Json;

namespace LlmRL.Data;

/// <summary>One row of a file before its columns are mapped.</summary>
internal interface IRow
{
    /// <summary>The names of the top-level columns.</summary>
    IEnumerable<string> Columns { get; }

    /// <summary>Whether the row has the column; its text is null where its value is.</summary>
    bool TryGet(string path, out string? text);
}

/// <summary>An object of a JSON file.</summary>
internal sealed class JsonRow(JsonElement element) : IRow
{
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

    // a.b[0].c
    private bool TryWalk(string path, out JsonElement value)
    {
        value = element;
        foreach (var step in path.Replace("[", ".[", StringComparison.Ordinal).Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            if (step[0] == '[')
            {
                if (value.ValueKind != JsonValueKind.Array || !int.TryParse(step.AsSpan(1).TrimEnd(']'), out var index))
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

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        // Texts cut into sentences are read as one.
        JsonValueKind.Array when value.GetArrayLength() > 0 && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            string.Join(' ', value.EnumerateArray().Select(item => item.GetString())),
        // One message of a conversation stands for what it says.
        JsonValueKind.Object when Message(value) is { } content => content,
        _ => value.GetRawText(),
    };

    private static string? Message(JsonElement value)
    {
        if (!value.TryGetProperty("role", out _) && !value.TryGetProperty("from", out _))
            return null;
        var found = value.TryGetProperty("content", out var content) || value.TryGetProperty("value", out content);
        return found && content.ValueKind == JsonValueKind.String ? content.GetString() : null;
    }
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
}
