using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Recipes;

/// <summary>A data set: a generator, or a file with its columns mapped.</summary>
public sealed record DataSource : IValidated
{
    /// <summary><c>arithmetic</c> or <c>tldr</c>.</summary>
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

    /// <summary>A JSON Lines file (<c>.jsonl</c>, <c>.jsonl.gz</c>), a JSON array, or CSV.</summary>
    public string? Path { get; init; }

    /// <summary>Which columns of the file are prompt, completion, chosen, rejected, answer; well-known names are found by themselves.</summary>
    public ColumnMap? Columns { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Path is null == Generator is null)
            yield return (Path is null ? nameof(Generator) : nameof(Path), "name either generator or path, and not both");
        if (Generator is not null && !Generators.Names.Contains(Generator))
            yield return (nameof(Generator), $"'{Generator}' is not known; use one of {string.Join(", ", Generators.Names)}");
        if (Arithmetic is not null && Generator != "arithmetic")
            yield return (nameof(Arithmetic), "these settings belong to generator: arithmetic");
        if (Tldr is not null && Generator != "tldr")
            yield return (nameof(Tldr), "these settings belong to generator: tldr");
        if (Columns is not null && Path is null)
            yield return (nameof(Columns), "columns are those of a file; name it under path");
        if (Path is not null && !File.Exists(ProgramPaths.Resolve(Path)))
            yield return (nameof(Path), $"{Path}: no such file; paths are relative to the current folder, then to the program's");
        if (Path is null && Generator is not null && Generators.Names.Contains(Generator) && (Arithmetic is null || Generator == "arithmetic") && (Tldr is null || Generator == "tldr"))
        {
            foreach (var fault in GeneratorFaults())
                yield return fault;
        }
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
        foreach (var (_, problem) in Validate())
            throw new BadInputException(Path is null ? $"{text}: {problem}." : $"{problem}. Generators are {string.Join(", ", Generators.Names)}, each with a split such as arithmetic/test.");
        return Open();
    }

    /// <summary>Opens the data set.</summary>
    public IExampleSource Open()
    {
        if (Generator is not null)
            return Generators.Create(Generator, Split, Count ?? 10_000, (object?)Arithmetic ?? Tldr);
        var file = ExampleFiles.Open(ProgramPaths.Resolve(Path!), Columns);
        return Count is { } most && most < file.Count ? new FirstRows(file, most) : file;
    }

    private sealed class FirstRows(IExampleSource source, int count) : IExampleSource
    {
        public int Count => count;

        public Example this[int index]
        {
            get
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
                return source[index];
            }
        }
    }
}
