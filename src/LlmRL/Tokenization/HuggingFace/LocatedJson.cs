using System.Text.Json;
using System.Text.Unicode;

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

    public double Number => Element.ValueKind == JsonValueKind.Number && double.IsFinite(Element.GetDouble()) ? Element.GetDouble() : throw Expected("a number that is finite");

    public int Id => IdBelow(1 << 28);

    /// <summary>Ids run from 0 with few gaps: one far beyond the number of tokens is a mistake that would cost memory.</summary>
    public static int IdLimit(int tokens) => (int)Math.Min(1 << 28, (2L * tokens) + (1 << 16));

    public int IdBelow(int limit) => Integer is >= 0 and var id && id < limit ? id : throw Expected($"a token id from 0 to {limit - 1}");

    public static LocatedJson Parse(string file, byte[] content)
    {
        try
        {
            var reader = new ReadOnlyMemory<byte>(content);
            if (content.AsSpan().StartsWith("\uFEFF"u8))
                reader = reader[3..];
            CheckText(file, reader.Span);
            return new LocatedJson(file, "", JsonDocument.Parse(reader).RootElement);
        }
        catch (JsonException fault)
        {
            throw TokenizerErrors.InvalidJson(file, fault);
        }
    }

    // The parser leaves what lies between the quotes for later: bytes that are no UTF-8 and halves of surrogate pairs are found here, once.
    private static void CheckText(string file, ReadOnlySpan<byte> content)
    {
        if (!Utf8.IsValid(content))
            throw new BadInputException($"{file}: not valid UTF-8; the file may be damaged: fetch it again");
        if (content.IndexOf("\\ud"u8) < 0 && content.IndexOf("\\uD"u8) < 0)
            return;
        var reader = new Utf8JsonReader(content);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                    _ = reader.GetString();
            }
        }
        catch (InvalidOperationException fault)
        {
            throw new BadInputException($"{file}, byte {reader.TokenStartIndex}: a string has one half of a surrogate pair; the file is damaged: fetch it again", fault);
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
