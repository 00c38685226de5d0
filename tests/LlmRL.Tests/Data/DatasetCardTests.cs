using System.Text.RegularExpressions;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Tokenization;

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

    [SharedFact("data/math")]
    public void Gsm8k_lines_math_and_svamp()
    {
        var gsm8k = Open("gsm8k", "data/math/gsm8k/test.jsonl");
        Assert.Equal((1319, "prompts with completions"), (gsm8k.Count, gsm8k.Format!.ToString()));
        Assert.EndsWith("#### 18", gsm8k[0].Completion, StringComparison.Ordinal);
        var math = Open("math", "data/math/MATH500/test.jsonl");
        Assert.Equal((500, "prompts with completions, with answers", "p - q", 5), (math.Count, math.Format!.ToString(), math[1].Answer, math[1].Difficulty));
        var svamp = Open("svamp", "data/math/svamp/SVAMP.json");
        Assert.Equal((1000, "prompts, with answers", "51.0"), (svamp.Count, svamp.Format!.ToString(), svamp[0].Answer));
        Assert.StartsWith("Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack How much", svamp[0].Prompt, StringComparison.Ordinal);
    }

    [DuckDbFact("data/parquet/gsm8k_truthrl_test.parquet")]
    public void Gsm8k_as_verl_stores_it()
    {
        var lines = Open("gsm8k", "data/math/gsm8k/test.jsonl");
        var prompts = Open("gsm8k", "data/parquet/gsm8k_truthrl_test.parquet", 1);
        Assert.Equal((1319, "prompts, conversational, with answers", "18"), (prompts.Count, prompts.Format!.ToString(), prompts[0].Answer));
        Assert.StartsWith("user: Janet\u2019s ducks lay 16 eggs", prompts[0].Prompt, StringComparison.Ordinal);
        var worked = Open("gsm8k", "data/parquet/gsm8k_truthrl_test.parquet", 2);
        Assert.All(Enumerable.Range(0, 1319), i => Assert.Equal((lines[i].Prompt, lines[i].Completion), (worked[i].Prompt, worked[i].Completion)));
    }

    [SharedFact("data/prefs/hh-rlhf")]
    public void Hh_rlhf()
    {
        var rows = Open("hh-rlhf", "data/prefs/hh-rlhf/harmless-base_test.jsonl.gz");
        Assert.Equal((2312, "preference pairs, implicit prompt"), (rows.Count, rows.Format!.ToString()));
        Assert.All(Enumerable.Range(0, 2312).Select(i => rows[i]), row =>
        {
            Assert.EndsWith("\n\nAssistant:", row.Prompt, StringComparison.Ordinal);
            Assert.StartsWith("\n\nHuman:", row.Prompt, StringComparison.Ordinal);
        });
        Assert.Equal(" No, sorry!  All of these involve a pen, the point is that you can get funny results by doing pranks with pens.", rows[0].Chosen);
    }

    [Fact]
    public void Tldr_comparisons()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".json");
        File.WriteAllText(path, """
            {"info": {"id": "t3_1", "post": "First line.\nSecond line.", "title": "A title", "subreddit": "advice"}, "summaries": [{"text": " one", "policy": "sup1"}, {"text": " two", "policy": "ref"}], "choice": 1, "worker": "x", "extra": {"confidence": 8}}
            {"info": {"id": "t3_2", "post": "p", "title": "t", "subreddit": "s"}, "summaries": [{"text": " a", "policy": "sup1"}, {"text": " b", "policy": "ref"}], "choice": 0, "worker": "y", "extra": {"confidence": null}}
            """);
        try
        {
            var rows = Source("tldr-comparisons", path).Open(TokenizerLoader.Load("bytes"));
            Assert.Equal((2, "preference pairs"), (rows.Count, rows.Format!.ToString()));
            Assert.Equal("SUBREDDIT: r/advice\n\nTITLE: A title\n\nPOST: First line.\nSecond line.\n\nTL;DR:", rows[0].Prompt);
            Assert.Equal((" two", " one", " a", " b"), (rows[0].Chosen, rows[0].Rejected, rows[1].Chosen, rows[1].Rejected));
            var shortened = (Source("tldr-comparisons", path) with { MaxPromptLength = 65 }).Open(TokenizerLoader.Load("bytes"));
            Assert.Equal("SUBREDDIT: r/advice\n\nTITLE: A title\n\nPOST: First line.\n\nTL;DR:", shortened[0].Prompt);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [DuckDbFact("data/summ")]
    public void Summaries()
    {
        var posts = Open("instructgpt-tldr", "data/summ/instructgpt_tldr_samples.csv");
        Assert.Equal((1200, "prompts with completions"), (posts.Count, posts.Format!.ToString()));
        Assert.Equal("Corporations are people, but they can't high-five.", posts[0].Completion);
        var once = Open("instructgpt-tldr", "data/summ/instructgpt_tldr_samples.csv", 1);
        Assert.Equal(Enumerable.Range(0, once.Count).Select(i => once[i].Prompt).Distinct().Count(), once.Count);
        Assert.Equal((posts[0].Prompt, posts[0].Completion), (once[0].Prompt, once[0].Completion));
        var papers = Source("scitldr", Shared.Path("data/summ/scitldr/dev.jsonl")).Open(TokenizerLoader.Load("bytes"));
        Assert.Equal(619, papers.Count);
        Assert.Equal("We devise adaptive loss scaling to improve mixed precision training that surpass the state-of-the-art results.", papers[0].Completion);
        Assert.All(Enumerable.Range(0, 619).Select(i => papers[i]), row =>
        {
            Assert.EndsWith("\n\nTL;DR:", row.Prompt, StringComparison.Ordinal);
            Assert.True(row.Prompt.Length <= 512, row.Source);
        });
    }

    [DuckDbFact("data/prefs")]
    public void Pairs_of_llama_factory_and_llmbar()
    {
        var talks = Open("llamafactory-dpo", "data/prefs/dpo_en_demo.json");
        Assert.Equal((300, "preference pairs, conversational"), (talks.Count, talks.Format!.ToString()));
        Assert.All(Enumerable.Range(0, 300).Select(i => talks[i]), row =>
        {
            Assert.Equal("user", row.Conversation!.Prompt[^1].Role);
            Assert.Equal("assistant", Assert.Single(row.Conversation.Chosen!).Role);
            Assert.NotEqual(row.Chosen, row.Rejected);
        });
        var pairs = Open("llmbar", "data/prefs/llmbar/Natural.json");
        var raw = ExampleFiles.Open(Shared.Path("data/prefs/llmbar/Natural.json"));
        Assert.Equal((100, "preference pairs"), (pairs.Count, pairs.Format!.ToString()));
        Assert.All(Enumerable.Range(0, 100), i => Assert.Equal((raw[i].Prompt, raw[i].Fields["output_" + raw[i].Fields["label"]]), (pairs[i].Prompt, pairs[i].Chosen)));
    }

    private static string Continued(string prompt)
    {
        var k = Regex.Match(prompt, @"^(\d+),(\d+):(\d+),(\d+)S$").Groups.Values.Skip(1).Select(group => int.Parse(group.Value)).ToArray();
        var terms = new List<int>();
        for (var (last, step) = (k[1], (k[1] - k[0] + k[2]) % k[2]); terms.Count < k[3];)
            terms.Add(last = (last + step) % k[2]);
        return string.Join(',', terms);
    }

    private static IExampleSource Open(string card, string file, int block = 0) => Source(card, Shared.Path(file), block).Open();

    /// <summary>A file as the card's data block of that number says it is to be read.</summary>
    private static DataSource Source(string card, string file, int block = 0)
    {
        var text = File.ReadAllText(Path.Combine(ProgramPaths.Root!, "datasets", card, "README.md"));
        var blocks = Regex.Matches(text, "```yaml\n(data:.*?)```", RegexOptions.Singleline);
        return RecipeBinder.Parse<Snippet>(blocks[block].Groups[1].Value, card, $"data.path={file}").Data;
    }

    private sealed record Snippet
    {
        public required DataSource Data { get; init; }
    }
}
