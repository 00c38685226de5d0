using System.CommandLine;
using LlmRL.Data;
using LlmRL.Recipes;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl data inspect</c>: what a data set holds.</summary>
internal static class DataCommand
{
    private const int Shown = 3, Measured = 1000, BarWidth = 40;

    public static Command Create()
    {
        var sql = new Option<string?>("--sql") { Description = "A query over the files, visible as the view data." };
        var source = new Argument<string>("SOURCE") { Description = "A file, or a generator as NAME or NAME/SPLIT: arithmetic, tldr/reward." };
        var inspect = new Command("inspect", "Shows the first rows, the columns and the lengths.") { source, sql };
        inspect.SetAction(parsed => Guard.Run(() => Inspect(parsed.GetValue(source)!, parsed.GetValue(sql))));
        return new Command("data", "Looks into data sets.") { inspect };
    }

    private static void Inspect(string source, string? sql)
    {
        var data = (DataSource.Parse(source, Measured) with { Sql = sql }).Open(source);
        Console.WriteLine($"{source}: {data.Count:N0} rows");
        for (var i = 0; i < Math.Min(Shown, data.Count); i++)
            Show(i, data[i]);
        Histogram([.. Enumerable.Range(0, Math.Min(Measured, data.Count)).Select(i => data[i])]);
    }

    private static void Show(int index, Example example)
    {
        Console.WriteLine($"\n--- row {index} ({example.Source})");
        foreach (var (name, value) in Columns(example))
            Console.WriteLine($"{name}: {value}");
    }

    private static IEnumerable<(string Name, string Value)> Columns(Example example)
    {
        foreach (var (name, value) in new[]
        {
            ("prompt", example.Prompt), ("completion", example.Completion), ("chosen", example.Chosen), ("rejected", example.Rejected), ("answer", example.Answer),
            ("difficulty", example.Difficulty > 0 ? $"{example.Difficulty}" : null),
        })
        {
            if (value is not null)
                yield return (name, value);
        }

        foreach (var (name, value) in example.Fields)
            yield return ($"[{name}]", value);
    }

    private static void Histogram(IReadOnlyList<Example> rows)
    {
        Console.WriteLine($"\ncharacters per row, first {rows.Count:N0} rows:");
        var lengths = rows.Select(row => Columns(row).Where(column => !column.Name.StartsWith('[')).Sum(column => column.Value.Length)).ToArray();
        var width = Math.Max(1, (lengths.Max() + 9) / 10);
        var counts = lengths.GroupBy(length => length / width).ToDictionary(group => group.Key, group => group.Count());
        foreach (var (bin, count) in counts.OrderBy(pair => pair.Key))
            Console.WriteLine($"{bin * width,7:N0} to {(bin + 1) * width - 1,7:N0}  {count,6:N0}  {new string('#', (count * BarWidth + counts.Values.Max() - 1) / counts.Values.Max())}");
    }
}
