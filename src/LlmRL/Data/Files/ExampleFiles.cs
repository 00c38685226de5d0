namespace LlmRL.Data;

/// <summary>Opens data files by what their names end in.</summary>
public static class ExampleFiles
{
    /// <summary>The endings that <see cref="Open"/> knows; each may be followed by .gz.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".jsonl", ".ndjson", ".json", ".csv", ".tsv"];

    /// <summary>Opens a data file.</summary>
    /// <param name="path">A file with one of <see cref="Endings"/>.</param>
    /// <param name="columns">Which column is what; null finds them by their usual names.</param>
    public static IExampleSource Open(string path, ColumnMap? columns = null)
    {
        var name = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
        return Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".jsonl" or ".ndjson" or ".json" => new JsonLinesSource(path, columns),
            ".csv" or ".tsv" => new CsvSource(path, columns),
            var ending => throw new BadInputException(
                $"{path}: files that end in '{ending}' are not read here. Use {string.Join(", ", Endings)}, or any of them with .gz."),
        };
    }
}
