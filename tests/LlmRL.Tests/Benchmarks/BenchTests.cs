using System.Text.Json;
using LlmRL.Benchmarks;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;
using LlmRL.Tokenization;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Benchmarks;

/// <summary><c>llmrl bench</c> on a model of one layer.</summary>
[Collection(TensorCollection.Name)]
public sealed class BenchTests : IDisposable
{
    private const string Config = """
        {
          "model_type": "llama", "vocab_size": 20, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 40
        }
        """;

    private readonly TemporaryFolder folder = new();
    private readonly BenchSettings settings;

    public BenchTests()
    {
        _ = Tiny.Llama;
        var file = Path.Combine(folder.Path, "tiny.json");
        File.WriteAllText(file, Config);
        settings = new() { ConfigFile = file, ModelName = "tiny", Steps = 2, WarmUp = 1, Batch = 2, PromptLength = 4, CompletionLength = 20, MatrixSize = 64 };
    }

    // Every phase checks by itself that the batch had the tokens that it is said to have: with 20 tokens to choose from, EOS would cut most completions short.
    [Theory]
    [InlineData(BenchPhase.Generate, 2 * 20, "")]
    [InlineData(BenchPhase.LogProbs, 2 * 20, "")]
    [InlineData(BenchPhase.Sft, 2 * 24, "forward_backward optimizer")]
    [InlineData(BenchPhase.Reward, 4 * 24, "forward_backward optimizer")]
    [InlineData(BenchPhase.Dpo, 4 * 24, "reference forward_backward optimizer")]
    [InlineData(BenchPhase.Grpo, 16 * 20, "sampling reference forward_backward optimizer")]
    [InlineData(BenchPhase.Rloo, 16 * 20, "sampling reference forward_backward optimizer")]
    [InlineData(BenchPhase.Ppo, 16 * 20, "sampling reference values forward_backward optimizer")]
    public void A_phase_is_timed_step_by_step(BenchPhase phase, int tokens, string parts)
    {
        var result = new BenchRun(settings, CPU, "cpu").Run(phase);
        var time = result.SecondsPerStep;
        Assert.True(time.Min > 0 && time.Min <= time.Median && time.Median <= time.Max);
        Assert.Equal(tokens, result.TokensPerSecond!.Value * time.Median, 6);
        Assert.Equal(parts, string.Join(' ', result.Parts.Keys));
        Assert.True(result.Parts.Values.Sum() <= time.Max);
        Assert.InRange(result.FractionOfLimit!.Value, 1e-9, 10);
        using var json = JsonDocument.Parse(result.ToJson());
        foreach (var name in new[] { "phase", "model", "device", "seconds_per_step", "tokens_per_second", "peak_rss_mb", "matmul_gflops", "read_gbps", "fraction_of_limit" })
            Assert.True(json.RootElement.TryGetProperty(name, out _), name);
        Assert.Equal(time.Median, json.RootElement.GetProperty("seconds_per_step").GetProperty("median").GetDouble());
        Assert.Equal(result.ToJson(), BenchResult.FromJson(result.ToJson()).ToJson());
    }

    [Theory]
    [InlineData(20)]
    [InlineData(60_000)]
    public void A_row_has_the_tokens_of_the_shape(int vocabulary)
    {
        var text = new BenchText(vocabulary, 1);
        var tokenizer = text.Tokenizer();
        Assert.Equal(vocabulary, tokenizer.VocabularySize);
        var file = Path.Combine(folder.Path, "rows.jsonl");
        text.Write(file, 8, BenchPhase.Dpo, new BenchShape(2, 1, 6, 9));
        foreach (var line in File.ReadAllLines(file))
        {
            using var row = JsonDocument.Parse(line);
            string Column(string name) => row.RootElement.GetProperty(name).GetString()!;
            foreach (var column in new[] { "chosen", "rejected" })
            {
                var (prompt, completion) = Prompting.EncodePair(tokenizer, Column("prompt"), Column(column));
                Assert.Equal((6, 9), (prompt.Length, completion.Length));
                Assert.Equal(Column(column), tokenizer.Decode(completion));
            }
        }
    }

    [Fact]
    public void The_recipe_of_the_start_up_makes_one_step()
    {
        var file = new BenchRun(settings, CPU, "cpu").WriteRecipe(folder.Path);
        var output = new StringWriter();
        using var console = RunConsole.Create(output, TimeProvider.System, live: false);
        var options = new PipelineOptions { Out = Path.Combine(folder.Path, "run"), Device = CPU, DeviceText = "cpu", RecipeFile = file };
        new Pipeline(RecipeBinder.Load<Recipe>(file), options, console, TimeProvider.System).Run(CancellationToken.None);
        // What the command waits for.
        Assert.Contains(" 1/1 ", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 8, 4, 20, "--batch 0")]
    [InlineData(2, 1, 4, 20, "--group 1")]
    [InlineData(2, 8, 1, 20, "--prompt-length 1")]
    [InlineData(2, 8, 20, 21, "at most 20 behind a prompt of 20")]
    public void A_shape_that_cannot_run_is_refused(int batch, int group, int prompt, int completion, string expected)
    {
        var wrong = settings with { Batch = batch, Group = group, PromptLength = prompt, CompletionLength = completion };
        Assert.Contains(expected, Assert.Throws<BadInputException>(() => wrong.Shape(BenchPhase.Grpo, wrong.ReadConfig())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_median_of_an_even_number_lies_between_the_two_in_the_middle() => Assert.Equal(new Spread(2.5, 1, 9), Spread.Of([9, 2, 1, 3]));

    [Fact]
    public void Parts_of_a_step_with_one_name_add_up()
    {
        var clock = new StepClock();
        clock.Time("sampling", () => Thread.Sleep(5));
        Assert.Equal(7, clock.Time("sampling", () => 7));
        clock.Time("sampling", () => Thread.Sleep(5));
        var metrics = clock.Metrics().ToDictionary();
        Assert.Equal(["step_time", "time/sampling"], metrics.Keys);
        Assert.InRange(metrics["time/sampling"], 0.01, metrics["step_time"]);
        Assert.All(metrics.Keys, name => Assert.True(MetricCatalog.IsTiming(name)));
    }

    [Fact]
    public void The_peak_of_this_process_is_known_on_linux()
    {
        if (!OperatingSystem.IsLinux())
            return;
        Assert.InRange(ProcessMemory.PeakMegabytes()!.Value, 10, 1e6);
        Assert.Null(ProcessMemory.PeakMegabytes(int.MaxValue));
    }

    public void Dispose() => folder.Dispose();
}
