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
    /// <summary>Rotary embedding of queries and keys, half-split pairs as Hugging Face stores them; see <see cref="Rope"/>.</summary>
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
    /// <summary>Hugging Face's <c>model_type</c>, one of <see cref="ModelConfigFile.KnownTypes"/>.</summary>
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

    /// <summary><c>max_position_embeddings</c>: how many positions the model was made for.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Longest sequence that can be given whole: with rope scaling more than <see cref="MaxPositions"/>.</summary>
    public int ContextLength => RopeScaling switch
    {
        { Kind: RopeScalingKind.Yarn } yarn => (int)Math.Max(MaxPositions, yarn.Factor * yarn.OriginalMaxPositions),
        { Kind: RopeScalingKind.Dynamic } dynamic => (int)(MaxPositions * dynamic.Factor),
        _ => MaxPositions,
    };

    /// <summary>
    /// Longest sequence that can grow token by token. Dynamic rope scaling turns all keys anew when a sequence grows past <see cref="MaxPositions"/>, which a cache of
    /// keys cannot follow.
    /// </summary>
    public int GenerationLength => RopeScaling?.Kind == RopeScalingKind.Dynamic ? MaxPositions : ContextLength;

    /// <summary>Normalisation.</summary>
    public NormKind Norm { get; init; } = NormKind.RmsNorm;

    /// <summary>ε inside the normalisation's square root.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Positions.</summary>
    public PositionKind Positions { get; init; } = PositionKind.Rotary;

    /// <summary>Base of the rotary frequencies θ^(−2i/R).</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary frequencies are stretched to longer contexts; null: not at all.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Fraction of each head's features that rotate.</summary>
    public double PartialRotaryFactor { get; init; } = 1;

    /// <summary>R: how many of a head's first features rotate.</summary>
    public int RotaryDim => (int)(HeadDim * PartialRotaryFactor);

    /// <summary>Sliding-window attention, or null where every position sees all before it.</summary>
    public AttentionWindow? Window { get; init; }

    /// <summary>Whether queries and keys pass an RMSNorm over each head before they rotate.</summary>
    public bool QkNorm { get; init; }

    /// <summary>Whether attention and MLP both read the block's input, x + attention(norm₁(x)) + mlp(norm₂(x)), instead of one after the other.</summary>
    public bool ParallelResidual { get; init; }

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

    /// <summary>Whether the last block's output is normalised before the head.</summary>
    public bool FinalNorm { get; init; } = true;

    /// <summary>Whether the output head has a bias.</summary>
    public bool HeadBias { get; init; }

    /// <summary>Standard deviation of freshly initialised weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Beginning-of-sequence id, where the config has one.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>End-of-sequence id, where the config has one.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>Further ids that end a sequence, as chat models have.</summary>
    public ValueList<int> MoreEosTokenIds { get; init; } = [];

    /// <summary>Padding id, where the config has one.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Every id that ends a completion: the tokenizer's and the model's own.</summary>
    public int[] StopIds(int tokenizerEos) => [.. new[] { tokenizerEos, EosTokenId ?? tokenizerEos }.Concat(MoreEosTokenIds.Where(id => id < VocabSize)).Distinct()];

    /// <summary>How many positions up to and including its own a query of a layer sees.</summary>
    public int WindowOf(int layer) => Window is { } window && window.Covers(layer) ? window.Size : int.MaxValue;
}

/// <summary>Sliding-window attention: a query at position p sees the keys p − Size + 1 … p (Beltagy et al. 2020, arXiv 2004.05150).</summary>
/// <param name="Size">Keys that a query sees, its own among them.</param>
/// <param name="Layers">Per layer, whether it has the window; null: all have.</param>
public sealed record AttentionWindow(int Size, ValueList<bool>? Layers = null)
{
    /// <summary>Whether a layer has the window.</summary>
    public bool Covers(int layer) => Layers is null || Layers[layer];
}
