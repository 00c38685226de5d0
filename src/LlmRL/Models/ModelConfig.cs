namespace LlmRL.Models;

/// <summary>Which normalisation a block uses.</summary>
public enum NormKind
{
    /// <summary>x / √(mean(x²) + ε) · w (Zhang &amp; Sennrich 2019, arXiv 1910.07467).</summary>
    RmsNorm,

    /// <summary>(x − mean) / √(var + ε) · w + b (Ba et al. 2016, arXiv 1607.06450).</summary>
    LayerNorm,
}

/// <summary>How positions enter.</summary>
public enum PositionKind
{
    /// <summary>Rotary embedding of queries and keys, half-split pairs as Hugging Face stores Llama (Su et al. 2021, arXiv 2104.09864).</summary>
    Rotary,

    /// <summary>A learned vector per position, added to the token embedding.</summary>
    Learned,
}

/// <summary>The feed-forward part of a block.</summary>
public enum MlpKind
{
    /// <summary>down(silu(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202).</summary>
    SwiGlu,

    /// <summary>down(gelu(up(x))), the tanh approximation of GELU ("gelu_new").</summary>
    GeluTanh,

    /// <summary>down(gelu(up(x))), exact GELU.</summary>
    Gelu,
}

/// <summary>
/// The architecture of one decoder-only transformer, read from a Hugging Face <c>config.json</c>.
/// Shapes: D = <see cref="HiddenSize"/>, H = <see cref="NumHeads"/>, K = <see cref="NumKeyValueHeads"/>, E = <see cref="HeadDim"/>,
/// F = <see cref="IntermediateSize"/>, V = <see cref="VocabSize"/>.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>Hugging Face's <c>model_type</c>: <c>llama</c>, <c>qwen2</c>, <c>gpt2</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>V: number of token ids.</summary>
    public required int VocabSize { get; init; }

    /// <summary>D: width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int NumLayers { get; init; }

    /// <summary>H: number of query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>K: number of key/value heads; H is a multiple of it (grouped-query attention).</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>E: width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>F: width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Longest sequence the model takes.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Normalisation.</summary>
    public NormKind Norm { get; init; } = NormKind.RmsNorm;

    /// <summary>ε inside the normalisation's square root.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Positions.</summary>
    public PositionKind Positions { get; init; } = PositionKind.Rotary;

    /// <summary>Base of the rotary frequencies θ^(−2i/E).</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>Feed-forward part.</summary>
    public MlpKind Mlp { get; init; } = MlpKind.SwiGlu;

    /// <summary>Whether the output head is the token embedding.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Whether q, k and v projections have a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether the attention output projection has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the MLP's projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Standard deviation of freshly initialised weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Beginning-of-sequence id, where the config has one.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>End-of-sequence id, where the config has one.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>Padding id, where the config has one.</summary>
    public int? PadTokenId { get; init; }
}
