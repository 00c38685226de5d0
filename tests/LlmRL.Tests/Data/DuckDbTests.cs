using LlmRL.Data;
using LlmRL.Data.DuckDb;
using LlmRL.Recipes;

namespace LlmRL.Tests.Data;

/// <summary>A fact that needs DuckDB's library, and is skipped without it.</summary>
public sealed class DuckDbFactAttribute : FactAttribute
{
    public DuckDbFactAttribute(string? shared = null) => Skip = (DuckDbLibrary.Problem is null ? shared is null ? null : Shared.SkipUnless(shared) : "needs DuckDB: ./llmrl get-duckdb")!;
}

/// <summary>A theory that needs DuckDB's library, and is skipped without it.</summary>
public sealed class DuckDbTheoryAttribute : TheoryAttribute
{
    public DuckDbTheoryAttribute() => Skip = (DuckDbLibrary.Problem is null ? null : "needs DuckDB: ./llmrl get-duckdb")!;
}

public sealed class DuckDbTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("llmrl-duckdb-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [DuckDbFact]
    public void Parquet_rows_keep_their_order_and_nested_values_are_addressed_as_in_json()
    {
        var path = Parquet("a.parquet", """
            select [{'role': 'user', 'content': 'q' || i}] as prompt, {'ground_truth': (i * i)::varchar, 'style': 'rule'} as reward_model,
                map {'k': [i, null]} as extra, 1.50::decimal(9, 2) as price, 'nan'::double as odd, null as nothing from range(3000) t(i)
            """);
        var rows = ExampleFiles.Open(path, new ColumnMap { Prompt = "prompt[0].content" });
        Assert.Equal(3000, rows.Count);
        Assert.All([0, 1, 1234, 2999], i => Assert.Equal(($"q{i}", $"{i * i}"), (rows[i].Prompt, rows[i].Answer)));
        Assert.Equal("""{"k":[7,null]}""", rows[7].Fields["extra"]);
        Assert.Equal("1.5", rows[7].Fields["price"]);
        Assert.DoesNotContain("odd", rows[7].Fields);
        Assert.EndsWith("a.parquet:8", rows[7].Source, StringComparison.Ordinal);
    }

    [DuckDbFact]
    public void Several_files_are_one_data_set()
    {
        Parquet("p-1.parquet", "select 'b' || i as prompt from range(3) t(i)");
        Parquet("p-0.parquet", "select 'a' || i as prompt from range(2) t(i)");
        var pattern = Path.Combine(folder, "p-*.parquet");
        var rows = ExampleFiles.Open(pattern);
        Assert.Equal(["a0", "a1", "b0", "b1", "b2"], Prompts(rows));
        Assert.EndsWith("p-1.parquet:2", rows[3].Source, StringComparison.Ordinal);
        Assert.Equal(["a0", "a1"], Prompts(ExampleFiles.Open(pattern, limit: 2)));
        Assert.Equal(["5"], Prompts(ExampleFiles.Open(pattern, sql: "select count(*)::varchar as prompt from data;")));
    }

    [DuckDbTheory]
    [InlineData("c.csv", "word,n\n\"a,\n\"\"b\"\"\",2\nc,10\n2020-01-01,3\n")]
    [InlineData("c.jsonl", "{\"word\":\"a,\\n\\\"b\\\"\",\"n\":2}\n{\"word\":\"c\",\"n\":10}\n{\"word\":\"2020-01-01\",\"n\":3}\n")]
    [InlineData("c.json", "[{\"word\":\"a,\\n\\\"b\\\"\",\"n\":2}, {\"word\":\"c\",\"n\":10},\n {\"word\":\"2020-01-01\",\"n\":3}]")]
    public void Sql_maps_any_kind_of_file(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        var rows = new DataSource { Path = path, Sql = "select word as prompt, n * 2 as gold from data where n < 10 order by n desc" }.Open(path);
        Assert.Equal([("2020-01-01", "6"), ("a,\n\"b\"", "4")], Enumerable.Range(0, rows.Count).Select(i => (rows[i].Prompt, rows[i].Answer)));
    }

    [DuckDbFact]
    public void Rows_of_a_query_come_in_the_same_order_every_time()
    {
        var path = Parquet("g.parquet", "select 'p' || (i % 5000) as prompt, i from range(300000) t(i)");
        const string Sql = "select prompt, sum(i) as gold from data where random() < 0.5 group by prompt";
        var (first, second) = (ExampleFiles.Open(path, sql: Sql), ExampleFiles.Open(path, sql: Sql));
        Assert.Equal(Prompts(first), Prompts(second));
        Assert.Equal(first[17].Answer, second[17].Answer);
    }

    [DuckDbTheory]
    [InlineData("selct 1", "syntax error", "view data")]
    [InlineData("select nonsense from data", "nonsense", "\"prompt\"")]
    [InlineData("select * from read_csv('/etc/passwd')", "Cannot access file \"/etc/passwd\"", "nothing else is")]
    [InlineData("select * from read_parquet('https://example.com/a.parquet')", "https", "sql over")]
    [InlineData("select 1 as prompt) to '/etc/x.json'; select (2", "syntax error", "Write one select")]
    [InlineData("select prompt from data where false", "no rows", "q.parquet")]
    public void Faults_of_a_query_are_told_with_the_remedy(string sql, string fault, string remedy)
    {
        var path = Parquet("q.parquet", "select 'x' as prompt");
        var error = Assert.Throws<BadInputException>(() => ExampleFiles.Open(path, sql: sql));
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("COPY", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [DuckDbFact]
    public void A_parquet_file_cut_short_or_damaged_is_refused_by_name()
    {
        var path = Parquet("whole.parquet", "select 'text ' || i as prompt from range(20000) t(i)");
        var bytes = File.ReadAllBytes(path);
        foreach (var length in (int[])[0, 3, 12, bytes.Length / 2, bytes.Length - 1])
        {
            var cut = Path.Combine(folder, "cut.parquet");
            File.WriteAllBytes(cut, bytes[..length]);
            Assert.StartsWith($"{cut}: DuckDB cannot read it", Assert.Throws<BadInputException>(() => ExampleFiles.Open(cut)).Message, StringComparison.Ordinal);
        }

        bytes.AsSpan(100, 400).Fill(0xA5);
        File.WriteAllBytes(path, bytes);
        Assert.Contains("whole.parquet", Assert.Throws<BadInputException>(() => ExampleFiles.Open(path)).Message, StringComparison.Ordinal);
    }

    [DuckDbFact("data/parquet/gsm8k_verl_train.parquet")]
    public void Gsm8k_in_parquet_and_in_json_lines_is_the_same()
    {
        foreach (var part in (string[])["train", "test"])
        {
            var parquet = ExampleFiles.Open(Shared.Path($"data/parquet/gsm8k_verl_{part}.parquet"));
            var lines = ExampleFiles.Open(Shared.Path($"data/math/gsm8k/{part}.jsonl"));
            Assert.Equal(lines.Count, parquet.Count);
            Assert.All(Enumerable.Range(0, lines.Count), i => Assert.Equal((lines[i].Prompt, lines[i].Completion, lines[i].Answer), (parquet[i].Prompt, parquet[i].Completion, parquet[i].Answer)));
        }
    }

    private static IEnumerable<string> Prompts(IExampleSource rows) => Enumerable.Range(0, rows.Count).Select(i => rows[i].Prompt);

    private string Parquet(string name, string query)
    {
        var path = Path.Combine(folder, name);
        using var session = new DuckDbSession([], folder, 1);
        session.Run($"COPY ({query}) TO {DuckDbSession.Quote(path)} (FORMAT parquet)");
        return path;
    }
}
