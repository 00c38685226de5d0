using LlmRL.Models.Lora;

namespace LlmRL.Models.Kernels;

/// <summary>What a pass over packed rows reads besides activations: weights, rotary tables, tokens.</summary>
internal sealed unsafe class KernelInputs
{
    private bool[]? readMarks;

    /// <summary>The weights.</summary>
    public required DecoderWeights Weights { get; init; }

    /// <summary>Where gradients are added, laid out as the weights; null when frozen.</summary>
    public DecoderWeights? Gradients { get; init; }

    /// <summary>The adapters, or null. Where there are any, they alone have gradients.</summary>
    public LoraPass? Lora { get; init; }

    /// <summary>cos and sin of the rotary angles, (rows, R), or null.</summary>
    public float* Cos { get; init; }

    /// <inheritdoc cref="Cos"/>
    public float* Sin { get; init; }

    /// <summary>Row of each token in these tables, (N).</summary>
    public long* AngleRows { get; init; }

    /// <summary>Token ids and positions, (N).</summary>
    public required long* Ids { get; init; }

    /// <inheritdoc cref="Ids"/>
    public required long* Positions { get; init; }

    /// <summary>Which rows attend to which.</summary>
    public required IReadOnlyList<SequenceGroup> Groups { get; init; }

    /// <summary>N.</summary>
    public required int Rows { get; init; }

    /// <summary>
    /// Rows whose final hidden states are read, ascending; null: all. Of the others the uppermost layer needs keys and values alone: what follows its attention is of R rows that lie together. (Queries are
    /// projected of all rows still, with the keys and values.)
    /// </summary>
    public int[]? Read { get; init; }

    /// <summary>R.</summary>
    public int ReadCount => Read?.Length ?? Rows;

    /// <summary>Length of the longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>The architecture.</summary>
    public ModelConfig Config => Weights.Config;

    /// <summary>Its widths.</summary>
    public BlockShape Shape => new(Weights.Config);

    /// <summary>Whether the inputs of the weights are kept in panels for the weights' own gradients; adapters read them as rows.</summary>
    public bool KeepsPanels => Lora is null && WeightPanels.Fit(Shape);

    /// <summary>How the rows are cut.</summary>
    public RowTiles Tiles => new(Rows);

    /// <summary>How those are cut that are read.</summary>
    public RowTiles ReadTiles => new(ReadCount);

    /// <summary>Most rows of a tile.</summary>
    public int LargestTile => Math.Max(Tiles.Size, ReadTiles.Size);

    /// <summary>Whether what follows a layer's attention is of the rows alone that are read.</summary>
    public bool IsSparse(int layer) => Read is not null && layer >= Config.NumLayers - 1;

    /// <summary>Attention falls into this many tasks: groups of sequences times key/value heads.</summary>
    public int AttentionTasks => Groups.Count * Config.NumKeyValueHeads;

    /// <summary>One task of attention in the layer of that index, and the key/value head that it is about.</summary>
    public AttentionTask Attention(int index, in LayerActivations layer, int task, out int group)
    {
        (var sequences, group) = Math.DivRem(task, Config.NumKeyValueHeads);
        int shared = Config.NumHeads / Config.NumKeyValueHeads, width = Config.HeadDim, head = group * shared;
        return new AttentionTask
        {
            Sequences = Groups[sequences],
            Query = layer.Qkv + head * width,
            Key = layer.Qkv + (Config.NumHeads + group) * width,
            Value = layer.Qkv + (Config.NumHeads + Config.NumKeyValueHeads + group) * width,
            Output = layer.Mixed + head * width,
            LogSumExp = layer.LogSumExp + head,
            Window = Config.WindowOf(index),
            Read = IsSparse(index) ? readMarks ??= Marks() : null,
            Heads = shared,
            HeadDim = width,
            TotalHeads = Config.NumHeads,
            RowStride = Shape.Qkv,
            OutputStride = Shape.Mixed,
        };
    }

    private bool[] Marks()
    {
        var marks = new bool[Rows];
        foreach (var row in Read!)
            marks[row] = true;
        return marks;
    }

    /// <summary>Turns the queries and keys of some rows, forwards or back.</summary>
    public void Rotate(float* qkv, int start, int rows, bool back)
    {
        if (Cos != null)
            RotaryRows.Rotate(
                qkv + (long)start * Shape.Qkv, rows, Shape.Qkv, Config.NumHeads + Config.NumKeyValueHeads, Config.HeadDim, Config.RotaryDim, AngleRows + start, Cos, Sin, back);
    }

    /// <summary>RMSNorm of every query and key head of some rows. What went in and the factors r are kept for the backward pass.</summary>
    public void NormaliseHeads(int layer, in LayerActivations a, int start, int rows)
    {
        if (!Config.QkNorm)
            return;
        ref var w = ref Weights.Layers[layer];
        var (width, epsilon) = (Config.HeadDim, (float)Config.NormEpsilon);
        for (long row = start; row < start + rows; row++)
        {
            float* turned = a.Qkv + row * Shape.Qkv, raw = a.QueryKey + row * Shape.QueryKey, inverse = a.HeadInverse + row * Shape.TurningHeads;
            Buffer.MemoryCopy(turned, raw, Shape.QueryKey * sizeof(float), Shape.QueryKey * sizeof(float));
            Norms.Forward(raw, Config.NumHeads, width, w.QueryNorm, null, epsilon, turned, null, inverse);
            Norms.Forward(raw + Shape.Mixed, Config.NumKeyValueHeads, width, w.KeyNorm, null, epsilon, turned + Shape.Mixed, null, inverse + Config.NumHeads);
        }
    }

    /// <summary>The gradient through <see cref="NormaliseHeads"/> in place; those of the two weights, (2, E), are added to <paramref name="partial"/>.</summary>
    public void NormaliseHeadsBackward(int layer, in LayerActivations a, float* gradient, int start, int rows, float* partial)
    {
        if (!Config.QkNorm)
            return;
        ref var w = ref Weights.Layers[layer];
        var width = Config.HeadDim;
        for (long row = start; row < start + rows; row++)
        {
            float* dy = gradient + row * Shape.Qkv, raw = a.QueryKey + row * Shape.QueryKey, inverse = a.HeadInverse + row * Shape.TurningHeads;
            Norms.Backward(new NormGradient { X = raw, Weight = w.QueryNorm, Inverse = inverse, GradOutput = dy, GradInput = dy, GradWeight = partial }, Config.NumHeads, width);
            dy += Shape.Mixed;
            Norms.Backward(
                new NormGradient { X = raw + Shape.Mixed, Weight = w.KeyNorm, Inverse = inverse + Config.NumHeads, GradOutput = dy, GradInput = dy, GradWeight = partial + width },
                Config.NumKeyValueHeads, width);
        }
    }
}
