using System.Text.Json;

namespace LlmRL.Cli.Tests;

/// <summary>The forms that other programs read: one JSON value a line.</summary>
public sealed class CommandTests(TrainedModel trained) : IClassFixture<TrainedModel>, IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void Verify_answers_line_by_line()
    {
        place.Write("cases.jsonl", """
            {"gold": "1/2", "answer": "So the answer is \\boxed{0.5}"}
            {"gold": "72", "pred": "71"}
            {"gold": "Half of 48 is 24.\n#### 72", "answer": "#### 72"}
            {"gold": 5, "answer": "no number here"}
            """);
        var rows = Rows(place.Run("verify", "--file", "cases.jsonl"));
        Assert.Equal([true, false, true, false], rows.Select(row => row.GetProperty("equal").GetBoolean()));
        Assert.All(rows, row => Assert.Equal(["equal", "extracted"], row.EnumerateObject().Select(property => property.Name)));
        Assert.Equal(["0.5", "71", "72"], rows.Take(3).Select(row => row.GetProperty("extracted").GetString()));
        Assert.True(Rows(place.Run("verify", "--gold", "1,000", "--answer", "1000")).Single().GetProperty("equal").GetBoolean());
    }

    [Fact]
    public void Tokenize_and_decode_give_the_text_back()
    {
        string[] texts = ["plain text", "", "  two  spaces ", "naïve 日本語 🙂 e\u0301", "tabs\tand \"quotes\"", "two\nlines"];
        var lines = texts.Select(text => text.Contains('\n') ? JsonSerializer.Serialize(text) : text);
        foreach (var tokenizer in new[] { "bytes", trained.Policy })
        {
            var ids = Llmrl.RunWithInput(place.Root, string.Join('\n', lines) + "\n", "tokenize", "--tokenizer", tokenizer).Succeeded().Output;
            Assert.Equal(texts.Length, ids.TrimEnd('\n').Split('\n').Length);
            Assert.StartsWith("[112, 108, 97, 105, 110", ids);
            var decoded = Llmrl.RunWithInput(place.Root, ids, "tokenize", "--tokenizer", tokenizer, "--decode").Succeeded().Output;
            Assert.Equal(texts, decoded.TrimEnd('\n').Split('\n').Select(line => JsonSerializer.Deserialize<string>(line)!));
        }
    }

    [Fact]
    public void Generate_reads_prompts_from_a_file_and_repeats_itself()
    {
        place.Write("prompts.txt", "Q: 1+1\n\"Q: 2+2\\nA:\"\n");
        string[] arguments = ["generate", "--model", trained.Policy, "--prompts", "prompts.txt", "--n", "2", "--max-new-tokens", "6", "--json", "--seed"];
        var first = place.Run([.. arguments, "5"]);
        Assert.Equal(["Q: 1+1", "Q: 1+1", "Q: 2+2\nA:", "Q: 2+2\nA:"], Rows(first).Select(row => row.GetProperty("prompt").GetString()));
        Assert.Equal(first.Output, place.Run([.. arguments, "5"]).Output);
        Assert.NotEqual(first.Output, place.Run([.. arguments, "6"]).Output);
    }

    [Theory]
    [InlineData("arithmetic", "prompt: Q: ", "answer: ")]
    [InlineData("arithmetic/test", "difficulty: ", "(arithmetic/test/0)")]
    [InlineData("tldr/reward", "chosen: ", "rejected: ")]
    [InlineData("rows.jsonl", "rows.jsonl: 2 rows, prompts with completions", "(rows.jsonl:1)", "[level_name]: easy", "question                 text → prompt", "tokens (bytes")]
    public void Data_inspect_shows_rows_and_lengths(string source, params string[] texts)
    {
        place.Write("rows.jsonl", "{\"question\":\"a\",\"response\":\"b\",\"level_name\":\"easy\"}\n{\"question\":\"c\",\"response\":\"d\",\"level_name\":\"hard\"}\n");
        var output = place.Run("data", "inspect", source).Succeeded().Output;
        foreach (var text in texts)
            Assert.Contains(text, output);
        Assert.Contains("characters per row", output);
    }

    [Fact]
    public void Data_inspect_shows_rows_that_no_recipe_can_use_and_says_why()
    {
        place.Write("object.json", "{\n  \"a\": [1, 2],\n  \"b\": {\"c\": null}\n}\n");
        var output = place.Run("data", "inspect", "object.json").Succeeded().Output;
        Assert.Contains("object.json: 1 rows, of no kind that is recognised", output);
        Assert.Contains("list of number", output);
        Assert.Contains("A recipe needs more: object.json: no column is known as a prompt; there are a, b", output);
        Assert.Matches(@"  a +6 +6 +6 +6\n", output.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_run_with_weights_that_are_not_finite_fails_with_one_message()
    {
        var folder = TrainedModel.Copy(trained.Policy, place, "model");
        using (var file = File.OpenWrite(Path.Combine(folder, "model.safetensors")))
        {
            file.Seek(-4, SeekOrigin.End);
            file.Write(BitConverter.GetBytes(float.NaN));
        }

        const string Head = "name: nan\nmodel: { path: model }\nstages:\n";
        place.Write("sft.yaml", Head + "  - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 1, batch_size: 2 }\n");
        place.Write("grpo.yaml", Head + "  - grpo: { name: grpo, policy: base, data: { generator: arithmetic, split: rl, count: 50 }, reward: math, steps: 1, num_generations: 2, prompts_per_step: 2, max_completion_length: 4 }\n");
        foreach (var name in new[] { "sft", "grpo" })
        {
            var outcome = place.Run("run", name + ".yaml", "--out", name);
            Assert.Equal(1, outcome.ExitCode);
            Assert.Contains($"failed: stage {name}, step 1: the ", outcome.Error);
            Assert.Contains("learning_rate", outcome.Error);
            Assert.DoesNotContain("   at ", outcome.Error);
            Assert.False(Directory.Exists(place[$"{name}/final/{name}"]));
        }
    }

    [Fact]
    public void Help_names_every_command()
    {
        var help = place.Run("--help").Succeeded().Output;
        Assert.All(["run", "generate", "eval", "verify", "tokenize", "data", "doctor"], name => Assert.Contains($"  {name} ", help));
        Assert.Contains("--resume", place.Run("run", "--help").Succeeded().Output);
    }

    private static List<JsonElement> Rows(Outcome outcome) =>
        [.. outcome.Succeeded().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
}
