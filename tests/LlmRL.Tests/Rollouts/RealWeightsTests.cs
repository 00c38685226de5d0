using System.Runtime.InteropServices;
using System.Text.Json;
using LlmRL.Models;
using LlmRL.Rollouts;

namespace LlmRL.Tests.Rollouts;

/// <summary>A trained story model: its greedy text and log-probabilities as Hugging Face's own implementation gives them.</summary>
public sealed class RealWeightsTests
{
    private const string Folder = "data/weights/stories260K/hf";

    [SharedFact(Folder)]
    public void GreedyIdsAndLogProbsOfStories260K()
    {
        using var reference = JsonDocument.Parse(File.ReadAllText(Shared.Path(Folder + "/reference.json")));
        int[] ids = [.. reference.RootElement.GetProperty("greedy_ids").EnumerateArray().Select(id => id.GetInt32())];
        float[] logProbs = [.. reference.RootElement.GetProperty("token_logprobs").EnumerateArray().Select(p => p.GetSingle())];
        using var model = Load();
        using var engine = new RolloutEngine(model.Weights);
        foreach (var length in new[] { 1, 20, 90 })
        {
            var options = new SamplingOptions { Temperature = 0, MaxNewTokens = ids.Length - length };
            var completion = Assert.Single(engine.Generate([ids[..length]], 1, options, default));
            Assert.Equal(ids[length..], completion.Tokens);
            // token_logprobs[i] is that of input_ids[i + 1], and the inputs begin with the greedy ids.
            for (var i = 0; i < Math.Min(completion.Tokens.Length, logProbs.Length + 1 - length); i++)
                Assert.Equal(logProbs[length - 1 + i], completion.LogProbs[i], 2e-5f);
        }
    }

    private static TestModel Load()
    {
        var tensors = ReadSafetensors(Shared.Path(Folder + "/model.safetensors"));
        var config = new ModelConfig
        {
            ModelType = "llama",
            VocabSize = 512,
            HiddenSize = 64,
            NumLayers = 5,
            NumHeads = 8,
            NumKeyValueHeads = 4,
            HeadDim = 8,
            IntermediateSize = 172,
            MaxPositions = 512,
            TieWordEmbeddings = true,
        };
        return new TestModel(config, (name, _) =>
        {
            var parts = name.Split('.');
            float[] Layer(params string[] names) => [.. names.SelectMany(part => tensors[$"model.layers.{parts[0]}.{part}.weight"])];
            return parts[^1] switch
            {
                "embedding" => tensors["model.embed_tokens.weight"],
                "norm" => tensors["model.norm.weight"],
                "norm1" => Layer("input_layernorm"),
                "norm2" => Layer("post_attention_layernorm"),
                "qkv" => Layer("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                "out" => Layer("self_attn.o_proj"),
                "up" => Layer("mlp.gate_proj", "mlp.up_proj"),
                _ => Layer("mlp.down_proj"),
            };
        });
    }

    private static Dictionary<string, float[]> ReadSafetensors(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var headerLength = (int)BitConverter.ToInt64(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, headerLength));
        var tensors = new Dictionary<string, float[]>();
        foreach (var entry in header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            Assert.Equal("F32", entry.Value.GetProperty("dtype").GetString());
            var offsets = entry.Value.GetProperty("data_offsets");
            int start = offsets[0].GetInt32(), end = offsets[1].GetInt32();
            tensors[entry.Name] = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + headerLength + start, end - start)).ToArray();
        }

        return tensors;
    }
}
