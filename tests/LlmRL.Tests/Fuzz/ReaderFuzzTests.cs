using System.IO.Compression;
using System.Text;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tests.Data;
using LlmRL.Tests.Models;
using LlmRL.Tests.Training;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Fuzz;

/// <summary>Whatever a file holds, it is read, or refused with one message that names it: no crash, no hang, no memory that its size does not explain.</summary>
[Collection(TensorCollection.Name)]
public sealed class ReaderFuzzTests : IDisposable
{
    private static readonly string[] Rows =
    [
        """{"question":"1+1?","answer":"2 #### 2","level":"Level 3","extra":{"a":[1,null,"x"]}}""",
        """{"prompt":[{"role":"user","content":"hi"}],"chosen":[{"role":"assistant","content":"yes"}],"rejected":{"from":"gpt","value":"no"},"margin":0.5}""",
        """{"chosen":"\n\nHuman: a\n\nAssistant: b é 😀","rejected":"\n\nHuman: a\n\nAssistant: c"}""",
        """{"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":null}],"label":true}""",
        """{"instruction":"a","input":"","output":"b","system":"s","label":false}""",
    ];

    private static readonly string[] Recipe =
    [
        "extends: other.yaml", "vars: { a: 1, b: \"${a}\" }", "scale: small", "scales: { small: {}, full: { a: 2 } }", "name: x", "seed: 1", "model: { config: models/nano.json, tokenizer: bytes }",
        "stages:", "  - sft: { name: sft, data: { generator: arithmetic, count: 9 }, steps: \"${a}\" }", "  - rloo: { name: r, policy: sft, data: { generator: arithmetic }, reward: { math: {} }, steps: 2 }",
        "  - evaluate: { name: e, policies: [sft, r], data: { generator: arithmetic }, pass_at_k: [1, 2], best_of_n: [2] }",
    ];

    private const string Template = """
        {%- for m in messages if m.role != 'x' -%}{{ '<|' ~ m['role'] | upper ~ '|>' }}{% if loop.last and not m.content %}{{ raise_exception('empty ' + m.role) }}
        {%- else %}{{ m.content | trim | default('a', true) }}{% endif %}{% set ns = namespace(n=loop.index0 * 2 - 1) %}{{ ns.n // 3 }}{%- endfor %}{% macro f(a, b=2) %}{{ [a, b] | join(',') }}{% endmacro %}{{ f(1) }}
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("llmrl-fuzz-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("config.json", false)]
    [InlineData("generation_config.json", false)]
    [InlineData("model.safetensors", true)]
    [InlineData("model.safetensors.index.json", false)]
    [InlineData("model-00001-of-00002.safetensors", true)]
    public void Model_folders(string name, bool isBinary)
    {
        using (var model = Tiny.Model(TestShapes.Of("llama-grouped")))
            ModelFolder.Save(model, folder, tokenizer: null, maxShardBytes: name.Contains('-') || name.Contains("index") ? 60_000 : 5_000_000_000);
        var path = Path.Combine(folder, name);
        path = File.Exists(path) ? path : Directory.GetFiles(folder, "model-00001-*.safetensors").Single();
        var good = File.ReadAllBytes(path);
        Fuzz.Rounds(40, 11, random =>
        {
            File.WriteAllBytes(path, isBinary ? DamagedWeights(good, random) : random.NextBool() ? Fuzz.Damage(good, random) : Encoding.UTF8.GetBytes(Fuzz.Changed(Encoding.UTF8.GetString(good), random)));
            Fuzz.Reads(folder, () => ModelFolder.Load(folder, trainable: false).Dispose());
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pickled_weights(bool legacy)
    {
        var writer = new PickleWriter { Legacy = legacy }.Protocol().Dictionary(("a", w => w.Floats([2, 3], 1, 2, 3, 4, 5, 6)), ("b", w => w.Floats([300], new float[300]))).Op('.');
        var (good, path) = (legacy ? writer.Old() : writer.Archive(), Path.Combine(folder, "pytorch_model.bin"));
        Fuzz.Rounds(100, 12, random =>
        {
            File.WriteAllBytes(path, Fuzz.Damage(good, random));
            Fuzz.Reads(path, () =>
            {
                using var reader = new PickleReader(path);
                _ = reader.Names.Count();
            });
        });
    }

    [Theory]
    [InlineData(".jsonl")]
    [InlineData(".jsonl.gz")]
    [InlineData(".json")]
    [InlineData(".csv")]
    [InlineData(".tsv")]
    public void Data_files(string ending)
    {
        var path = Path.Combine(folder, "f" + ending);
        var (read, refused) = (0, 0);
        Fuzz.Rounds(60, 13, random =>
        {
            var content = Encoding.UTF8.GetBytes(Table(random, ending));
            content = random.Next(0, 4) == 0 ? content : Fuzz.Damage(content, random);
            File.WriteAllBytes(path, ending.EndsWith(".gz", StringComparison.Ordinal) ? Compressed(content, random) : content);
            if (Fuzz.Reads(path, ReadAll))
                read++;
            else
                refused++;
        });
        Assert.True(read > 0 && refused > 0, $"{read} read, {refused} refused");

        void ReadAll()
        {
            var source = ExampleFiles.Open(path);
            for (var i = 0; i < Math.Min(source.Count, 10); i++)
                Assert.NotNull(source[i].Prompt);
        }
    }

    [DuckDbFact("data/parquet/gsm8k_verl_test.parquet")]
    public void Parquet_files()
    {
        var good = File.ReadAllBytes(Shared.Path("data/parquet/gsm8k_verl_test.parquet"));
        var path = Path.Combine(folder, "f.parquet");
        Fuzz.Rounds(15, 14, random =>
        {
            File.WriteAllBytes(path, Fuzz.Damage(good, random));
            Fuzz.Reads(path, () => _ = ExampleFiles.Open(path)[0].Prompt);
        });
    }

    [Fact]
    public void Recipes()
    {
        var path = Path.Combine(folder, "r.yaml");
        File.WriteAllText(Path.Combine(folder, "other.yaml"), "name: o\nvars: { c: 3 }\nstages: []\n");
        Fuzz.Rounds(150, 15, random =>
        {
            var lines = Recipe.Where(_ => random.Next(0, 12) > 0).Select(line => random.Next(0, 12) == 0 ? random.Pick(Recipe) : line);
            var content = Encoding.UTF8.GetBytes(string.Join('\n', lines));
            File.WriteAllBytes(path, random.NextBool() || content.Length == 0 ? content : Fuzz.Damage(content, random));
            Fuzz.Reads(Path.GetFileName(folder), () => RecipeBinder.Load<Recipe>(path, random.NextBool() ? ["scale=full"] : []));
        });
    }

    [Fact]
    public void Chat_templates()
    {
        ChatMessage[] messages = [new("user", "hi"), new("assistant", ""), new("user", " é ")];
        Fuzz.Rounds(300, 16, random =>
        {
            var text = Encoding.UTF8.GetString(Fuzz.Damage(Encoding.UTF8.GetBytes(Template), random));
            Fuzz.Reads("file.jinja", () => ChatTemplate.Parse(text, "file.jinja").Render(messages, addGenerationPrompt: true), 512L << 20);
        });
    }

    [Theory]
    [InlineData("metrics.jsonl", """{"step":1,"stage":"sft","loss":0.5,"reward":"NaN","learning_rate":1e-3}""")]
    [InlineData("samples.jsonl", """{"step":1,"stage":"sft","prompt":"a","completion":"b","reward":0.5}""")]
    [InlineData("summary.json", """{"name":"x","seed":1,"seconds":1,"stages":[{"name":"sft","kind":"sft","steps":2,"seconds":1,"metrics":{"loss/last":0.1}}]}""")]
    public void Run_folders(string name, string row)
    {
        var directory = RunDirectory.Create(Path.Combine(folder, "run"));
        File.WriteAllText(Path.Combine(folder, "run", "metrics.jsonl"), """{"step":1,"stage":"sft","loss":0.5}""" + "\n");
        Fuzz.Rounds(60, 17, random =>
        {
            var text = string.Join('\n', Enumerable.Range(0, 5).Select(_ => random.NextBool() ? row : Fuzz.Changed(row, random)));
            File.WriteAllBytes(Path.Combine(folder, "run", name), Fuzz.Damage(Encoding.UTF8.GetBytes(text), random));
            Fuzz.Reads(folder, () => ReportData.Read(directory));
        });
    }

    /// <summary>Most bytes of a weight file are numbers, which may be anything; the header is what a reader believes.</summary>
    private static byte[] DamagedWeights(byte[] good, RandomStream random)
    {
        var length = (int)BitConverter.ToInt64(good);
        if (random.Next(0, 3) == 0)
            return Fuzz.Damage(good, random);
        var header = random.NextBool() ? Encoding.UTF8.GetBytes(Fuzz.Changed(Encoding.UTF8.GetString(good, 8, length), random)) : Fuzz.Damage(good[8..(8 + length)], random);
        return [.. BitConverter.GetBytes(random.Next(0, 6) == 0 ? random.Next(-1, int.MaxValue) : (long)header.Length), .. header, .. good[(8 + length)..]];
    }

    private static string Table(RandomStream random, string ending)
    {
        var rows = Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.NextBool() ? random.Pick(Rows) : Fuzz.Changed(random.Pick(Rows), random)).ToArray();
        return ending switch
        {
            ".json" when random.NextBool() => "[" + string.Join(",\n", rows) + "]",
            ".csv" => "prompt,completion,level\n\"a \"\"b\"\"\nc\",d,3\ne,f,\n",
            ".tsv" => "prompt\tcompletion\tlevel\n\"a \"\"b\"\"\nc\"\td\t3\ne\tf\t\n",
            _ => string.Join('\n', rows) + "\n",
        };
    }

    private static byte[] Compressed(byte[] content, RandomStream random)
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            zip.Write(content);
        return random.Next(0, 4) == 0 ? Fuzz.Damage(packed.ToArray(), random) : packed.ToArray();
    }
}
