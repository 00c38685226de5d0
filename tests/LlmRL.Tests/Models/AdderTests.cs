using System.Text.Json;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

/// <summary>A small trained GPT with its own names of tensors, as a PyTorch file and as safetensors: it adds, and gives the logits that PyTorch gave.</summary>
[Collection(TensorCollection.Name)]
public class AdderTests
{
    private const string Folder = "data/weights/adder-gpt";

    [SharedTheory(Folder)]
    [InlineData("adder_gpt_state_dict.pth")]
    [InlineData("model.safetensors")]
    public void LogitsAreThoseOfPyTorch(string file)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Load(file);
        foreach (var sum in JsonDocument.Parse(File.ReadAllText(Shared.Path(Folder + "/reference.json"))).RootElement.EnumerateArray())
        {
            var prompt = Prompt(sum.GetProperty("prompt").GetString()!);
            Assert.Equal(prompt, sum.GetProperty("ids").EnumerateArray().Take(prompt.Length).Select(id => id.GetInt32()));
            using var batch = new TokenBatch([prompt]);
            var expected = sum.GetProperty("logits_after_prompt").EnumerateArray().Select(x => x.GetSingle()).ToArray();
            foreach (var kernels in new[] { true, false })
            {
                model.UsesKernels = kernels;
                Tiny.AssertClose(expected, model.Logits(model.Hidden(batch))[prompt.Length - 1].contiguous().data<float>().ToArray(), 1e-5);
            }
        }
    }

    [SharedFact(Folder)]
    public void ItAdds()
    {
        using var model = Load("adder_gpt_state_dict.pth");
        using var engine = new RolloutEngine(model.DecoderWeights(), threads: 1);
        var random = new RandomStream(CounterRandom.Key(500));
        var sums = Enumerable.Range(0, 500).Select(_ => (A: random.Next(0, 1_000_000), B: random.Next(0, 1_000_000))).ToList();
        var completions = engine.Generate([.. sums.Select(sum => Prompt($"{sum.A}+{sum.B}="))], 1, new SamplingOptions { Temperature = 0, MaxNewTokens = 8, StopIds = [12] }, default);
        // It writes the sum's digits from the last to the first.
        var solved = sums.Zip(completions).Count(pair => string.Concat(pair.Second.Tokens.SkipLast(1).Reverse()) == $"{pair.First.A + pair.First.B}");
        Assert.InRange(solved, 495, 500);
    }

    /// <summary>Saved and loaded again, the names are Hugging Face's, and not a weight has changed.</summary>
    [SharedFact(Folder)]
    public void ItSurvivesSavingAndLoading()
    {
        using var folder = new TemporaryFolder();
        using var model = Load("adder_gpt_state_dict.pth");
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        using var loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(model.Config, loaded.Config);
        Assert.Equal(model.Parameters.Values.detach().data<float>().ToArray(), loaded.Parameters.Values.detach().data<float>().ToArray());
        using var reader = new SafetensorsReader(folder["model.safetensors"]);
        Assert.Equal([64, 192], reader.ShapeOf("transformer.h.5.attn.c_attn.weight")!);
    }

    private static int[] Prompt(string text) => [.. text.Select(c => "0123456789+=".IndexOf(c, StringComparison.Ordinal))];

    private static Transformer Load(string file)
    {
        using var folder = new TemporaryFolder();
        File.Copy(Shared.Path($"{Folder}/{file}"), folder[file]);
        File.Copy(Path.Combine(Shared.Repository, "models", "adder-gpt.json"), folder["config.json"]);
        return ModelFolder.Load(folder.Path);
    }
}
