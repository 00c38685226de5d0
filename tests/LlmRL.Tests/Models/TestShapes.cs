using LlmRL.Models;

namespace LlmRL.Tests.Models;

/// <summary>Small architectures of every kind, with widths that are no multiples of a register.</summary>
internal static class TestShapes
{
    public static ModelConfig Of(string name) => name switch
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
            MaxPositions = 256,
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
            IntermediateSize = 250,
            MaxPositions = 256,
            Norm = NormKind.LayerNorm,
            Positions = PositionKind.Learned,
            Mlp = MlpKind.GeluTanh,
            TieWordEmbeddings = true,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
        },
        "exact-gelu" => Of("gpt2") with { Mlp = MlpKind.Gelu, Positions = PositionKind.Rotary, TieWordEmbeddings = false },
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
            MaxPositions = 256,
            RopeTheta = 1e6,
            TieWordEmbeddings = true,
            QkvBias = true,
        },
        _ => throw new ArgumentException(name),
    };
}
