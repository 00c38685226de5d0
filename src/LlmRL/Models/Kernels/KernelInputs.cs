namespace LlmRL.Models.Kernels;

/// <summary>What a pass over packed rows reads besides activations: weights, rotary tables, tokens.</summary>
internal sealed unsafe class KernelInputs
{
    /// <summary>The weights.</summary>
    public required DecoderWeights Weights { get; init; }

    /// <summary>Where gradients are added, laid out as the weights; null when frozen.</summary>
    public DecoderWeights? Gradients { get; init; }

    /// <summary>cos and sin of the rotary angles, (MaxPositions, E), or null.</summary>
    public float* Cos { get; init; }

    /// <inheritdoc cref="Cos"/>
    public float* Sin { get; init; }

    /// <summary>Token ids and positions, (N).</summary>
    public required long* Ids { get; init; }

    /// <inheritdoc cref="Ids"/>
    public required long* Positions { get; init; }

    /// <summary>First row of each sequence, then N.</summary>
    public required int[] Starts { get; init; }

    /// <summary>Length of the longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>The architecture.</summary>
    public ModelConfig Config => Weights.Config;

    /// <summary>Its widths.</summary>
    public BlockShape Shape => new(Weights.Config);

    /// <summary>N.</summary>
    public int Rows => Starts[^1];

    /// <summary>How the rows are cut.</summary>
    public RowTiles Tiles => new(Rows);

    /// <summary>Attention falls into this many tasks: sequences times key/value heads.</summary>
    public int AttentionTasks => (Starts.Length - 1) * Config.NumKeyValueHeads;

    /// <summary>One task of a layer's attention, and the first row and key/value head that it is about.</summary>
    public AttentionTask Attention(in LayerActivations layer, int task, out int firstRow, out int group)
    {
        (var sequence, group) = Math.DivRem(task, Config.NumKeyValueHeads);
        firstRow = Starts[sequence];
        int shared = Config.NumHeads / Config.NumKeyValueHeads, width = Config.HeadDim, head = group * shared;
        var row = layer.Qkv + (long)firstRow * Shape.Qkv;
        return new AttentionTask
        {
            Query = row + head * width,
            Key = row + (Config.NumHeads + group) * width,
            Value = row + (Config.NumHeads + Config.NumKeyValueHeads + group) * width,
            Output = layer.Mixed + (long)firstRow * Shape.Mixed + head * width,
            LogSumExp = layer.LogSumExp + (long)firstRow * Config.NumHeads + head,
            Length = Starts[sequence + 1] - firstRow,
            Heads = shared,
            HeadDim = width,
            TotalHeads = Config.NumHeads,
            RowStride = Shape.Qkv,
            OutputStride = Shape.Mixed,
        };
    }

    /// <summary>Turns the queries and keys of some rows, forwards or back.</summary>
    public void Rotate(float* qkv, int start, int rows, bool back)
    {
        if (Cos != null)
            RotaryRows.Rotate(qkv + (long)start * Shape.Qkv, rows, Shape.Qkv, Config.NumHeads + Config.NumKeyValueHeads, Config.HeadDim, Positions + start, Cos, Sin, back);
    }
}
