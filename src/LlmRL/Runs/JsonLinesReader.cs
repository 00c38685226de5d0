using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>Reads what <see cref="JsonLinesFile"/> writes, also while it is being written.</summary>
internal static class JsonLinesReader
{
    /// <summary>The objects of a file in order; none where it is absent. A torn last line is left out; a fault before it is an error.</summary>
    public static IEnumerable<JsonElement> Read(string path)
    {
        if (!File.Exists(path)) yield break;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var number = 0;
        var line = reader.ReadLine();
        while (line is not null)
        {
            number++;
            var next = reader.ReadLine();
            if (TryParse(Encoding.UTF8.GetBytes(line), out var element)) yield return element;
            else if (next is not null && line.Length > 0) throw Fault(path, number, line);
            line = next;
        }
    }

    public static bool TryParse(ReadOnlyMemory<byte> line, out JsonElement element)
    {
        element = default;
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return false;
            element = document.RootElement.Clone();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>
    /// Writes a number so that reading gives the same bits; NaN and infinities, which JSON lacks, become the strings "NaN", "Infinity", "-Infinity".
    /// </summary>
    public static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteString(name, value.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The number of a value written by <see cref="WriteNumber"/>; false where it is none.</summary>
    public static bool TryGetNumber(JsonElement value, out double number)
    {
        number = double.NaN;
        if (value.ValueKind == JsonValueKind.Number) return value.TryGetDouble(out number);
        if (value.ValueKind != JsonValueKind.String) return false;
        switch (value.GetString())
        {
            case "NaN": return true;
            case "Infinity": number = double.PositiveInfinity; return true;
            case "-Infinity": number = double.NegativeInfinity; return true;
            default: return false;
        }
    }

    /// <summary>The whole number of a value; false where it is none.</summary>
    public static bool TryGetInteger(JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }

    private static BadInputException Fault(string path, int number, string line)
    {
        var shown = line.Length > 60 ? line[..60] + "…" : line;
        return new BadInputException($"{path} line {number} is not a JSON object: {shown}. Remove the line, or delete the file to start it afresh.");
    }
}
