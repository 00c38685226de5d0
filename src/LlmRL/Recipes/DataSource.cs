using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;
using LlmRL.Tokenization;

namespace LlmRL.Recipes;

/// <summary>A data set: a generator, a file with its columns mapped, or what an earlier stage has labelled.</summary>
public sealed record DataSource : IValidated
{
    /// <summary><c>arithmetic</c>, <c>tldr</c> or <c>word_problems</c>.</summary>
    public string? Generator { get; init; }

    /// <summary>Which disjoint part of a generator: <c>train</c> (or <c>sft</c>), <c>reward</c>, <c>rl</c>, <c>test</c>.</summary>
    public string Split { get; init; } = "train";

    /// <summary>How many rows a generator makes; of a file, at most so many are read (all by default).</summary>
    [Range(1, int.MaxValue)]
    public int? Count { get; init; }

    /// <summary>Settings of the arithmetic generator.</summary>
    public ArithmeticSettings? Arithmetic { get; init; }

    /// <summary>Settings of the TL;DR generator.</summary>
    public TldrSettings? Tldr { get; init; }

    /// <summary>Settings of the generator of word problems.</summary>
    public WordProblemSettings? WordProblems { get; init; }

    /// <summary>
    /// A file: JSON Lines (<c>.jsonl</c>), a JSON array (<c>.json</c>), CSV (<c>.csv</c>, <c>.tsv</c>), each also with <c>.gz</c>, or Parquet; or a pattern
    /// such as <c>train-*.parquet</c>, whose files are read as one.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>A <c>label</c> stage before this one: the pairs that it made.</summary>
    public string? Stage { get; init; }

    /// <summary>A query over the files, visible as the view <c>data</c>, in DuckDB's SQL: <c>select question as prompt from data</c>.</summary>
    public string? Sql { get; init; }

    /// <summary>Which columns of the file are prompt, completion, chosen, rejected, answer; well-known names are found by themselves.</summary>
    public ColumnMap? Columns { get; init; }

    /// <summary>Most tokens of a prompt; null: any number, as far as they fit the model.</summary>
    [Range(1, 1 << 20)]
    public int? MaxPromptLength { get; init; }

    /// <summary>What becomes of prompts with more than <see cref="MaxPromptLength"/> tokens.</summary>
    public TruncationMode TruncationMode { get; init; }

    private object? Settings => (object?)Arithmetic ?? (object?)Tldr ?? WordProblems;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Stage is null ? Path is null == Generator is null : Path is not null || Generator is not null)
            yield return (Path is null ? nameof(Generator) : nameof(Path), Stage is null ? "name either generator or path, and not both" : "the rows come from a stage; name neither generator nor path");
        if (Generator is not null && !Generators.Names.Contains(Generator))
            yield return (nameof(Generator), $"'{Generator}' is not known; use one of {string.Join(", ", Generators.Names)}");
        if (Arithmetic is not null && Generator != "arithmetic")
            yield return (nameof(Arithmetic), "these settings belong to generator: arithmetic");
        if (Tldr is not null && Generator != "tldr")
            yield return (nameof(Tldr), "these settings belong to generator: tldr");
        if (WordProblems is not null && Generator != "word_problems")
            yield return (nameof(WordProblems), "these settings belong to generator: word_problems");
        if (Columns is not null && Path is null)
            yield return (nameof(Columns), "columns are those of a file; name it under path");
        if (TruncationMode != TruncationMode.Drop && MaxPromptLength is null)
            yield return (nameof(TruncationMode), "it says what becomes of long prompts; say under max_prompt_length which are long");
        if (Sql is not null && Path is null)
            yield return (nameof(Sql), "a query reads files; name them under path");
        if (Path is not null && FileProblem(Path) is { } missing)
            yield return (nameof(Path), missing);
        if (Stage is null && Path is null && Generator is not null && Generators.Names.Contains(Generator) && (Settings is null || Generators.SettingsType(Generator) == Settings.GetType()))
        {
            foreach (var fault in GeneratorFaults())
                yield return fault;
        }
    }

    private static string? FileProblem(string path)
    {
        var place = ProgramPaths.Resolve(path);
        if (!ExampleFiles.IsPattern(place))
            return File.Exists(place) || Directory.Exists(place) ? null : $"{path}: no such file; paths are relative to the current folder, then to the program's";
        return ExampleFiles.Matches(place).Count > 0 ? null : $"{path}: no file matches; patterns are relative to the current folder";
    }

    /// <summary>Faults of a generator's settings, found by making its first row.</summary>
    private IEnumerable<(string Key, string Problem)> GeneratorFaults()
    {
        if (Split is not ("train" or "sft" or "reward" or "rl" or "test"))
        {
            yield return (nameof(Split), $"'{Split}' is not a split of a generated data set; use train (or sft), reward, rl or test");
            yield break;
        }

        string? problem = null;
        try
        {
            _ = Open()[0];
        }
        catch (BadInputException fault)
        {
            problem = fault.Message;
        }

        if (problem is not null)
            yield return (problem.Contains("split", StringComparison.Ordinal) ? nameof(Split) : Count is null ? nameof(Generator) : nameof(Count), problem);
    }

    /// <summary>A data set as commands name it: a file, or a generator as <c>NAME</c> or <c>NAME/SPLIT</c>.</summary>
    /// <param name="text">What was typed.</param>
    /// <param name="generated">How many rows a generator makes.</param>
    public static DataSource Parse(string text, int generated)
    {
        var parts = text.Split('/', 2);
        return Generators.Names.Contains(parts[0]) && !File.Exists(text)
            ? new DataSource { Generator = parts[0], Split = parts.Length > 1 ? parts[1] : "train", Count = generated }
            : new DataSource { Path = text };
    }

    /// <summary>Opens a data set that a command named; its faults name the command's text.</summary>
    public IExampleSource Open(string text)
    {
        Check(text);
        return Open();
    }

    /// <summary>Checks a data set that a command named.</summary>
    /// <param name="text">What was typed.</param>
    /// <exception cref="BadInputException">There is no such file or generator.</exception>
    public void Check(string text)
    {
        foreach (var (_, problem) in Validate())
            throw new BadInputException(Path is null ? $"{text}: {problem}." : $"{problem}. Generators are {string.Join(", ", Generators.Names)}, each with a split such as arithmetic/test.");
    }

    /// <summary>Opens the data set as a model sees it: conversations written by its chat template, prompts that fit.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="note">Told what the user should know: that rows are left out, that there is no chat template.</param>
    public IExampleSource Open(Tokenizer tokenizer, Action<string>? note = null)
    {
        var source = Open();
        var isTalk = source.Format is { IsConversational: true };
        if (MaxPromptLength is null && !isTalk)
            return source;
        if (isTalk && tokenizer.ChatTemplate is null)
            note?.Invoke($"{Path}: the model has no chat template, so messages are written as lines: user: …");
        var prepared = new PreparedExamples(source, ChatForm.Of(tokenizer), MaxPromptLength is { } most ? new PromptLimit(tokenizer, most, TruncationMode) : null);
        if (prepared.Count == 0)
            throw new BadInputException($"{Path ?? Generator}: every prompt has more than {MaxPromptLength} tokens; raise max_prompt_length, or shorten them: truncation_mode: newline.");
        if (prepared.Dropped > 0)
            note?.Invoke($"{Path ?? Generator}: {prepared.Dropped:N0} of {source.Count:N0} rows are left out, because their prompts have more than {MaxPromptLength} tokens.");
        return prepared;
    }

    /// <summary>Opens the data set, with conversations written plainly.</summary>
    public IExampleSource Open()
    {
        if (Stage is not null)
            throw new InvalidOperationException($"the pairs of stage {Stage} are part of a run, which opens them");
        if (Generator is not null)
            return Generators.Create(Generator, Split, Count ?? 10_000, Settings);
        return ExampleFiles.Open(ProgramPaths.Resolve(Path!), Columns, Sql, Count);
    }
}
