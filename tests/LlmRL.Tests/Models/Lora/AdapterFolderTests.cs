using System.Text.Json;
using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models.Lora;

/// <summary>Adapters on disk, in the layout of Hugging Face's PEFT.</summary>
[Collection(TensorCollection.Name)]
public sealed class AdapterFolderTests : IDisposable
{
    private const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Shapes() => [.. LoraCase.Shapes];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void What_is_read_is_written_again_byte_for_byte(string shape)
    {
        var scalarHead = shape == "qwen2";
        using var test = new LoraCase(shape, new LoraOptions { R = 3, Alpha = 4.5, Dropout = 0.05, UseRslora = shape == "gpt2" }, scalarHead: scalarHead);
        AdapterFolder.Save(test.Adapters, folder["first"]);
        using var read = AdapterFolder.Read(folder["first"], test.Model.Config);
        Assert.Equal(LoraCase.Values(test.Adapters.Parameters), LoraCase.Values(read.Parameters));
        Assert.Equal(test.Adapters.Options.Scale, read.Options.Scale);
        AdapterFolder.Save(read, folder["second"]);
        foreach (var name in new[] { ConfigName, WeightsName })
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder["first"], name)), File.ReadAllBytes(Path.Combine(folder["second"], name)));
    }

    // Names and shapes as PEFT 0.10 to 0.18 saves them: of nn.Linear (outputs, inputs) and of GPT-2's Conv1D alike, A is (r, inputs) and B (outputs, r).
    [Theory]
    [InlineData("llama-grouped", "model.layers.2.self_attn.k_proj", 48, 16, false)]
    [InlineData("llama-grouped", "model.layers.0.mlp.down_proj", 76, 48, false)]
    [InlineData("gpt2", "transformer.h.1.attn.c_attn", 64, 192, true)]
    [InlineData("gpt2", "transformer.h.0.mlp.c_fc", 64, 250, true)]
    [InlineData("gpt_neox", "gpt_neox.layers.0.attention.query_key_value", 80, 240, false)]
    [InlineData("gpt_neox", "gpt_neox.layers.2.mlp.dense_4h_to_h", 100, 80, false)]
    public void Names_shapes_and_settings_are_those_of_PEFT(string shape, string module, int inputs, int outputs, bool conv1d)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 2, Alpha = 8, TargetModules = ["all-linear"] });
        AdapterFolder.Save(test.Adapters, folder.Path);
        using var reader = new SafetensorsReader(folder[WeightsName]);
        Assert.Equal([2, inputs], reader.ShapeOf($"base_model.model.{module}.lora_A.weight")!);
        Assert.Equal([outputs, 2], reader.ShapeOf($"base_model.model.{module}.lora_B.weight")!);
        var config = JsonNode.Parse(File.ReadAllText(folder[ConfigName]))!.AsObject();
        Assert.Equal(conv1d, (bool)config["fan_in_fan_out"]!);
        Assert.Contains(module[(module.LastIndexOf('.') + 1)..], config["target_modules"]!.AsArray().Select(name => (string)name!));
        var expected = """{"peft_type":"LORA","task_type":"CAUSAL_LM","r":2,"lora_alpha":8,"lora_dropout":0,"bias":"none","use_rslora":false,"modules_to_save":null,"inference_mode":true}""";
        foreach (var (key, value) in JsonNode.Parse(expected)!.AsObject())
            Assert.True(JsonNode.DeepEquals(value, config[key]), key);
    }

    /// <summary>PEFT merges in the file's own order: W + s·BA for nn.Linear, W + (s·BA)ᵀ for Conv1D. Here it is done to the files themselves.</summary>
    [Theory]
    [InlineData("llama-grouped")]
    [InlineData("gpt2")]
    [InlineData("gpt_neox")]
    public void Merging_into_the_files_is_merging_into_the_model(string shape)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 3, Alpha = 2, UseRslora = true });
        using var plain = LoraCase.Frozen(test.Plain);
        ModelFolder.Save(plain, folder["base"], tokenizer: null);
        AdapterFolder.Save(test.Adapters, folder["adapter"]);
        Directory.CreateDirectory(folder["merged"]);
        foreach (var file in new[] { "config.json", "generation_config.json" })
            File.Copy(Path.Combine(folder["base"], file), Path.Combine(folder["merged"], file));
        using (var weights = new SafetensorsReader(Path.Combine(folder["base"], "model.safetensors")))
        using (var adapters = new SafetensorsReader(Path.Combine(folder["adapter"], WeightsName)))
        using (var stream = File.Create(Path.Combine(folder["merged"], "model.safetensors")))
            SafetensorsWriter.Write(stream, [.. weights.Entries.Values.Select(entry => new SafetensorsWriter.Item(entry.Name, entry.Shape, () => Merge(weights, adapters, entry, shape == "gpt2")))]);
        using var expected = ModelFolder.Load(folder["merged"], trainable: false);
        using var actual = ModelFolder.LoadMerged(folder["base"], folder["adapter"], trainable: false);
        Tiny.AssertClose(LoraCase.Values(expected.Parameters), LoraCase.Values(actual.Parameters), 1e-6);
        Assert.NotEqual(LoraCase.Values(plain.Parameters), LoraCase.Values(actual.Parameters));

        static float[] Merge(SafetensorsReader weights, SafetensorsReader adapters, SafetensorsEntry entry, bool conv1d)
        {
            var merged = new float[entry.Shape.Aggregate(1L, (product, size) => product * size)];
            weights.Read(entry, merged);
            var name = $"base_model.model.{entry.Name[..^".weight".Length]}";
            if (adapters.ShapeOf(name + ".lora_A.weight") is not [var rank, var inputs] || adapters.ShapeOf(name + ".lora_B.weight") is not [var outputs, _])
                return merged;
            var (a, b) = (new float[rank * inputs], new float[outputs * rank]);
            adapters.Read(name + ".lora_A.weight", a);
            adapters.Read(name + ".lora_B.weight", b);
            for (var o = 0; o < outputs; o++)
            {
                for (var i = 0; i < inputs; i++)
                    merged[(int)(conv1d ? i * outputs + o : o * inputs + i)] += (float)(2 / Math.Sqrt(3) * Enumerable.Range(0, 3).Sum(j => (double)b[o * 3 + j] * a[j * inputs + i]));
            }

            return merged;
        }
    }

    [Fact]
    public void A_folder_with_adapters_alone_stands_for_the_merged_model()
    {
        using var test = new LoraCase("qwen2", new LoraOptions { R = 2, TargetModules = ["q_proj", "v_proj"] });
        using var plain = LoraCase.Frozen(test.Plain);
        ModelFolder.Save(plain, folder["base"], tokenizer: null);
        AdapterFolder.Save(test.Adapters, folder["adapter"]);
        Assert.Contains("names no model", Assert.Throws<BadInputException>(() => ModelFolder.Check(folder["adapter"])).Message);
        Edit("adapter", config => config["base_model_name_or_path"] = "../base");
        Assert.True(ModelFolder.IsModel(folder["adapter"]));
        Assert.False(ModelFolder.Check(folder["adapter"]));
        Assert.Equal(test.Model.Config.NumLayers, ModelFolder.ReadConfig(folder["adapter"]).NumLayers);
        using var loaded = ModelFolder.Load(folder["adapter"], trainable: false);
        test.Adapters.MergeInto(plain.Parameters);
        Assert.Equal(LoraCase.Values(plain.Parameters), LoraCase.Values(loaded.Parameters));
        Edit("adapter", config => config["base_model_name_or_path"] = "someone/some-model");
        var message = Assert.Throws<BadInputException>(() => ModelFolder.Load(folder["adapter"])).Message;
        Assert.Contains("'someone/some-model'", message);
        Assert.Contains("--adapter", message);
    }

    [Fact]
    public void Saving_a_model_merges_and_a_reward_models_adapters_bring_their_head()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 }, scalarHead: true);
        test.Model.ScoreShift = 0.123456789;
        using var plain = LoraCase.Frozen(test.Plain);
        ModelFolder.Save(plain, folder["base"], tokenizer: null);
        ModelFolder.Save(test.Model, folder["merged"], tokenizer: null);
        AdapterFolder.Save(test.Adapters, folder["adapter"], test.Model.ScoreShift);
        Edit("adapter", config => config["base_model_name_or_path"] = "../base");
        Assert.True(ModelFolder.Check(folder["adapter"]));
        using var merged = ModelFolder.Load(folder["merged"], scalarHead: true, trainable: false);
        using var loaded = ModelFolder.Load(folder["adapter"], scalarHead: true, trainable: false);
        Assert.Equal(LoraCase.Values(merged.Parameters), LoraCase.Values(loaded.Parameters));
        Assert.Equal(test.Model.ScoreShift, loaded.ScoreShift);
        Assert.Contains("language model is needed", Assert.Throws<BadInputException>(() => ModelFolder.Load(folder["adapter"])).Message);
    }

    [Theory]
    [InlineData("use_dora", "true", "use_dora is true")]
    [InlineData("rank_pattern", """{"q_proj": 4}""", "rank_pattern")]
    [InlineData("alpha_pattern", """{"q_proj": 4}""", "alpha_pattern")]
    [InlineData("peft_type", "\"IA3\"", "peft_type is IA3")]
    [InlineData("bias", "\"all\"", "bias is 'all'")]
    [InlineData("modules_to_save", """["embed_tokens"]""", "modules_to_save has 'embed_tokens'")]
    [InlineData("modules_to_save", "7", "modules_to_save is 7")]
    [InlineData("init_lora_weights", "\"pissa_niter_4\"", "init_lora_weights is 'pissa_niter_4'")]
    [InlineData("r", "3", "rank 3 of adapter_config.json")]
    [InlineData("r", "0", "r 0, lora_alpha")]
    [InlineData("r", "\"x\"", "r")]
    public void What_is_not_supported_is_refused_by_key(string key, string value, string text)
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 });
        AdapterFolder.Save(test.Adapters, folder["adapter"]);
        Edit("adapter", config => config[key] = JsonNode.Parse(value));
        var message = Assert.Throws<BadInputException>(() => AdapterFolder.Read(folder["adapter"], test.Model.Config)).Message;
        Assert.Contains(text, message);
        Assert.StartsWith(folder["adapter"], message);
    }

    [Fact]
    public void Files_of_another_model_or_cut_short_are_refused()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 });
        AdapterFolder.Save(test.Adapters, folder["adapter"]);
        string Read(ModelConfig config) => Assert.Throws<BadInputException>(() => AdapterFolder.Check(folder["adapter"], config)).Message;
        Assert.Contains("belongs to no projection of this gpt2 model", Read(TestShapes.Of("gpt2")));
        Assert.Contains("has shape [2, 48] but", Read(test.Model.Config with { HiddenSize = 64 }));
        Assert.Contains("belongs to no projection", Read(test.Model.Config with { NumLayers = 2 }));
        var weights = Path.Combine(folder["adapter"], WeightsName);
        using (var file = File.OpenWrite(weights))
            file.SetLength(file.Length - 8);
        Assert.Contains("cut short", Read(test.Model.Config));
        File.Delete(weights);
        Assert.Contains($"{WeightsName} was expected", Read(test.Model.Config));
        File.Delete(Path.Combine(folder["adapter"], ConfigName));
        Assert.Contains("no such file", Read(test.Model.Config));
    }

    private void Edit(string name, Action<JsonObject> change)
    {
        var path = Path.Combine(folder[name], ConfigName);
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(config);
        File.WriteAllText(path, config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }
}
