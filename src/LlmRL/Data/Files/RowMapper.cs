using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace LlmRL.Data;

/// <summary>Turns rows of one file into examples.</summary>
internal sealed partial class RowMapper
{
    private readonly string file;
    private readonly ColumnRoles roles;
    private readonly HashSet<string> mapped;

    /// <summary>Decides the columns by the file's first row.</summary>
    public RowMapper(string file, ColumnMap map, IRow first, int line)
    {
        this.file = file;
        roles = new ColumnRoles(file, map, first, line);
        mapped = [.. roles.Format.Columns.Select(column => column.Column)];
        if (roles.Prompt is { } prompt)
            mapped.UnionWith(ColumnRoles.Parts(prompt));
    }

    /// <summary>What the columns were recognised as.</summary>
    public DataFormat Format => roles.Format;

    /// <summary>The example of one row.</summary>
    public Example Map(IRow row, int line)
    {
        var example = new Example
        {
            Prompt = "",
            Answer = Value(row, roles.Answer, line),
            Margin = Number(row, roles.Margin, line),
            Label = Truth(row, line),
            Difficulty = Level(row, line),
            Source = $"{file}:{line}",
            Fields = Rest(row, line),
        };
        return Format.IsConversational ? Converse(example, row, line) : Write(example, row, line);
    }

    private Example Write(Example example, IRow row, int line)
    {
        var (better, worse) = (Value(row, roles.Chosen, line), Value(row, roles.Rejected, line));
        var start = "";
        Range? shortenable = null;
        if (roles.Prompt is not null)
            (start, shortenable) = Prompt(row, line);
        else if (better is not null && worse is not null)
        {
            start = SharedBeginning.Of(better, worse);
            (better, worse) = (better[start.Length..], worse[start.Length..]);
        }

        return example with { Prompt = start, Completion = Value(row, roles.Completion, line), Chosen = better, Rejected = worse, Shortenable = shortenable };
    }

    private Example Converse(Example example, IRow row, int line)
    {
        try
        {
            var conversation = new ConversationMapper(roles, path => Value(row, path, line)).Map(row);
            return ConversationText.Apply(example with { Conversation = conversation }, PlainChat.Form);
        }
        catch (FormatException fault)
        {
            throw new BadInputException($"{file}:{line}: {fault.Message}.", fault);
        }
    }

    /// <summary>The prompt's text, and where in it the column is that may be shortened.</summary>
    private (string Text, Range? Shortenable) Prompt(IRow row, int line)
    {
        var path = roles.Prompt!;
        if (!path.Contains('{'))
            return (Value(row, path, line) ?? throw new BadInputException($"{file}:{line}: column '{path}' is null, but every row needs a prompt."), null);
        var text = new StringBuilder();
        Range? shortenable = null;
        var at = 0;
        foreach (Match brace in ColumnRoles.Braces().Matches(path))
        {
            var column = brace.Groups[1].Value;
            text.Append(path, at, brace.Index - at);
            var start = text.Length;
            text.Append(Value(row, column, line));
            if (column == roles.Shorten)
                shortenable = start..text.Length;
            at = brace.Index + brace.Length;
        }

        text.Append(path, at, path.Length - at);
        // An instruction that needs no input has an empty one.
        return (path.Equals(ColumnRoles.InstructionAndInput, StringComparison.OrdinalIgnoreCase) ? text.ToString().TrimEnd('\n') : text.ToString(), shortenable);
    }

    private string? Value(IRow row, string? path, int line)
    {
        if (path is null)
            return null;
        if (path.Contains('{'))
            return ColumnRoles.Braces().Replace(path, match => Value(row, match.Groups[1].Value, line) ?? "");
        return TryGet(row, path, line, out var text)
            ? text
            : throw new BadInputException($"{file}:{line}: no column '{path}', which the file's first row has; this row has {ColumnRoles.Names(row)}.");
    }

    private double? Number(IRow row, string? path, int line)
    {
        if (Value(row, path, line) is not { } text)
            return null;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new BadInputException($"{file}:{line}: column '{path}' is '{text}', but must be a number.");
    }

    private bool? Truth(IRow row, int line)
    {
        if (roles.Label is null || Value(row, roles.Label, line) is not { } text)
            return null;
        return ColumnRoles.Truth(row, roles.Label)
            ?? throw new BadInputException($"{file}:{line}: column '{roles.Label}' is '{text}', but a label is true or false, 1 or 0.");
    }

    private int Level(IRow row, int line) =>
        Value(row, roles.Difficulty, line) is { } text && Integer().Match(text) is { Success: true } match
            ? int.Parse(match.ValueSpan, CultureInfo.InvariantCulture)
            : 0;

    private bool TryGet(IRow row, string path, int line, out string? text)
    {
        try
        {
            return row.TryGet(path, out text);
        }
        catch (FormatException fault)
        {
            throw new BadInputException($"{file}:{line}: column '{path}': {fault.Message}.", fault);
        }
    }

    private Dictionary<string, string> Rest(IRow row, int line)
    {
        var rest = new Dictionary<string, string>();
        foreach (var column in row.Columns)
        {
            if (!mapped.Contains(column) && TryGet(row, column, line, out var text) && text is not null)
                rest[column] = text;
        }

        return rest;
    }

    [GeneratedRegex(@"[0-9]{1,6}")]
    private static partial Regex Integer();
}
