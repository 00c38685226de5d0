using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmRL.Data;

/// <summary>Which column of a file is what, decided by its first row.</summary>
internal sealed partial class ColumnRoles
{
    /// <summary>Alpaca's two columns: what to do, and (often empty) with what.</summary>
    public const string InstructionAndInput = "{instruction}\n{input}";

    private static readonly string[] Prompts = ["prompt", "question", "query", "problem", "instruction", "input", "post", "context", "document", "article", "dialogue"];
    private static readonly string[] Completions = ["completion", "response", "solution", "output", "summary", "highlights", "target", "label", "ref_text", "text"];
    private static readonly string[] Conversations = ["messages", "conversations", "conversation"];
    private static readonly string[] Answers = ["gold", "gold_answer", "ground_truth", "reward_model.ground_truth", "final_answer"];

    private readonly string file;
    private readonly IRow first;
    private readonly int line;

    public ColumnRoles(string file, ColumnMap map, IRow first, int line)
    {
        (this.file, this.first, this.line) = (file, first, line);
        Chosen = Given(map.Chosen, "chosen") ?? Find("chosen");
        Rejected = Given(map.Rejected, "rejected") ?? Find("rejected");
        Margin = Given(map.Margin, "margin") ?? Find("margin");
        Difficulty = Given(map.Difficulty, "difficulty") ?? Find("difficulty", "level");
        Answer = Given(map.Answer, "answer") ?? Find(Answers);
        System = Given(map.System, "system") ?? Find("system");
        Completion = Given(map.Completion, "completion");
        Prompt = Given(map.Prompt, "prompt") ?? FindPrompt();
        Completion ??= FindCompletion();
        if (map.Prompt is null && Completion is not null && Conversations.Contains(Completion, StringComparer.OrdinalIgnoreCase) && IsConversational(Completion))
            Prompt = null; // A whole conversation holds its own prompt.
        Label = Given(map.Label, "label") ?? (Completion is not null && Find("label") is { } label && label != Completion && SaysTrueOrFalse(label) ? label : null);
        Shorten = GivenShorten(map);
        Format = Recognise();
    }

    public string? Prompt { get; }

    public string? Completion { get; }

    public string? Chosen { get; }

    public string? Rejected { get; }

    public string? Answer { get; private set; }

    public string? Margin { get; }

    public string? Difficulty { get; }

    public string? Label { get; }

    public string? System { get; }

    /// <summary>The column within the prompt's braces that may be shortened.</summary>
    public string? Shorten { get; }

    public DataFormat Format { get; }

    /// <summary>The columns that an expression reads: itself, or those in its braces.</summary>
    public static IEnumerable<string> Parts(string path) => path.Contains('{') ? Braces().Matches(path).Select(match => match.Groups[1].Value) : [path];

    /// <summary>The columns' names, for messages.</summary>
    public static string Names(IRow row) => string.Join(", ", row.Columns.Select(name => name.Length == 0 ? "(no name)" : name));

    /// <summary>A value that says yes or no; null where it is something else.</summary>
    public static bool? Truth(IRow row, string column) => row.TryGet(column, out var text) ? text?.ToLowerInvariant() switch
    {
        "true" or "1" or "1.0" => true,
        "false" or "0" or "0.0" => false,
        _ => null,
    } : null;

    [GeneratedRegex(@"\{([^{}]+)\}")]
    public static partial Regex Braces();

    private string? FindPrompt()
    {
        // "conversations" beside a pair is what comes before the two answers.
        if (Chosen is not null && Rejected is not null && Find(Conversations) is { } before && Find("prompt") is null)
            return before;
        var found = Find(Prompts);
        // A question about something that stands in a column of its own; where there is a "Ques" too, the question holds both.
        if (found is not null && found.Equals("question", StringComparison.OrdinalIgnoreCase) && Find("body") is { } body && Find("ques") is null)
            return $"{{{body}}} {{{found}}}";
        return found is not null && found.Equals("instruction", StringComparison.OrdinalIgnoreCase) && found != Completion && Find("input") is { } input
            && input != Completion ? InstructionAndInput.Replace("instruction", found, StringComparison.Ordinal).Replace("{input}", $"{{{input}}}", StringComparison.Ordinal) : found;
    }

    private string? FindCompletion()
    {
        if (Chosen is null && Find(Conversations) is { } whole && whole != Prompt && IsConversational(whole) && Find("completion") is null)
            return whole;
        var taken = Prompt is null ? [] : Parts(Prompt);
        var found = Find([.. Completions.Where(name => !taken.Contains(name, StringComparer.OrdinalIgnoreCase) && (name != "label" || IsText("label")))]);
        // "answer" is the worked solution in GSM8K and the bare result in MATH, where a solution stands beside it.
        if (Answer is null && found is not null)
            Answer = Find("answer");
        return found ?? (Chosen is null && Answer is null ? Find("answer") : null);
    }

    // A number may be a class, an index or a score.
    private bool SaysTrueOrFalse(string column) => first.TryGet(column, out var text) && text?.ToLowerInvariant() is "true" or "false";

    private bool IsText(string name) => Find(name) is { } column && first.TryGet(column, out var text) && text is not null && Truth(first, column) is null
        && !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    private string? Find(params string[] names)
    {
        foreach (var name in names)
        {
            if (first.Columns.FirstOrDefault(column => column.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } column)
                return column;
            if (name.Contains('.') && first.TryGet(name, out _))
                return name;
        }

        return null;
    }

    private string? Given(string? path, string key)
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

    private string? GivenShorten(ColumnMap map)
    {
        if (map.Shorten is { } named && (Prompt is null || !Prompt.Contains('{') || !Parts(Prompt).Contains(named)))
            throw new BadInputException($"{file}: columns.shorten is '{named}', which columns.prompt has not in braces; name one of its columns, or leave it out.");
        return map.Shorten;
    }

    private DataFormat Recognise()
    {
        var pair = Chosen is not null && Rejected is not null;
        if (!pair && (Chosen ?? Rejected) is { } single)
            throw new BadInputException($"{file}: a pair has two columns, but beside '{single}' there is no {(Chosen is null ? "chosen" : "rejected")}; there are {Names(first)}. Name it: columns: {{ {(Chosen is null ? "chosen" : "rejected")}: … }}.");
        if (!pair && Prompt is null && Completion is null)
        {
            throw new BadInputException($"{file}: no column is known as a prompt; there are {Names(first)}. Data has text or messages; prompt; prompt and completion; chosen and "
                + "rejected; or prompt, completion and label. Name its columns: columns: { prompt: … }, or write them with sql.");
        }

        return new DataFormat
        {
            Kind = pair ? DataKind.Preference : Prompt is null ? DataKind.LanguageModeling : Completion is null ? DataKind.PromptOnly
                : Label is null ? DataKind.PromptCompletion : DataKind.UnpairedPreference,
            IsConversational = IsConversational(Prompt) || IsConversational(Completion) || (pair && IsConversational(Chosen)),
            HasImplicitPrompt = pair && Prompt is null,
            Columns = [.. new[]
            {
                ("prompt", Prompt), ("completion", Completion), ("chosen", Chosen), ("rejected", Rejected), ("answer", Answer), ("label", Label), ("system", System),
                ("margin", Margin), ("difficulty", Difficulty),
            }.Where(pair => pair.Item2 is not null).Select(pair => (pair.Item1, pair.Item2!))],
        };
    }

    private bool IsConversational(string? path)
    {
        try
        {
            return path is not null && !path.Contains('{') && first.Messages(path, orOne: false) is not null;
        }
        catch (FormatException fault)
        {
            throw new BadInputException($"{file}:{line}: column '{path}': {fault.Message}.", fault);
        }
    }
}
