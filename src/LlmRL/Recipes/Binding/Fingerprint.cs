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
