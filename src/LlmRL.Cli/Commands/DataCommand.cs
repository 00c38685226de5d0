using System.CommandLine;
using System.Globalization;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Tokenization;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl data inspect</c>: what a data set holds.</summary>
internal static class DataCommand
{
    private const int Shown = 3, Measured = 1000, BarWidth = 40;

    public static Command Create()
    {
        var source = new Argument<string>("SOURCE")
        {
            Description = "A file (.jsonl, .json, .csv, .tsv, each also with .gz; .parquet), a pattern of files, or a generator as NAME or NAME/SPLIT: arithmetic, tldr/reward.",
        };
        var sql = new Option<string?>("--sql") { Description = "A query over the files, which it sees as the view data; its rows are shown." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "A tokenizer's or model's folder, for lengths in its tokens; bytes by default." };
        var inspect = new Command("inspect", "Shows what kind of data it is, the columns, the first rows and the lengths.") { source, sql, tokenizer };
        inspect.SetAction(parsed => Guard.Run(() => Inspect(parsed.GetValue(source)!, parsed.GetValue(sql), parsed.GetValue(tokenizer))));
        return new Command("data", "Looks into data sets.") { inspect };
    }

    private static void Inspect(string text, string? sql, string? tokenizerPath)
    {
        var source = DataSource.Parse(text, Measured) with { Sql = sql };
        source.Check(text);
        var tokenizer = TokenizerLoader.Load(ProgramPaths.Resolve(tokenizerPath ?? "bytes"));
        using var table = source.Path is null ? null : ExampleFiles.OpenTable(ProgramPaths.Resolve(source.Path), sql);
        var counter = new TokenCounter(tokenizer, tokenizerPath);
        if ((table is null ? Generated(text, source) : Recognise(text, table, counter)) is not { } data)
            return;
        var rows = Enumerable.Range(0, Math.Min(Measured, data.Count)).Select(i => data[i]).ToList();
        for (var i = 0; i < Math.Min(Shown, rows.Count); i++)
            Show(i, rows[i].Source, Columns(rows[i]).Concat(rows[i].Fields.Select(field => ($"[{field.Key}]", field.Value))));
        counter.Print(rows.SelectMany(Texts), rows.Count);
        Histogram(rows);
    }

    private static IExampleSource Generated(string text, DataSource source)
    {
        var data = source.Open();
        Console.WriteLine($"{text}: {data.Count:N0} rows, generated");
        return data;
    }

    /// <summary>Says what the rows are, and shows them as they are where that is not known.</summary>
    private static IExampleSource? Recognise(string text, DataTable table, TokenCounter counter)
    {
        IExampleSource? data = null;
        string? problem = null;
        try
        {
            data = table.Examples();
            _ = data[0];
        }
        catch (BadInputException fault)
        {
            problem = fault.Message;
        }

        Console.WriteLine($"{text}: {table.Count:N0} rows, {(problem is null ? data!.Format : "of no kind that is recognised")}");
        Console.WriteLine($"\ncolumns (of the first {Math.Min(Measured, table.Count):N0} rows):");
        foreach (var (name, type) in table.Columns(Measured))
            Console.WriteLine($"  {name,-24} {type}{Role(name, problem is null ? data!.Format : null)}");
        if (problem is null)
            return data;
        foreach (var ((place, values), i) in table.Rows(Shown).Select((row, i) => (row, i)))
            Show(i, place, values.Select(value => (value.Name, value.Value ?? "null")));
        counter.Print(table.Rows(Measured).SelectMany(row => row.Values), Math.Min(Measured, table.Count));
        Console.WriteLine($"\nA recipe needs more: {problem}");
        return null;
    }

    private static string Role(string column, DataFormat? format)
    {
        var roles = format?.Columns.Where(role => role.Column == column || role.Column.Contains($"{{{column}}}", StringComparison.Ordinal)
            || role.Column.StartsWith(column + ".", StringComparison.Ordinal)).Select(role => role.Role).ToArray();
        return roles is { Length: > 0 } ? $" → {string.Join(", ", roles)}" : "";
    }

    private static void Show(int index, string place, IEnumerable<(string Name, string Value)> values)
    {
        Console.WriteLine($"\n--- row {index} ({place})");
        foreach (var (name, value) in values)
            Console.WriteLine($"{name}: {value}");
    }

    private static IEnumerable<(string Name, string Value)> Columns(Example example)
    {
        foreach (var (name, value) in Texts(example).Concat(
        [
            ("answer", example.Answer), ("label", example.Label?.ToString().ToLowerInvariant()), ("margin", example.Margin?.ToString(CultureInfo.InvariantCulture)),
            ("difficulty", example.Difficulty > 0 ? $"{example.Difficulty}" : null),
        ]))
        {
            if (value is not null)
                yield return (name, value);
        }
    }

    private static (string Name, string? Value)[] Texts(Example example) =>
        [("prompt", example.Prompt), ("completion", example.Completion), ("chosen", example.Chosen), ("rejected", example.Rejected)];

    private static void Histogram(List<Example> rows)
    {
        Console.WriteLine($"\ncharacters per row, first {rows.Count:N0} rows:");
        var lengths = rows.Select(row => Columns(row).Sum(column => column.Value.Length)).ToArray();
        var width = Math.Max(1, (lengths.Max() + 9) / 10);
        var counts = lengths.GroupBy(length => length / width).ToDictionary(group => group.Key, group => group.Count());
        foreach (var (bin, count) in counts.OrderBy(pair => pair.Key))
            Console.WriteLine($"{bin * width,7:N0} to {((bin + 1) * width) - 1,7:N0}  {count,6:N0}  {new string('#', ((count * BarWidth) + counts.Values.Max() - 1) / counts.Values.Max())}");
    }
}

/// <summary>Prints how many tokens texts have.</summary>
/// <param name="tokenizer">What counts.</param>
/// <param name="name">How the user named it; null: bytes.</param>
internal sealed class TokenCounter(Tokenizer tokenizer, string? name)
{
    /// <summary>A line for each column of texts.</summary>
    public void Print(IEnumerable<(string Name, string? Value)> texts, int rows)
    {
        Console.WriteLine($"\ntokens ({(name is null ? "bytes; --tokenizer FOLDER counts a model's" : name)}) of the first {rows:N0} rows:");
        Console.WriteLine($"  {"",-12} {"least",8} {"median",8} {"mean",8} {"most",8}");
        foreach (var column in texts.Where(text => text.Value is not null).GroupBy(text => text.Name, text => tokenizer.Encode(text.Value!).Length))
        {
            var lengths = column.Order().ToArray();
            if (lengths[^1] > 0)
                Console.WriteLine($"  {column.Key,-12} {lengths[0],8:N0} {lengths[lengths.Length / 2],8:N0} {lengths.Average(),8:N0} {lengths[^1],8:N0}");
        }
    }
}
