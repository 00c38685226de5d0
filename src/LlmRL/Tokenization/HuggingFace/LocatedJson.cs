using System.Text.Json;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>A value inside a JSON file that knows where it stands, so that every complaint names file and key.</summary>
internal readonly record struct LocatedJson(string File, string Path, JsonElement Element)
{
    public bool IsAbsent => Element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    public bool IsObject => Element.ValueKind == JsonValueKind.Object;

    public bool IsArray => Element.ValueKind == JsonValueKind.Array;

    public bool IsText => Element.ValueKind == JsonValueKind.String;

    public LocatedJson this[string key] => new(File, Path.Length == 0 ? key : $"{Path}.{key}",
        IsObject && Element.TryGetProperty(key, out var value) ? value : default);

    public IEnumerable<LocatedJson> Items
    {
        get
        {
            if (!IsArray)
                throw Expected("a list");
            var index = 0;
            foreach (var item in Element.EnumerateArray())
                yield return new LocatedJson(File, $"{Path}[{index++}]", item);
        }
    }

    public IEnumerable<(string Key, LocatedJson Value)> Members
    {
        get
        {
            if (!IsObject)
                throw Expected("an object");
            foreach (var member in Element.EnumerateObject())
                yield return (member.Name, new LocatedJson(File, $"{Path}[\"{member.Name}\"]", member.Value));
        }
    }

    public string Text => IsText ? Element.GetString()! : throw Expected("a string");

    public char Character => Text is [var c] ? c : throw Expected("a single character");

    public int Integer => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out var value) ? value : throw Expected("an integer");

    public double Number => Element.ValueKind == JsonValueKind.Number ? Element.GetDouble() : throw Expected("a number");

    public int Id => Integer is >= 0 and < 1 << 28 and var id ? id : throw Expected("a token id, 0 or more");

    public static LocatedJson Parse(string file, byte[] content)
    {
        try
        {
            var reader = new ReadOnlyMemory<byte>(content);
            if (content.AsSpan().StartsWith("\uFEFF"u8))
                reader = reader[3..];
            return new LocatedJson(file, "", JsonDocument.Parse(reader).RootElement);
        }
        catch (JsonException fault)
        {
            throw TokenizerErrors.InvalidJson(file, fault);
        }
    }

    public string? TextOrNull() => IsAbsent ? null : Text;

    public bool FlagOr(bool fallback) => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Undefined or JsonValueKind.Null => fallback,
        _ => throw Expected("true or false"),
    };

    public BadInputException Expected(string what) => Error($"expected {what}, found {Shown()}");

    public BadInputException Error(string message) => new($"{File}: {(Path.Length == 0 ? "" : $"{Path}: ")}{message}");

    private string Shown()
    {
        if (Element.ValueKind == JsonValueKind.Undefined)
            return "nothing";
        var raw = Element.GetRawText();
        return raw.Length <= 60 ? raw : raw[..60] + "…";
    }
}
