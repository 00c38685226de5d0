using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Tests.Runs;

namespace LlmRL.Tests.Models;

/// <summary>Configs as models publish them: old and new spellings, defaults, and what is refused.</summary>
public sealed class ModelConfigFileTests : IDisposable
{
    private const string Llama = """
        "model_type": "llama", "vocab_size": 128, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>The published settings of Llama 3.2, LLaMA-2-7B-32K, Qwen2.5 with YaRN, DeepSeek and Mistral-like ones, by the old key and by the new.</summary>
    [Theory]
    [InlineData("""{"type": "linear", "factor": 8.0}""", "Linear 8 of 0: 1, 4, 32, 1, , , , True")]
    [InlineData("""{"type": "dynamic", "factor": 2}""", "Dynamic 2 of 0: 1, 4, 32, 1, , , , True")]
    [InlineData(
        """{"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.5, "original_max_position_embeddings": 8192, "rope_type": "llama3"}""",
        "Llama3 32 of 8192: 1.5, 4, 32, 1, , , , True")]
    [InlineData("""{"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}""", "Yarn 4 of 32768: 1, 4, 32, 1, , , , True")]
    [InlineData("""{"rope_type": "yarn", "factor": 4.0}""", "Yarn 4 of 65536: 1, 4, 32, 1, , , , True")]
    [InlineData("""{"rope_type": "yarn", "original_max_position_embeddings": 8192}""", "Yarn 8 of 8192: 1, 4, 32, 1, , , , True")]
    [InlineData(
        """{"beta_fast": 16, "beta_slow": 2, "factor": 40, "mscale": 0.707, "mscale_all_dim": 1.0, "attention_factor": 1.25, "truncate": false, "original_max_position_embeddings": 4096, "type": "yarn"}""",
        "Yarn 40 of 4096: 1, 4, 16, 2, 1.25, 0.707, 1, False")]
    public void RopeScalingIsReadInBothForms(string scaling, string expected)
    {
        foreach (var text in new[]
        {
            $"{{{Llama}, \"max_position_embeddings\": 65536, \"rope_theta\": 5000, \"rope_scaling\": {scaling}}}",
            $"{{{Llama}, \"max_position_embeddings\": 65536, \"rope_parameters\": {scaling[..^1]}, \"rope_theta\": 5000}}}}",
        })
        {
            var config = Read(text);
            var rope = config.RopeScaling!;
            Assert.Equal(
                expected,
                FormattableString.Invariant($"{rope.Kind} {rope.Factor} of {rope.OriginalMaxPositions}: {rope.LowFrequencyFactor}, {rope.HighFrequencyFactor}, {rope.BetaFast}, {rope.BetaSlow}, {rope.AttentionFactor}, {rope.Mscale}, {rope.MscaleAllDim}, {rope.Truncate}"));
            Assert.Equal(5000, config.RopeTheta);
            Assert.Equal(config, Read(ModelConfigFile.Write(config)));
            // transformers before version 5 finds all it needs without the new key, and version 5 without the old ones.
            foreach (var keys in new[] { new[] { "rope_parameters" }, ["rope_scaling", "rope_theta"] })
            {
                var json = JsonNode.Parse(ModelConfigFile.Write(config))!.AsObject();
                foreach (var key in keys)
                    json.Remove(key);
                Assert.Equal(config, Read(json.ToJsonString()));
            }
        }
    }

    [Theory]
    [InlineData(1e-9, "1", "0.1")]
    [InlineData(0.1386294361119891, "4", "")]
    public void TheAttentionFactorOfYarn(double aboveOne, string factor, string attention)
    {
        var extra = attention.Length > 0 ? ", \"mscale\": 0" : "";
        var config = Read($"{{{Llama}, \"rope_scaling\": {{\"type\": \"yarn\", \"factor\": {factor}{extra}}}}}");
        Assert.Equal(1 + aboveOne, Rope.AttentionFactor(config), 1e-8);
        // With both coefficients, the ratio of the two.
        var both = config with { RopeScaling = config.RopeScaling! with { Factor = Math.E, Mscale = 2, MscaleAllDim = 1 } };
        Assert.Equal(1.2 / 1.1, Rope.AttentionFactor(both), 1e-12);
    }

    [Theory]
    [InlineData("""{"rope_type": "longrope", "factor": 2}""", "longrope")]
    [InlineData("""{"type": "linear"}""", "factor")]
    [InlineData("""{"type": "linear", "factor": 0.5}""", "0.5")]
    [InlineData("""{"type": "linear", "factor": "two"}""", "two")]
    [InlineData("""{"rope_type": "llama3", "factor": 8}""", "original_max_position_embeddings")]
    [InlineData("""{"rope_type": "llama3", "factor": 8, "original_max_position_embeddings": 64, "low_freq_factor": 4}""", "low_freq_factor")]
    [InlineData("""{"rope_type": "yarn", "factor": 8, "beta_fast": 1, "beta_slow": 2}""", "beta_fast")]
    [InlineData("""[1]""", "rope_scaling")]
    public void WrongRopeScalingIsRefused(string scaling, string word)
    {
        var fault = Assert.Throws<BadInputException>(() => Read($"{{{Llama}, \"rope_scaling\": {scaling}}}"));
        Assert.StartsWith(folder["config.json"], fault.Message, StringComparison.Ordinal);
        Assert.Contains(word, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContextsAreAsLongAsTheScalingSays()
    {
        ModelConfig With(string scaling) => Read($"{{{Llama}, \"max_position_embeddings\": 100, \"rope_scaling\": {scaling}}}");
        Assert.Equal((100, 100), Lengths(With("null")));
        Assert.Equal((100, 100), Lengths(With("""{"type": "linear", "factor": 4}""")));
        Assert.Equal((400, 400), Lengths(With("""{"type": "yarn", "factor": 4}""")));
        Assert.Equal((400, 100), Lengths(With("""{"type": "dynamic", "factor": 4}""")));

        static (int, int) Lengths(ModelConfig config) => (config.ContextLength, config.GenerationLength);
    }

    [Theory]
    [InlineData("mistral", "\"sliding_window\": 4096", 4096, 4096, 4096)]
    [InlineData("mistral", "\"sliding_window\": null", 0, 0, 0)]
    [InlineData("llama", "\"sliding_window\": 4096", 0, 0, 0)]
    [InlineData("qwen2", "\"sliding_window\": 4096", 0, 0, 0)]
    [InlineData("qwen2", "\"sliding_window\": 4096, \"use_sliding_window\": true, \"max_window_layers\": 2", 0, 0, 4096)]
    [InlineData("qwen2", "\"sliding_window\": 4096, \"use_sliding_window\": true, \"max_window_layers\": 28", 0, 0, 0)]
    [InlineData("qwen3", "\"sliding_window\": 9, \"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\", \"full_attention\", \"sliding_attention\"]", 9, 0, 9)]
    public void WindowsAreThoseOfTheirLayers(string type, string keys, params int[] windows)
    {
        var config = Read($"{{{Llama.Replace("\"llama\"", $"\"{type}\"", StringComparison.Ordinal).Replace("layers\": 2", "layers\": 3", StringComparison.Ordinal)}, {keys}}}");
        Assert.Equal(windows.Select(window => window == 0 ? int.MaxValue : window), Enumerable.Range(0, 3).Select(config.WindowOf));
        Assert.Equal(config, Read(ModelConfigFile.Write(config)));
    }

    [Theory]
    [InlineData("\"rotary_pct\": 0.5, \"rotary_emb_base\": 20000")]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 20000, \"partial_rotary_factor\": 0.5}")]
    public void PartialRotationIsReadInBothForms(string keys)
    {
        var config = Read($"{{{Llama.Replace("llama", "gpt_neox", StringComparison.Ordinal)}, {keys}}}");
        Assert.Equal((16, 8, 20000), (config.HeadDim, config.RotaryDim, (int)config.RopeTheta));
        Assert.True(config.ParallelResidual);
    }

    [Fact]
    public void ChatModelsEndInMoreThanOneWay()
    {
        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id": [7, 9]}""");
        File.WriteAllText(folder["config.json"], $"{{{Llama}, \"eos_token_id\": [5, 7]}}");
        var config = ModelFolder.ReadConfig(folder.Path);
        Assert.Equal([3, 5, 7, 9], config.StopIds(3));
        Assert.Equal([5, 7, 9], config.StopIds(5));
        Assert.Equal(config, Read(ModelConfigFile.Write(config)));
        File.WriteAllText(folder["generation_config.json"], ModelConfigFile.WriteGeneration(config));
        Assert.Equal(config, ModelFolder.ReadConfig(folder.Path));
    }

    [Theory]
    [InlineData("A", 3_425_536)]
    [InlineData("B", 29_500_000)]
    public void TheModelsThatAreMeasuredHaveTheirSizes(string name, long parameters)
    {
        var config = ModelConfigFile.Read(Path.Combine(Shared.Repository, "models", $"{name}.json"));
        Assert.InRange(ParameterLayout.Of(config, scalarHead: false).Sum(spec => spec.Elements), 0.998 * parameters, 1.002 * parameters);
    }

    [Fact]
    public void EveryShippedModelIsRead()
    {
        var files = Directory.GetFiles(Path.Combine(Shared.Repository, "models"), "*.json");
        Assert.All(files, path => Assert.Equal(ModelConfigFile.Read(path), Read(ModelConfigFile.Write(ModelConfigFile.Read(path)))));
        Assert.Equal(ModelConfigFile.KnownTypes.Order(), files.Select(path => ModelConfigFile.Read(path).ModelType).Distinct().Order());
    }

    /// <summary>What transformers looks for: its class, the type, and the head's labels where it scores.</summary>
    [Theory]
    [InlineData("llama-grouped", "LlamaForCausalLM", "LlamaForSequenceClassification")]
    [InlineData("mistral", "MistralForCausalLM", "MistralForSequenceClassification")]
    [InlineData("qwen2", "Qwen2ForCausalLM", "Qwen2ForSequenceClassification")]
    [InlineData("qwen3", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification")]
    [InlineData("gpt2", "GPT2LMHeadModel", "GPT2ForSequenceClassification")]
    [InlineData("gpt_neox", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification")]
    public void ArchitecturesHaveTheirNames(string shape, string language, string score)
    {
        foreach (var (scalarHead, name) in new[] { (false, language), (true, score) })
        {
            var json = JsonNode.Parse(ModelConfigFile.Write(TestShapes.Of(shape), scalarHead))!;
            Assert.Equal(name, (string?)json["architectures"]![0]);
            Assert.Equal(scalarHead ? 1 : null, (int?)json["num_labels"]);
        }
    }

    private ModelConfig Read(string text)
    {
        File.WriteAllText(folder["config.json"], text);
        return ModelConfigFile.Read(folder["config.json"]);
    }
}
