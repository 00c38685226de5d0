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

    public static ModelConfig Shape(string name) => name switch
    {
        "llama-grouped" => new ModelConfig
        {
            ModelType = "llama",
            VocabSize = 101,
            HiddenSize = 48,
            NumLayers = 3,
            NumHeads = 6,
            NumKeyValueHeads = 2,
            HeadDim = 8,
            IntermediateSize = 76,
            MaxPositions = 128,
            NormEpsilon = 1e-6,
            RopeTheta = 500,
        },
        "gpt2" => new ModelConfig
        {
            ModelType = "gpt2",
            VocabSize = 77,
            HiddenSize = 64,
            NumLayers = 2,
            NumHeads = 4,
            NumKeyValueHeads = 4,
            HeadDim = 16,
            IntermediateSize = 256,
            MaxPositions = 96,
            Norm = NormKind.LayerNorm,
            Positions = PositionKind.Learned,
            Mlp = MlpKind.GeluTanh,
            TieWordEmbeddings = true,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
        },
        "exact-gelu" => Shape("gpt2") with { Mlp = MlpKind.Gelu, Positions = PositionKind.Rotary, TieWordEmbeddings = false },
        "qwen2" => new ModelConfig
        {
            ModelType = "qwen2",
            VocabSize = 160,
            HiddenSize = 70,
            NumLayers = 2,
            NumHeads = 2,
            NumKeyValueHeads = 1,
            HeadDim = 72,
            IntermediateSize = 90,
            MaxPositions = 200,
            RopeTheta = 1e6,
            TieWordEmbeddings = true,
            QkvBias = true,
        },
        "qwen2-window" => Shape("qwen2") with { Window = new AttentionWindow(19, [false, true]) },
        "mistral" => Shape("llama-grouped") with { ModelType = "mistral", Window = new AttentionWindow(7) },
        "qwen3" => Shape("llama-grouped") with { ModelType = "qwen3", HeadDim = 24, QkNorm = true, TieWordEmbeddings = true },
        "qwen3-window" => Shape("qwen3") with { Window = new AttentionWindow(16, [true, false, true]), QkvBias = true, OutputBias = true, TieWordEmbeddings = false },
        "gpt_neox" => new ModelConfig
        {
            ModelType = "gpt_neox",
            VocabSize = 83,
            HiddenSize = 60,
            NumLayers = 3,
            NumHeads = 3,
            NumKeyValueHeads = 3,
            HeadDim = 20,
            IntermediateSize = 100,
            MaxPositions = 128,
            Norm = NormKind.LayerNorm,
            PartialRotaryFactor = 0.4,
            RopeTheta = 300,
            ParallelResidual = true,
            Mlp = MlpKind.Gelu,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
        },
        "gpt_neox-serial" => Shape("gpt_neox") with { ParallelResidual = false, PartialRotaryFactor = 1, QkvBias = false, OutputBias = false },
        "head-bias" => Shape("gpt2") with { HeadBias = true, TieWordEmbeddings = false },
        "no-final-norm" => Shape("head-bias") with { FinalNorm = false },
        "linear" => Shape("llama-grouped") with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 3 } },
        // Wave lengths from 6 to 670 positions: short, blended and long ones against a context of 64.
        "llama3" => Shape("llama-grouped") with
        {
            HeadDim = 16,
            RopeScaling = new RopeScaling { Kind = RopeScalingKind.Llama3, Factor = 8, OriginalMaxPositions = 64, LowFrequencyFactor = 1, HighFrequencyFactor = 4 },
        },
        "yarn" => Shape("llama-grouped") with
        {
            HeadDim = 24,
            RopeScaling = new RopeScaling { Kind = RopeScalingKind.Yarn, Factor = 4, OriginalMaxPositions = 32, BetaFast = 8, BetaSlow = 0.5 },
        },
        "dynamic" => Shape("llama-grouped") with { MaxPositions = 128, RopeScaling = new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 2 } },
        _ => throw new ArgumentException(name),
    };

    public void Dispose()
    {
        foreach (var buffer in _arrays.Values)
            buffer.Dispose();
    }
}
