using System.Text.RegularExpressions;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Data;

/// <summary>What the cards in datasets/ tell to write in a recipe works on the published files.</summary>
public class DatasetCardTests
{
    [DuckDbFact("data/weights/verl_digit_completion/train.parquet")]
    public void Digit_completion()
    {
        foreach (var (part, count) in ((string, int)[])[("train", 800), ("test", 200)])
        {
            var rows = Open("digit-completion", $"data/weights/verl_digit_completion/{part}.parquet");
            Assert.Equal(count, rows.Count);
            Assert.All(Enumerable.Range(0, count), i => Assert.Equal(Continued(rows[i].Prompt), rows[i].Answer));
        }
    }

    private static string Continued(string prompt)
    {
        var k = Regex.Match(prompt, @"^(\d+),(\d+):(\d+),(\d+)S$").Groups.Values.Skip(1).Select(group => int.Parse(group.Value)).ToArray();
        var terms = new List<int>();
        for (var (last, step) = (k[1], (k[1] - k[0] + k[2]) % k[2]); terms.Count < k[3];)
            terms.Add(last = (last + step) % k[2]);
        return string.Join(',', terms);
    }

    /// <summary>Opens a published file as the card's data block of that number says.</summary>
    private static IExampleSource Open(string card, string file, int block = 0)
    {
        var text = File.ReadAllText(Path.Combine(ProgramPaths.Root!, "datasets", card, "README.md"));
        var blocks = Regex.Matches(text, "```yaml\n(data:.*?)```", RegexOptions.Singleline);
        var source = RecipeBinder.Parse<Snippet>(blocks[block].Groups[1].Value, card, $"data.path={Shared.Path(file)}");
        return source.Data.Open();
    }

    private sealed record Snippet
    {
        public required DataSource Data { get; init; }
    }
}
