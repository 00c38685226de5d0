using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LlmRL.Rewards;

/// <summary>The JSON that goes to a reward server and comes back; see <see cref="HttpReward"/>.</summary>
internal static class RewardProtocol
{
    private const int ExcerptLength = 200;

    /// <summary>The body of a request.</summary>
    public static byte[] Request(IReadOnlyList<RewardInput> completions)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            List(json, "query", completions, item => item.Example.Prompt + item.Completion);
            List(json, "prompts", completions, item => item.Example.Prompt);
            List(json, "completions", completions, item => item.Completion);
            List(json, "labels", completions, item => item.Example.Answer ?? item.Example.Completion);
            json.WriteStartObject("columns");
            foreach (var column in completions.SelectMany(item => item.Example.Fields.Keys).Distinct().Order(StringComparer.Ordinal))
                List(json, column, completions, item => item.Example.Fields.GetValueOrDefault(column));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>The scores in a reply; null becomes NaN.</summary>
    /// <param name="reply">The reply's body.</param>
    /// <param name="count">How many scores it must have.</param>
    /// <param name="server">The server, for messages.</param>
    public static double[] Scores(byte[] reply, int count, string server)
    {
        try
        {
            using var document = JsonDocument.Parse(reply);
            var list = document.RootElement;
            if (list.ValueKind == JsonValueKind.Object && !list.TryGetProperty("rewards", out list))
                throw Wrong("is an object without rewards", $"{{\"rewards\": [{count} numbers]}}");
            if (list.ValueKind != JsonValueKind.Array)
                throw Wrong("holds no list", $"a list of {count} numbers");
            if (list.GetArrayLength() != count)
                throw Wrong($"has {list.GetArrayLength()} rewards for {count} completions", "one per completion");
            return [.. list.EnumerateArray().Select((item, i) => Score(item, i))];
        }
        catch (JsonException fault)
        {
            // JSON knows no NaN or Infinity, but some libraries write them all the same.
            throw Wrong($"is no JSON ({fault.Message.TrimEnd('.')})", $"a list of {count} finite numbers");
        }

        double Score(JsonElement item, int i) => item.ValueKind switch
        {
            JsonValueKind.Null => double.NaN,
            JsonValueKind.Number when item.TryGetDouble(out var score) && double.IsFinite(score) => score,
            _ => throw Wrong($"has {Excerpt(Encoding.UTF8.GetBytes(item.GetRawText()))} as reward {i + 1}", "finite numbers, null where the reward does not apply"),
        };

        RewardFailedException Wrong(string found, string wanted) =>
            new($"{server}: the reply {found}; expected {wanted}. It begins: {Excerpt(reply)}");
    }

    /// <summary>The beginning of a reply, on one line.</summary>
    public static string Excerpt(byte[] reply)
    {
        var text = Encoding.UTF8.GetString(reply.AsSpan(0, Math.Min(reply.Length, ExcerptLength)));
        var line = string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        return line.Length == 0 ? "(nothing)" : reply.Length > ExcerptLength ? line + "…" : line;
    }

    private static void List(Utf8JsonWriter json, string name, IReadOnlyList<RewardInput> completions, Func<RewardInput, string?> value)
    {
        json.WriteStartArray(Encoding.UTF8.GetBytes(name));
        foreach (var item in completions)
        {
            // As bytes: half a surrogate pair, which a text may end in, becomes U+FFFD instead of a fault.
            if (value(item) is { } text)
                json.WriteStringValue(Encoding.UTF8.GetBytes(text));
            else
                json.WriteNullValue();
        }

        json.WriteEndArray();
    }
}
