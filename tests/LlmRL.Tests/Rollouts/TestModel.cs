using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Tests.Rollouts;

/// <summary>Weights of a small model in named arrays, for the decoder by pointer and for the reference by name.</summary>
internal sealed unsafe class TestModel : IDisposable
{
    private readonly Dictionary<string, NativeBuffer<float>> _arrays = [];

    public TestModel(ModelConfig config, Func<string, int, float[]> load)
    {
        Config = config;
        int width = config.HiddenSize, inner = config.IntermediateSize, head = config.HeadDim;
        var heads = config.NumHeads * head;
        var qkv = heads + 2 * config.NumKeyValueHeads * head;
        var up = config.Mlp == MlpKind.SwiGlu ? 2 * inner : inner;
        var layerNorm = config.Norm == NormKind.LayerNorm;
        float* Get(string name, int length, bool present = true)
        {
            if (!present)
                return null;
            var buffer = new NativeBuffer<float>(length);
            load(name, length).CopyTo(new Span<float>(buffer.Pointer, length));
            _arrays.Add(name, buffer);
            return buffer.Pointer;
        }

        var layers = new DecoderLayer[config.NumLayers];
        for (var i = 0; i < layers.Length; i++)
            layers[i] = new DecoderLayer
            {
                AttentionNorm = Get($"{i}.norm1", width),
                AttentionNormBias = Get($"{i}.norm1.bias", width, layerNorm),
                Qkv = Get($"{i}.qkv", qkv * width),
                QkvBias = Get($"{i}.qkv.bias", qkv, config.QkvBias),
                QueryNorm = Get($"{i}.query_norm", head, config.QkNorm),
                KeyNorm = Get($"{i}.key_norm", head, config.QkNorm),
                Output = Get($"{i}.out", width * heads),
                OutputBias = Get($"{i}.out.bias", width, config.OutputBias),
                MlpNorm = Get($"{i}.norm2", width),
                MlpNormBias = Get($"{i}.norm2.bias", width, layerNorm),
                Up = Get($"{i}.up", up * width),
                UpBias = Get($"{i}.up.bias", up, config.MlpBias),
                Down = Get($"{i}.down", width * inner),
                DownBias = Get($"{i}.down.bias", width, config.MlpBias),
            };
        var embedding = Get("embedding", config.VocabSize * width);
        Weights = new DecoderWeights
        {
            Config = config,
            TokenEmbedding = embedding,
            PositionEmbedding = Get("positions", config.MaxPositions * width, config.Positions == PositionKind.Learned),
            Layers = layers,
            FinalNorm = Get("norm", width, config.FinalNorm),
            FinalNormBias = Get("norm.bias", width, layerNorm && config.FinalNorm),
            Head = config.TieWordEmbeddings ? embedding : Get("head", config.VocabSize * width),
            HeadBias = Get("head.bias", config.VocabSize, config.HeadBias),
        };
    }

    public ModelConfig Config { get; }

    public DecoderWeights Weights { get; }

    public float* this[string name] => _arrays[name].Pointer;

    public bool Has(string name) => _arrays.ContainsKey(name);

    /// <summary>A model with normal weights, wide enough that attention and logits are far from uniform.</summary>
    public static TestModel Random(ModelConfig config, double deviation = 0.15)
    {
        var random = new RandomStream(CounterRandom.Key(7));
        return new TestModel(config, (name, length) =>
        {
            var offset = name.Contains("norm") && !name.Contains("bias") ? 1.0 : 0.0;
            var values = new float[length];
            for (var i = 0; i < length; i++)
                values[i] = (float)(offset + deviation * random.NextNormal());
            return values;
        });
    }

    public void Dispose()
    {
        foreach (var buffer in _arrays.Values)
            buffer.Dispose();
    }
}
