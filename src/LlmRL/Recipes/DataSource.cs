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
