using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Rollouts;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models.Lora;

/// <summary>A frozen model with adapters, and the same weights by plain names.</summary>
internal sealed class LoraCase : IDisposable
{
    public static readonly string[] Shapes = ["llama-grouped", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox", "gpt_neox-serial", "head-bias"];

    public LoraCase(string shape, LoraOptions options, bool random = true, bool scalarHead = false)
    {
        _ = Tiny.Llama;
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Plain = TestModel.Random(TestShapes.Of(shape));
        Model = Frozen(Plain, scalarHead);
        Adapters = new LoraAdapters(Model.Config, options, scalarHead);
        Adapters.Initialize(Model.Parameters, 5);
        if (random)
            Shake(Adapters, 11);
        Model.Attach(Adapters);
    }

    public TestModel Plain { get; }

    public Transformer Model { get; }

    public LoraAdapters Adapters { get; }

    public static int[][] Sequences { get; } = [[5, 1, 70, 33, 2, 9, 9, 64, 12, 8, 8, 3], [40], [7, 7, 3, 60, 21], [.. Enumerable.Range(0, 90).Select(i => i * i % 71)]];

    /// <summary>A model with plain weights, without gradients.</summary>
    public static unsafe Transformer Frozen(TestModel plain, bool scalarHead = false)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var model = new Transformer(plain.Config, scalarHead, trainable: false);
        model.Parameters.Initialize(plain.Config, 3);
        foreach (var spec in model.Parameters.Specs.Where(spec => spec.Name != ParameterLayout.ScoreName))
            model.Parameters[spec.Name].copy_(tensor(new Span<float>(plain[ReferenceModelTests.PlainName(spec.Name)], (int)spec.Elements).ToArray(), spec.Shape));
        return model;
    }

    /// <summary>All adapters, B too, drawn at random.</summary>
    public static void Shake(LoraAdapters adapters, ulong seed)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var random = new RandomStream(CounterRandom.Key(seed));
        adapters.Parameters.Values.copy_(tensor(Enumerable.Range(0, (int)adapters.Parameters.Count).Select(_ => (float)(0.1 * random.NextNormal())).ToArray()));
    }

    public static float[] Values(FlatParameters parameters) => parameters.Values.detach().data<float>().ToArray();

    /// <summary>W + s·B·A by the definition, in double precision, for adapters given as numbers.</summary>
    public unsafe TestModel Merged(float[] adapters)
    {
        var merged = new TestModel(Plain.Config, (name, length) => new Span<float>(Plain[name], length).ToArray());
        var rank = Adapters.Options.R;
        foreach (var linear in Adapters.Linears)
        {
            var weight = merged[ReferenceModelTests.PlainName(linear.Name)];
            for (var k = 0; k < linear.Blocks.Count; k++)
            {
                var block = linear.Blocks[k];
                var (a, b) = (At(linear.A) + k * rank * linear.Inputs, At(linear.B) + block.FirstAdapterRow * rank);
                for (var o = 0; o < block.Rows; o++)
                {
                    for (var i = 0; i < linear.Inputs; i++)
                    {
                        var sum = 0.0;
                        for (var j = 0; j < rank; j++)
                            sum += (double)adapters[b + o * rank + j] * adapters[a + j * linear.Inputs + i];
                        weight[(block.FirstRow + o) * linear.Inputs + i] = (float)(weight[(block.FirstRow + o) * linear.Inputs + i] + Adapters.Options.Scale * sum);
                    }
                }
            }
        }

        return merged;

        int At(string name) => (int)Adapters.Parameters.Offsets[Adapters.Parameters.Specs.ToList().FindIndex(spec => spec.Name == name)];
    }

    /// <summary>Logits of all tokens, (N·V).</summary>
    public static float[] Logits(Transformer model)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch(Sequences);
        return model.Logits(model.Hidden(batch)).contiguous().data<float>().ToArray();
    }

    /// <summary>∂(Σ r·logits) of the adapters for fixed random r.</summary>
    public float[] Gradient(float[] r, int[][]? sequences = null)
    {
        Adapters.Parameters.ZeroGradients();
        using (NewDisposeScope())
        {
            using var batch = new TokenBatch(sequences ?? Sequences);
            var logits = Model.Logits(Model.Hidden(batch));
            (logits * tensor(r).view(logits.shape)).sum().backward();
        }

        return Adapters.Parameters.Gradients!.data<float>().ToArray();
    }

    /// <summary>Fixed random weights of the logits.</summary>
    public float[] Weights(int[][]? sequences = null)
    {
        var random = new RandomStream(CounterRandom.Key(17));
        return [.. Enumerable.Range(0, (sequences ?? Sequences).Sum(sequence => sequence.Length) * Model.Config.VocabSize).Select(_ => (float)random.NextNormal())];
    }

    public void Dispose()
    {
        Model.Dispose();
        Plain.Dispose();
    }
}
