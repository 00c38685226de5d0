using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models;

/// <summary>Models on disk: what is saved is what is loaded, in the layout that transformers reads.</summary>
[Collection(TensorCollection.Name)]
public class ModelFolderTests
{
    [SharedTheory("fixtures/models/A")]
    [InlineData("fixtures/models/A", false)]
    [InlineData("fixtures/models/A2", false)]
    [InlineData("fixtures/models/A-rm", true)]
    [InlineData("data/weights/babyllama105/hf", false)]
    [InlineData("data/weights/verl_digit_completion", false)]
    public void ForeignModelsSurviveLoadingAndSaving(string relative, bool scalarHead)
    {
        if (Shared.SkipUnless(relative) is not null)
            return;
        using var folder = new TemporaryFolder();
        var origin = Shared.Path(relative);
        using var model = ModelFolder.Load(origin, scalarHead, trainable: false);
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        Assert.Equal(Tensors(origin), Tensors(folder.Path));
        var config = ModelConfigFile.Read(Path.Combine(folder.Path, "config.json"));
        Assert.Equal(model.Config, config);
        Assert.Equal(ModelConfigFile.Read(Path.Combine(origin, "config.json")), config);
        JsonObject Json(string path) => JsonNode.Parse(File.ReadAllText(Path.Combine(path, "config.json")))!.AsObject();
        var (before, after) = (Json(origin), Json(folder.Path));
        foreach (var key in new[] { "architectures", "model_type", "hidden_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "intermediate_size", "vocab_size", "max_position_embeddings", "hidden_act", "rms_norm_eps", "tie_word_embeddings", "bos_token_id", "eos_token_id" })
            Assert.True(JsonNode.DeepEquals(before[key], after[key]), $"{key}: {before[key]} became {after[key]}");
    }

    [Fact]
    public void A_fresh_scalar_head_alone_is_drawn_and_has_the_values_it_always_had()
    {
        using var folder = new TemporaryFolder();
        using var language = Random(TestShapes.Of("gpt2"), scalarHead: false);
        ModelFolder.Save(language, folder.Path, tokenizer: null);
        using var loaded = ModelFolder.Load(folder.Path, scalarHead: true, trainable: false, seed: 7);
        using var drawn = Tiny.Model(language.Config, scalarHead: true, seed: 7);
        foreach (var spec in loaded.Parameters.Specs)
        {
            var source = spec.Name == ParameterLayout.ScoreName ? drawn : language;
            Assert.Equal(Values(source, spec.Name), Values(loaded, spec.Name));
        }

        // What is read from the file is not drawn before.
        using var head = new Transformer(language.Config, scalarHead: true);
        head.Parameters.Initialize(language.Config, 7, ParameterLayout.ScoreName);
        Assert.All(head.Parameters.Specs.Where(spec => spec.Name != ParameterLayout.ScoreName), spec => Assert.All(Values(head, spec.Name), value => Assert.Equal(0, value)));
        Assert.Equal(Values(drawn, ParameterLayout.ScoreName), Values(head, ParameterLayout.ScoreName));

        static float[] Values(Transformer model, string name) => model.Parameters[name].detach().data<float>().ToArray();
    }

    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("linear")]
    [InlineData("dynamic")]
    [InlineData("llama3")]
    [InlineData("yarn")]
    [InlineData("mistral")]
    [InlineData("gpt2")]
    [InlineData("head-bias")]
    [InlineData("no-final-norm")]
    [InlineData("qwen2")]
    [InlineData("qwen2-window")]
    [InlineData("qwen3")]
    [InlineData("qwen3-window")]
    [InlineData("gpt_neox")]
    [InlineData("gpt_neox-serial")]
    public void EveryArchitectureSurvivesSavingAndLoading(string shape)
    {
        var config = TestShapes.Of(shape);
        foreach (var scalarHead in new[] { false, true })
        {
            using var folder = new TemporaryFolder();
            using var model = Random(config, scalarHead);
            model.ScoreShift = scalarHead ? -0.123456789 : 0;
            ModelFolder.Save(model, folder.Path, tokenizer: null);
            using var loaded = ModelFolder.Load(folder.Path, scalarHead);
            Assert.Equal(config, loaded.Config);
            Assert.Equal(model.ScoreShift, loaded.ScoreShift);
            Assert.Equal(Values(model), Values(loaded));
        }
    }

    /// <summary>GPT-2's Conv1D keeps a projection as (inputs, outputs) and query, key and value side by side.</summary>
    [Fact]
    public void Gpt2ProjectionsAreStoredTransposed()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("gpt2"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        var tensors = Tensors(folder.Path);
        long width = model.Config.HiddenSize, inner = model.Config.IntermediateSize;
        foreach (var (name, ours, inputs, outputs) in new[]
        {
            ("attn.c_attn", "qkv", width, 3 * width), ("attn.c_proj", "output", width, width), ("mlp.c_fc", "up", width, inner), ("mlp.c_proj", "down", inner, width),
        })
        {
            var stored = tensors[$"transformer.h.1.{name}.weight"];
            Assert.Equal($"{inputs}x{outputs}", stored.Shape);
            var weight = model.Parameters[$"layers.1.{ours}"].detach().data<float>().ToArray();
            for (var i = 0; i < inputs; i++)
            {
                for (var o = 0; o < outputs; o++)
                    Assert.Equal(weight[o * inputs + i], stored.Values[(int)(i * outputs + o)]);
            }

            Assert.Equal(model.Parameters[$"layers.1.{ours}_bias"].detach().data<float>().ToArray(), tensors[$"transformer.h.1.{name}.bias"].Values);
        }

        Assert.DoesNotContain("lm_head.weight", tensors.Keys);
    }

    /// <summary>Query, key and value are one parameter here and three tensors in the file.</summary>
    [Fact]
    public void LlamaProjectionsAreStoredApart()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("llama-grouped"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        var tensors = Tensors(folder.Path);
        string[] Names(string pattern, params string[] modules) => [.. modules.Select(module => $"model.layers.2.{pattern}.{module}_proj.weight")];
        foreach (var (ours, parts) in new[] { ("qkv", Names("self_attn", "q", "k", "v")), ("up", Names("mlp", "gate", "up")) })
            Assert.Equal(model.Parameters[$"layers.2.{ours}"].detach().data<float>().ToArray(), parts.SelectMany(part => tensors[part].Values).ToArray());
        Assert.Equal("16x48", tensors["model.layers.2.self_attn.k_proj.weight"].Shape);
        Assert.Contains("lm_head.weight", tensors.Keys);
    }

    /// <summary>GPT-NeoX keeps query, key and value of one head together, then those of the next.</summary>
    [Fact]
    public void GptNeoxProjectionsAreStoredByHead()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("gpt_neox"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        var tensors = Tensors(folder.Path);
        var (heads, width, hidden) = (model.Config.NumHeads, model.Config.HeadDim, model.Config.HiddenSize);
        var ours = model.Parameters["layers.2.qkv"].detach().data<float>().ToArray();
        var bias = model.Parameters["layers.2.qkv_bias"].detach().data<float>().ToArray();
        var stored = tensors["gpt_neox.layers.2.attention.query_key_value.weight"];
        Assert.Equal($"{3 * hidden}x{hidden}", stored.Shape);
        for (var head = 0; head < heads; head++)
        {
            for (var kind = 0; kind < 3; kind++)
            {
                for (var e = 0; e < width; e++)
                {
                    int row = (head * 3 + kind) * width + e, ourRow = (kind * heads + head) * width + e;
                    Assert.Equal(ours[(ourRow * hidden)..((ourRow + 1) * hidden)], stored.Values[(row * hidden)..((row + 1) * hidden)]);
                    Assert.Equal(bias[ourRow], tensors["gpt_neox.layers.2.attention.query_key_value.bias"].Values[row]);
                }
            }
        }

        Assert.Contains("embed_out.weight", tensors.Keys);
    }

    [Fact]
    public void ShardsAreReadThroughTheirIndex()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("qwen2"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        Split(folder.Path);
        using (var loaded = ModelFolder.Load(folder.Path))
            Assert.Equal(Values(model), Values(loaded));
        File.Delete(Path.Combine(folder.Path, "model-00002-of-00002.safetensors"));
        Assert.Contains("model-00002-of-00002.safetensors", Assert.Throws<BadInputException>(() => ModelFolder.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LargeWeightsAreWrittenAsShardsThatLoadAgain()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("gpt2"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        var limit = new FileInfo(Path.Combine(folder.Path, "model.safetensors")).Length / 3;

        ModelFolder.Save(model, folder.Path, tokenizer: null, limit);

        Assert.False(File.Exists(Path.Combine(folder.Path, "model.safetensors")));
        Assert.True(Directory.GetFiles(folder.Path, "model-*.safetensors").Length >= 3);
        using var loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(Values(model), Values(loaded));
    }

    [Fact]
    public void ABodyWithoutScalarHeadGetsAFreshOne()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("llama-grouped"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        using var reward = ModelFolder.Load(folder.Path, scalarHead: true, seed: 4);
        using var again = ModelFolder.Load(folder.Path, scalarHead: true, seed: 4);
        using var other = ModelFolder.Load(folder.Path, scalarHead: true, seed: 5);
        Assert.Equal(model.Parameters["layers.1.down"].detach().data<float>().ToArray(), reward.Parameters["layers.1.down"].detach().data<float>().ToArray());
        Assert.Equal(Values(reward), Values(again));
        Assert.NotEqual(Values(reward), Values(other));
        Assert.All(reward.Parameters["score"].detach().data<float>().ToArray(), x => Assert.NotEqual(0, x));
    }

    [Fact]
    public void ARewardModelIsNoPolicy()
    {
        using var folder = new TemporaryFolder();
        using var model = Random(TestShapes.Of("llama-grouped"), scalarHead: true);
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        Assert.Contains("scalar head", Assert.Throws<BadInputException>(() => ModelFolder.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static Transformer Random(ModelConfig config, bool scalarHead = false)
    {
        var model = Tiny.Model(config, scalarHead, seed: 11);
        // Norms and biases, too, so that one read into another's place shows.
        var random = new RandomStream(CounterRandom.Key(12));
        var values = new float[model.Parameters.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)random.NextNormal();
        using var guard = TorchSharp.torch.no_grad();
        using var source = TorchSharp.torch.tensor(values);
        model.Parameters.Values.copy_(source);
        return model;
    }

    private static float[] Values(Transformer model) => model.Parameters.Values.detach().data<float>().ToArray();

    private static Dictionary<string, StoredTensor> Tensors(string folder)
    {
        using var reader = new SafetensorsReader(Path.Combine(folder, "model.safetensors"));
        var tensors = new Dictionary<string, StoredTensor>();
        foreach (var entry in reader.Entries.Values)
        {
            var values = new float[entry.Elements];
            reader.Read(entry, values);
            tensors.Add(entry.Name, new StoredTensor(string.Join('x', entry.Shape), values));
        }

        return tensors;
    }

    private static void Split(string folder)
    {
        var single = Path.Combine(folder, "model.safetensors");
        var tensors = Tensors(folder).ToList();
        File.Delete(single);
        var map = new JsonObject();
        for (var shard = 0; shard < 2; shard++)
        {
            var name = $"model-{shard + 1:00000}-of-00002.safetensors";
            var mine = tensors.Where((_, i) => i % 2 == shard).ToList();
            using var stream = File.Create(Path.Combine(folder, name));
            SafetensorsWriter.Write(stream, [.. mine.Select(pair => new SafetensorsWriter.Item(
                pair.Key, [.. pair.Value.Shape.Split('x').Select(long.Parse)], () => pair.Value.Values))]);
            mine.ForEach(pair => map[pair.Key] = name);
        }

        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
    }

    private sealed record StoredTensor(string Shape, float[] Values)
    {
        public bool Equals(StoredTensor? other) => other is not null && Shape == other.Shape && Values.AsSpan().SequenceEqual(other.Values);

        public override int GetHashCode() => Shape.GetHashCode(StringComparison.Ordinal);
    }
}
