namespace LlmRL.Models;

/// <summary>Pointers to one block's float32 weights, row-major, linear layers as (outputs, inputs). A null pointer: the architecture has none.</summary>
public unsafe struct DecoderLayer
{
    /// <summary>Norm before attention: weight (D) and, for LayerNorm, bias (D).</summary>
    public float* AttentionNorm, AttentionNormBias;

    /// <summary>Query, key and value projections one below the other: ((H + 2K)·E, D), bias ((H + 2K)·E).</summary>
    public float* Qkv, QkvBias;

    /// <summary>RMSNorm of each query head and of each key head before they rotate: weights (E).</summary>
    public float* QueryNorm, KeyNorm;

    /// <summary>Attention output projection: (D, H·E), bias (D).</summary>
    public float* Output, OutputBias;

    /// <summary>Norm before the MLP: weight (D) and, for LayerNorm, bias (D).</summary>
    public float* MlpNorm, MlpNormBias;

    /// <summary>SwiGLU: gate rows, then up rows, (2F, D); otherwise (F, D). Bias of as many entries.</summary>
    public float* Up, UpBias;

    /// <summary>(D, F), bias (D).</summary>
    public float* Down, DownBias;
}

/// <summary>
/// A view of a model's weights in memory for the decoding path on the CPU: the same buffer that training updates, no copy.
/// Valid as long as the model that made it is not disposed.
/// </summary>
public sealed unsafe class DecoderWeights
{
    /// <summary>The architecture.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>Token embedding (V, D).</summary>
    public required float* TokenEmbedding { get; init; }

    /// <summary>Learned positions (MaxPositions, D), or null.</summary>
    public float* PositionEmbedding { get; init; }

    /// <summary>The blocks.</summary>
    public required DecoderLayer[] Layers { get; init; }

    /// <summary>Final norm: weight (D); null where there is none.</summary>
    public required float* FinalNorm { get; init; }

    /// <summary>Final norm's bias (D), or null.</summary>
    public float* FinalNormBias { get; init; }

    /// <summary>Output head (V, D); the token embedding itself where the two are tied.</summary>
    public required float* Head { get; init; }

    /// <summary>Its bias (V), or null.</summary>
    public float* HeadBias { get; init; }
}
