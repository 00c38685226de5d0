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
        // Heads of whole registers take another way through attention, and models all of whose widths are whole registers through every product.
        "llama-registers" => Of("llama-grouped") with { HeadDim = 48 },
        "llama-panels" => Of("llama-grouped") with { HeadDim = 16, IntermediateSize = 80 },
        "gpt2-panels" => Of("gpt2") with { IntermediateSize = 256 },
        "qwen3-panels" => Of("qwen3-window") with { HeadDim = 16, IntermediateSize = 112, Window = new AttentionWindow(21, [true, false, true]) },
        "gpt_neox-panels" => Of("gpt_neox") with { HeadDim = 32, IntermediateSize = 112 },
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
        "qwen2-window" => Of("qwen2") with { Window = new AttentionWindow(19, [false, true]) },
        "mistral" => Of("llama-grouped") with { ModelType = "mistral", Window = new AttentionWindow(7) },
        "qwen3" => Of("llama-grouped") with { ModelType = "qwen3", HeadDim = 24, QkNorm = true, TieWordEmbeddings = true },
        "qwen3-window" => Of("qwen3") with { Window = new AttentionWindow(16, [true, false, true]), QkvBias = true, OutputBias = true, TieWordEmbeddings = false },
        "gpt_neox" => new ModelConfig
        {
            ModelType = "gpt_neox",
            VocabSize = 83,
            HiddenSize = 80,
            NumLayers = 3,
            // Another number than the three of query, key and value, which files interleave with the heads.
            NumHeads = 4,
            NumKeyValueHeads = 4,
            HeadDim = 20,
            IntermediateSize = 100,
            MaxPositions = 256,
            Norm = NormKind.LayerNorm,
            PartialRotaryFactor = 0.4,
            RopeTheta = 300,
            ParallelResidual = true,
            Mlp = MlpKind.Gelu,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
        },
        "gpt_neox-serial" => Of("gpt_neox") with { ParallelResidual = false, PartialRotaryFactor = 1, QkvBias = false, OutputBias = false },
        "head-bias" => Of("gpt2") with { HeadBias = true, TieWordEmbeddings = false },
        "no-final-norm" => Of("head-bias") with { FinalNorm = false },
        "linear" => Of("llama-grouped") with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 3 } },
        // Wave lengths from 6 to 670 positions: short, blended and long ones against a context of 64.
        "llama3" => Of("llama-grouped") with
        {
            HeadDim = 16,
            RopeScaling = new RopeScaling { Kind = RopeScalingKind.Llama3, Factor = 8, OriginalMaxPositions = 64, LowFrequencyFactor = 1, HighFrequencyFactor = 4 },
        },
        "yarn" => Of("llama-grouped") with
        {
            HeadDim = 24,
            RopeScaling = new RopeScaling { Kind = RopeScalingKind.Yarn, Factor = 4, OriginalMaxPositions = 32, BetaFast = 8, BetaSlow = 0.5 },
        },
        "dynamic" => Of("llama-grouped") with { MaxPositions = 128, RopeScaling = new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 2 } },
        _ => throw new ArgumentException(name),
    };
}
