using System.Globalization;
using System.Text;

namespace LlmRL.Recipes.Binding;

/// <summary>Records → the YAML that <see cref="RecipeBinder"/> reads back as equal records, every default spelled out.</summary>
public static class RecipeWriter
{
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "null", "true", "false", "yes", "no", "on", "off", "y", "n",
    };

    /// <summary>The YAML of a resolved recipe, keys in the order of the records' properties.</summary>
    public static string Write(object recipe)
    {
        var text = new StringBuilder();
        var root = RecipeNodes.From(recipe);
        if (root is RecipeMapping { Entries.Count: > 0 } mapping)
            Block(text, mapping, 0, afterDash: false);
        else
            text.Append(Inline(root)).Append('\n');
        return text.ToString();
    }

    /// <summary>A node on one line, as <c>--set KEY=VALUE</c> takes a value.</summary>
    internal static string Flow(RecipeNode node) => node switch
    {
        // What was written without quotes may be a number and must stay one, unless a line of values could not hold it as it is.
        RecipeScalar { Text: { } text, IsText: false } when text.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.' or '_' or '/' or '@') => text,
        RecipeScalar { Text: { } text } => Quote(text),
        RecipeSequence sequence => $"[{string.Join(", ", sequence.Items.Select(Flow))}]",
        RecipeMapping mapping => $"{{{string.Join(", ", mapping.Entries.Select(entry => $"{Quote(entry.Key)}: {Flow(entry.Value)}"))}}}",
        _ => "null",
    };

    private static void Block(StringBuilder text, RecipeMapping mapping, int indent, bool afterDash)
    {
        foreach (var (key, _, value) in mapping.Entries)
        {
            text.Append(' ', afterDash ? 0 : indent).Append(Quote(key)).Append(':');
            afterDash = false;
            Value(text, value, indent);
        }
    }

    private static void Value(StringBuilder text, RecipeNode value, int indent)
    {
        switch (value)
        {
            case RecipeMapping { Entries.Count: > 0 } mapping:
                text.Append('\n');
                Block(text, mapping, indent + 2, afterDash: false);
                break;
            case RecipeSequence sequence when !sequence.Items.All(item => item is RecipeScalar):
                text.Append('\n');
                foreach (var item in sequence.Items)
                    Item(text, item, indent + 2);
                break;
            default:
                text.Append(' ').Append(Inline(value)).Append('\n');
                break;
        }
    }

    private static void Item(StringBuilder text, RecipeNode item, int indent)
    {
        text.Append(' ', indent).Append('-');
        if (item is RecipeMapping { Entries.Count: > 0 } mapping)
            Block(text.Append(' '), mapping, indent + 2, afterDash: true);
        else
            Value(text, item, indent);
    }

    private static string Inline(RecipeNode node) => node switch
    {
        RecipeScalar { Text: null } => "null",
        RecipeScalar { IsText: true } scalar => Quote(scalar.Text),
        RecipeScalar scalar => scalar.Text,
        RecipeSequence sequence => $"[{string.Join(", ", sequence.Items.Select(Inline))}]",
        _ => "{}",
    };

    /// <summary>Text as it stands where no reader could take it for anything else, otherwise in double quotes.</summary>
    private static string Quote(string text)
    {
        var plain = text.Length > 0 && (char.IsAsciiLetter(text[0]) || text[0] is '_' or '/') && text[^1] != ' '
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '/' or '.' or '-' or '+' or ' ') && !Reserved.Contains(text);
        if (plain)
            return text;
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == 0xFFFD && !text.Contains('\uFFFD'))
                throw new ArgumentException("the text holds half a surrogate pair, which no file can hold", nameof(text));
            quoted.Append(Escape(rune));
        }

        return quoted.Append('"').ToString();
    }

    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;

    private static string Escape(Rune rune) => rune.Value switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\t' => "\\t",
        0xFEFF or 0x2028 or 0x2029 => $"\\u{rune.Value:X4}",
        _ when !IsInvisible(rune) => rune.ToString(),
        > 0xFFFF => $"\\U{rune.Value:X8}",
        _ => $"\\u{rune.Value:X4}",
    };
}
