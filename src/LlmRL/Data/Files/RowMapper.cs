using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmRL.Data;

/// <summary>Turns rows of one file into examples.</summary>
internal sealed partial class RowMapper
{
    private static readonly string[] Prompts = ["prompt", "question", "query", "problem", "instruction", "input", "post", "context"];
    private static readonly string[] Completions =
        ["completion", "response", "solution", "output", "summary", "target", "label", "ref_text", "text"];

    private static readonly string[] Answers = ["gold", "gold_answer", "ground_truth", "reward_model.ground_truth", "final_answer"];

    private readonly string file;
    private readonly string? prompt, completion, chosen, rejected, answer, margin, difficulty;
    private readonly HashSet<string> mapped;

    /// <summary>Decides the columns by the file's first row.</summary>
    public RowMapper(string file, ColumnMap map, IRow first, int line)
    {
        this.file = file;
        prompt = Given(map.Prompt, "prompt", first, line) ?? Find(first, Prompts);
        completion = Given(map.Completion, "completion", first, line);
        chosen = Given(map.Chosen, "chosen", first, line) ?? Find(first, "chosen");
        rejected = Given(map.Rejected, "rejected", first, line) ?? Find(first, "rejected");
        answer = Given(map.Answer, "answer", first, line) ?? Find(first, Answers);
        margin = Given(map.Margin, "margin", first, line) ?? Find(first, "margin");
        difficulty = Given(map.Difficulty, "difficulty", first, line) ?? Find(first, "difficulty", "level");

        // "answer" is the worked solution in GSM8K and the bare result in MATH, where a solution stands beside it.
        completion ??= Find(first, [.. Completions.Where(name => name != prompt)]);
        if (answer is null && completion is not null && !completion.Equals("answer", StringComparison.OrdinalIgnoreCase))
            answer = Find(first, "answer");
        if (completion is null && chosen is null && answer is null)
            completion = Find(first, "answer");
        if (prompt is null && completion is null && (chosen is null || rejected is null))
        {
            throw new BadInputException(
                $"{file}: no column is known as a prompt; there are {Names(first)}. Name it: columns: {{ prompt: … }}.");
        }

        mapped = [.. new[] { prompt, completion, chosen, rejected, answer, margin, difficulty }.OfType<string>()];
    }

    /// <summary>The example of one row.</summary>
    public Example Map(IRow row, int line)
    {
        var (better, worse) = (Value(row, chosen, line), Value(row, rejected, line));
        var start = prompt is not null
            ? Value(row, prompt, line) ?? throw new BadInputException($"{file}:{line}: column '{prompt}' is null, but every row needs a prompt.")
            : "";
        if (prompt is null && better is not null && worse is not null)
        {
            start = SharedPrompt(better, worse);
            (better, worse) = (better[start.Length..], worse[start.Length..]);
        }

        return new Example
        {
            Prompt = start,
            Completion = Value(row, completion, line),
            Chosen = better,
            Rejected = worse,
            Answer = Value(row, answer, line),
            Margin = Number(row, margin, line),
            Difficulty = Level(row, line),
            Source = $"{file}:{line}",
            Fields = Rest(row),
        };
    }

    /// <summary>What two conversations share, up to the last "Assistant:" where there is one, else up to the word in which they part.</summary>
    private static string SharedPrompt(string a, string b)
    {
        var length = 0;
        while (length < a.Length && length < b.Length && a[length] == b[length])
            length++;
        const string Turn = "\n\nAssistant:";
        var turn = a.AsSpan(0, length).LastIndexOf(Turn, StringComparison.Ordinal);
        if (turn >= 0)
            return a[..(turn + Turn.Length)];
        while (length > 0 && length < a.Length && !char.IsWhiteSpace(a[length - 1]))
            length--;
        return a[..(length > 0 && a[length - 1] == ' ' ? length - 1 : length)];
    }

    private static string? Find(IRow row, params string[] names)
    {
        foreach (var name in names)
        {
            if (row.Columns.FirstOrDefault(column => column.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } column)
                return column;
            if (name.Contains('.') && row.TryGet(name, out _))
                return name;
        }

        return null;
    }

    private string? Given(string? path, string key, IRow first, int line)
    {
        if (path is null)
            return null;
        foreach (var column in Parts(path))
        {
            if (!first.TryGet(column, out _))
                throw new BadInputException($"{file}:{line}: columns.{key} is '{path}', but there is no column '{column}'; there are {Names(first)}.");
        }

        return path;
    }

    private static IEnumerable<string> Parts(string path) =>
        path.Contains('{') ? Braces().Matches(path).Select(match => match.Groups[1].Value) : [path];

    private static string Names(IRow row) => string.Join(", ", row.Columns.Select(name => name.Length == 0 ? "(no name)" : name));

    private string? Value(IRow row, string? path, int line)
    {
        if (path is null)
            return null;
        if (path.Contains('{'))
            return Braces().Replace(path, match => Value(row, match.Groups[1].Value, line) ?? "");
        return row.TryGet(path, out var text)
            ? text
            : throw new BadInputException($"{file}:{line}: no column '{path}', which the file's first row has; this row has {Names(row)}.");
    }

    private double? Number(IRow row, string? path, int line)
    {
        if (Value(row, path, line) is not { } text)
            return null;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new BadInputException($"{file}:{line}: column '{path}' is '{text}', but must be a number.");
    }

    private int Level(IRow row, int line) =>
        Value(row, difficulty, line) is { } text && Integer().Match(text) is { Success: true } match
            ? int.Parse(match.ValueSpan, CultureInfo.InvariantCulture)
            : 0;

    private Dictionary<string, string> Rest(IRow row)
    {
        var rest = new Dictionary<string, string>();
        foreach (var column in row.Columns)
        {
            if (!mapped.Contains(column) && row.TryGet(column, out var text) && text is not null)
                rest[column] = text;
        }

        return rest;
    }

    [GeneratedRegex(@"\{([^{}]+)\}")]
    private static partial Regex Braces();

    [GeneratedRegex(@"\d{1,6}")]
    private static partial Regex Integer();
}
