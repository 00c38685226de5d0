using System.IO.Compression;
using System.Text;
using LlmRL.Data;

namespace LlmRL.Tests.Data;

public sealed class FileSourceTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Json_lines_map_by_usual_names_and_keep_other_columns()
    {
        var source = ExampleFiles.Open(Write("a.jsonl", "{\"question\":\"1+1?\",\"answer\":\"2\",\"id\":7,\"tags\":{\"a\":[1]}}\r\n\n{\"question\":\"é\",\"answer\":\"3\",\"id\":null}"));
        Assert.Equal(2, source.Count);
        Assert.Equal("1+1?", source[0].Prompt);
        Assert.Equal("2", source[0].Completion);
        Assert.Equal("7", source[0].Fields["id"]);
        Assert.Equal("{\"a\":[1]}", source[0].Fields["tags"]);
        Assert.Equal("é", source[1].Prompt);
        Assert.EndsWith("a.jsonl:3", source[1].Source, StringComparison.Ordinal);
        Assert.Empty(source[1].Fields);
        Assert.Same(source[1], source[1]);
    }

    [Fact]
    public void Answer_is_the_gold_answer_beside_a_solution()
    {
        var source = ExampleFiles.Open(Write("m.jsonl", "{\"problem\":\"p\",\"solution\":\"s\",\"answer\":\"a\",\"level\":\"Level 4\"}"));
        Assert.Equal(("p", "s", "a", 4), (source[0].Prompt, source[0].Completion, source[0].Answer, source[0].Difficulty));
    }

    [Fact]
    public void Paths_and_braces_reach_into_rows()
    {
        var path = Write("v.jsonl", "{\"prompt\":[{\"role\":\"user\",\"content\":\"hi\"}],\"reward_model\":{\"ground_truth\":\"9\"},\"extra\":{\"level\":3,\"gap\":0.5},\"a\":\"x\",\"b\":[\"y\",\"z\"]}");
        var source = ExampleFiles.Open(
            path, new ColumnMap { Prompt = "prompt[-1].content", Difficulty = "extra.level", Margin = "extra.gap", Completion = "{a}: {b}" });
        Assert.Equal(("hi", "9", 3, 0.5, "x: y z"), (source[0].Prompt, source[0].Answer, source[0].Difficulty, source[0].Margin, source[0].Completion));
    }

    [Fact]
    public void Arrays_gzip_and_byte_order_marks_are_read()
    {
        const string Json = "\uFEFF[ {\"prompt\": \"a]},{\\\"\", \"chosen\": \"b\", \"rejected\": \"c\"},\n\n {\"prompt\": \"d\",\n \"chosen\": \"e\", \"rejected\": null} ]\n";
        var path = Path.Combine(folder, "z.json.gz");
        using (var packed = new GZipStream(File.Create(path), CompressionLevel.Fastest))
            packed.Write(Encoding.UTF8.GetBytes(Json));
        var source = ExampleFiles.Open(path);
        Assert.Equal(2, source.Count);
        Assert.Equal("a]},{\"", source[0].Prompt);
        Assert.Equal(("d", "e", null), (source[1].Prompt, source[1].Chosen, source[1].Rejected));
        Assert.EndsWith(":3", source[1].Source, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_beyond_one_block_are_found()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 30_000; i++)
            text.Append($"{{\"prompt\":\"{i} {new string('x', i % 97)}\",\"completion\":\"{i}\"}}\n");
        var source = ExampleFiles.Open(Write("big.jsonl", text.ToString()));
        Assert.Equal(30_000, source.Count);
        Assert.All([0, 1, 9_999, 17_123, 29_999], i => Assert.Equal($"{i}", source[i].Completion));
    }

    [Fact]
    public void Pairs_without_a_prompt_share_their_beginning()
    {
        var source = ExampleFiles.Open(Write(
            "hh.jsonl", "{\"chosen\":\"\\n\\nHuman: hi\\n\\nAssistant: yes sir\",\"rejected\":\"\\n\\nHuman: hi\\n\\nAssistant: yes no\"}\n{\"chosen\":\"the cat\",\"rejected\":\"the car\"}"));
        Assert.Equal(("\n\nHuman: hi\n\nAssistant:", " yes sir", " yes no"), (source[0].Prompt, source[0].Chosen, source[0].Rejected));
        Assert.Equal(("the", " cat", " car"), (source[1].Prompt, source[1].Chosen, source[1].Rejected));
    }

    [Theory]
    [InlineData("a.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\"b\",}", 1, ":2: invalid JSON at byte 15")]
    [InlineData("a.json", "[{\"prompt\":\"a\"},\n{\"prompt\": tru}]", 1, ":2: invalid JSON at byte")]
    [InlineData("a.jsonl", "{\"prompt\":\"a\"}\n[1]", 1, ":2: a row is an object with named columns, but here is a JSON array")]
    [InlineData("a.jsonl", "{\"x\":1,\"y\":2}", 0, "no column is known as a prompt; there are x, y")]
    [InlineData("a.jsonl", "{\"prompt\":\"a\"}\n{\"x\":\"b\"}", 1, ":2: no column 'prompt'")]
    [InlineData("a.jsonl", "{\"prompt\":null}", 0, ":1: column 'prompt' is null")]
    [InlineData("a.jsonl", "{\"prompt\":\"a\",\"margin\":\"much\"}", 0, ":1: column 'margin' is 'much', but must be a number")]
    [InlineData("a.jsonl", " \n", 0, "has no rows")]
    [InlineData("a.json", "[{\"prompt\":\"a\"}", 0, "is not closed")]
    [InlineData("a.csv", "prompt,x\na,b\nc", 1, ":3: 1 fields, but the header has 2")]
    [InlineData("a.csv", "prompt,x\na,\"b\nc", 0, ":2: a quoted field that begins here is not closed")]
    [InlineData("a.csv", "prompt\n", 0, "a header but no rows")]
    [InlineData("a.xml", "<a/>", 0, "files that end in '.xml'")]
    public void Faults_name_the_place_and_what_is_wrong(string name, string text, int row, string message)
    {
        var path = Write(name, text);
        var error = Assert.Throws<BadInputException>(() => ExampleFiles.Open(path)[row]);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mapped_column_that_is_missing_is_named_with_those_that_exist()
    {
        var path = Write("a.jsonl", "{\"prompt\":\"a\",\"reply\":\"b\"}");
        var error = Assert.Throws<BadInputException>(() => ExampleFiles.Open(path, new ColumnMap { Completion = "replies" }));
        Assert.Contains("columns.completion is 'replies', but there is no column 'replies'; there are prompt, reply", error.Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<BadInputException>(() => ExampleFiles.Open(path + "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Csv_follows_rfc_4180()
    {
        var source = ExampleFiles.Open(Write("a.csv", "\uFEFFprompt,completion,\r\n\"a, \"\"b\"\"\nc\",\"\",1\r\n\r\nd,e,2\r\n"));
        Assert.Equal(2, source.Count);
        Assert.Equal(("a, \"b\"\nc", "", "1"), (source[0].Prompt, source[0].Completion, source[0].Fields[""]));
        Assert.Equal(("d", "e"), (source[1].Prompt, source[1].Completion));
        Assert.EndsWith(":5", source[1].Source, StringComparison.Ordinal);
        var tabs = ExampleFiles.Open(Write("a.tsv", "prompt\tcompletion\na,b\tc"));
        Assert.Equal(("a,b", "c"), (tabs[0].Prompt, tabs[0].Completion));
    }

    [Fact]
    public void Json_objects_may_stand_on_several_lines()
    {
        var source = ExampleFiles.Open(Write("o.json", "{\n \"prompt\": \"a}\\\"{\",\n \"x\": [{}]\n}\n{\"prompt\": \"b\"}\n\n{ \"prompt\":\n\"c\"}"));
        Assert.Equal(["a}\"{:1", "b:5", "c:7"], Enumerable.Range(0, source.Count).Select(i => source[i].Prompt + source[i].Source[source[i].Source.LastIndexOf(':')..]));
        Assert.Contains("o.json:2: invalid JSON", Assert.Throws<BadInputException>(() => ExampleFiles.Open(Write("o.json", "{\"prompt\": \"a\"}\nnonsense\n{\"prompt\": \"c\"}"))[1]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_python_writes_for_no_number_is_read_as_null()
    {
        var source = ExampleFiles.Open(Write("n.jsonl", "{\"prompt\": \"NaN \\\" NaN\", \"margin\": NaN, \"a\": [-Infinity, 1]}\n{\"prompt\":\"b\",\"margin\":0.5}"));
        Assert.Equal(("NaN \" NaN", null, 0.5), (source[0].Prompt, source[0].Margin, source[1].Margin));
        Assert.Equal("[null, 1]", source[0].Fields["a"]);
    }

    [Fact]
    public void Texts_that_are_not_utf8_are_refused_by_line()
    {
        var path = Write("u.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"\\ud800\"}\n");
        Assert.Contains("u.jsonl:2: a text holds bytes that are not UTF-8", Assert.Throws<BadInputException>(() => ExampleFiles.Open(path)[1]).Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, [.. "{\"prompt\": \""u8, 0xC3, 0x28, .. "\"}\n"u8]);
        Assert.Contains("u.jsonl:1: ", Assert.Throws<BadInputException>(() => ExampleFiles.Open(path)[0]).Message, StringComparison.Ordinal);
    }

    [SharedTheory("data")]
    [InlineData("math/gsm8k/train.jsonl", 7473)]
    [InlineData("math/gsm8k/test.jsonl", 1319)]
    [InlineData("math/MATH500/test.jsonl", 500)]
    [InlineData("math/svamp/SVAMP.json", 1000)]
    [InlineData("prefs/hh-rlhf/harmless-base_test.jsonl.gz", 2312)]
    [InlineData("prefs/dpo_en_demo.json", 300)]
    [InlineData("prefs/llmbar/Natural.json", 100)]
    [InlineData("summ/instructgpt_tldr_samples.csv", 1200)]
    [InlineData("summ/scitldr/dev.jsonl", 619)]
    public void Published_data_sets_load(string path, int count)
    {
        var columns = path switch
        {
            "math/svamp/SVAMP.json" => new ColumnMap { Prompt = "{Body} {Question}" },
            "prefs/dpo_en_demo.json" => new ColumnMap { Prompt = "conversations[-1].value" },
            "prefs/llmbar/Natural.json" => new ColumnMap { Completion = "output_1" },
            "summ/scitldr/dev.jsonl" => new ColumnMap { Prompt = "source" },
            _ => new ColumnMap(),
        };
        var source = ExampleFiles.Open(Shared.Path("data/" + path), columns);
        Assert.Equal(count, source.Count);
        for (var i = 0; i < count; i++)
        {
            var example = source[i];
            Assert.NotEqual("", example.Prompt);
            Assert.True(example.Completion is not null || (example.Chosen is not null && example.Rejected is not null) || example.Answer is not null, example.Source);
        }
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
