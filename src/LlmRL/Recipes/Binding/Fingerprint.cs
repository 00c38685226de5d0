using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace LlmRL.Recipes.Binding;

/// <summary>A hash of everything that a record's settings say, so that a finished stage is reused exactly where its settings are the same.</summary>
public static class Fingerprint
{
    /// <summary>SHA-256 of <see cref="Text"/> in lower-case hexadecimal.</summary>
    public static string Of(object record) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text(record))));

    /// <summary>
    /// Canonical JSON: keys sorted by code point, no spaces, numbers in the shortest form that reads back exactly, so that neither the order of properties in
    /// the code nor the machine's culture matters.
    /// </summary>
    public static string Text(object record)
    {
        var text = new StringBuilder();
        Append(text, RecipeNodes.From(record));
        return text.ToString();
    }

    /// <summary>
    /// The same settings one by one: dotted key → canonical JSON. A record that is a variant stands under its kind, <c>sft.batch_size</c>; lists of plain
    /// values are one setting.
    /// </summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Settings(object record)
    {
        var settings = new List<KeyValuePair<string, string>>();
        Collect(settings, "", RecipeNodes.From(record));
        return settings;
    }

    private static void Collect(List<KeyValuePair<string, string>> settings, string key, RecipeNode node)
    {
        string Below(string name) => key.Length == 0 ? name : $"{key}.{name}";
        if (node is RecipeMapping { Entries.Count: > 0 } mapping)
        {
            foreach (var entry in mapping.Entries)
                Collect(settings, Below(entry.Key), entry.Value);
        }
        else if (node is RecipeSequence sequence && sequence.Items.Any(item => item is not RecipeScalar))
        {
            for (var i = 0; i < sequence.Items.Count; i++)
                Collect(settings, Below(i.ToString(System.Globalization.CultureInfo.InvariantCulture)), sequence.Items[i]);
        }
        else
        {
            var text = new StringBuilder();
            Append(text, node);
            settings.Add(new(key, text.ToString()));
        }
    }

    private static void Append(StringBuilder text, RecipeNode node)
    {
        switch (node)
        {
            case RecipeScalar scalar:
                var isText = scalar.IsText || scalar.Text is ".inf" or "-.inf" or ".nan";
                text.Append(scalar.Text is null ? "null" : isText ? JsonSerializer.Serialize(scalar.Text) : scalar.Text);
                break;
            case RecipeSequence sequence:
                text.Append('[');
                for (var i = 0; i < sequence.Items.Count; i++)
                    Append(i == 0 ? text : text.Append(','), sequence.Items[i]);
                text.Append(']');
                break;
            case RecipeMapping mapping:
                text.Append('{');
                var separator = "";
                foreach (var entry in mapping.Entries.OrderBy(entry => entry.Key, StringComparer.Ordinal))
                {
                    text.Append(separator).Append(JsonSerializer.Serialize(entry.Key)).Append(':');
                    Append(text, entry.Value);
                    separator = ",";
                }

                text.Append('}');
                break;
        }
    }
}
