using LlmRL.Models.Lora;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// Memory of one backward pass, used again by every layer; rows of all N tokens. Where R rows alone are read, what comes before the uppermost attention's gradient is of those.
/// </summary>
internal unsafe struct BackwardScratch
{
    private readonly float* _qkv, _partials, _headPartials, _own, _spare;
    private readonly long _qkvFloats, _ownFloats, _spareFloats;
    private readonly int _width, _headWidth, _tiles;

    /// <summary>Hands out memory.</summary>
    /// <param name="inputs">What the pass reads.</param>
    /// <param name="at"><see cref="Floats"/> floats; null: only count.</param>
    /// <param name="floats">How many floats were handed out.</param>
    public BackwardScratch(KernelInputs inputs, float* at, out long floats)
    {
        var shape = inputs.Shape;
        long rows = inputs.Rows;
        var start = at;
        float* Take(long count)
        {
            var taken = at;
            at += (count + Lanes.Width - 1) / Lanes.Width * Lanes.Width;
            return taken;
        }

        (_width, _headWidth, _tiles) = (shape.Width, inputs.Config.HeadDim, Math.Max(inputs.Tiles.Count, inputs.ReadTiles.Count));
        X = Take(rows * _width);
        Middle = Take(rows * _width);
        long panelRows = FeatureStrides.PanelRows(inputs.Rows);
        Normalised = Take(panelRows * _width);
        MiddleNormalised = Take(panelRows * _width);
        Mixed = Take(rows * shape.Mixed);
        Gated = Take(panelRows * shape.Inner);
        Up = Take(rows * shape.Up);
        _qkvFloats = rows * shape.Qkv;
        _qkv = Take(2 * _qkvFloats);
        _partials = Take((2L * inputs.Config.NumLayers + 1) * _tiles * 2 * _width);
        _headPartials = Take(inputs.Config.QkNorm ? (long)inputs.Config.NumLayers * _tiles * 2 * _headWidth : 0);
        _ownFloats = Lanes.RoundUp(inputs.LargestTile * Math.Max(shape.Width, shape.Inner));
        _ownFloats = Math.Max(_ownFloats, WeightGradient.ScratchFloats);
        _ownFloats = Math.Max(_ownFloats, CausalAttention.ScratchFloats(inputs.MaxLength, _headWidth));
        _own = Take(KernelTeam.Threads * _ownFloats);
        WeightPanels = Take(Kernels.WeightPanels.Floats(shape));
        if (inputs.Lora is { } lora)
        {
            LoraQkv = Take(rows * lora.Kernels.Width(LoraPlace.Qkv));
            LoraOutput = Take(rows * lora.Kernels.Width(LoraPlace.Output));
            LoraUp = Take(rows * lora.Kernels.Width(LoraPlace.Up));
            LoraDown = Take(rows * lora.Kernels.Width(LoraPlace.Down));
            _spareFloats = lora.Drops ? Lanes.RoundUp(inputs.LargestTile * Math.Max(shape.Width, Math.Max(shape.Inner, shape.Mixed))) : 0;
            _spare = Take(KernelTeam.Threads * _spareFloats);
        }

        if (inputs.Lora is { Drops: true } || inputs.KeepsPanels)
            MixedInput = Take(panelRows * shape.Mixed);
        AllMiddle = inputs.Read is null ? Middle : Take(rows * _width);
        // Where the layer below the uppermost will have its gradient of queries, keys and values, which is not narrower.
        AllMixed = inputs.Read is null ? Mixed : _qkv + inputs.Config.NumLayers % 2 * _qkvFloats;

        floats = at - start;
    }

    /// <summary>Gradient of the residual stream at a layer's output, and between its attention and MLP, (N, D).</summary>
    public readonly float* X, Middle;

    /// <summary>What the first and second norm of a layer gave, (N, D) or in panels, as <see cref="Gated"/>.</summary>
    public readonly float* Normalised, MiddleNormalised;

    /// <summary>Gradient of attention's output, (N, H·E).</summary>
    public readonly float* Mixed;

    /// <summary><see cref="Middle"/> and <see cref="Mixed"/> of the uppermost layer, which are of the R rows that are read, in all N rows; the same where all are.</summary>
    public readonly float* AllMiddle, AllMixed;

    /// <summary>The input of the MLP's last layer, (N, F).</summary>
    public readonly float* Gated;

    /// <summary>Gradient of what the MLP's first layer gave, (N, 2F or F).</summary>
    public readonly float* Up;

    /// <summary>Memory for the panels of the weights that a phase needs.</summary>
    public readonly float* WeightPanels;

    /// <summary>G of the adapters of each weight (see <see cref="LoraProduct"/>), (N, ranks).</summary>
    public readonly float* LoraQkv, LoraOutput, LoraUp, LoraDown;

    /// <summary>Attention's output as the gradient of its projection reads it, (N, H·E): in panels, or what dropout leaves of it; null where it is read as it is.</summary>
    public readonly float* MixedInput;

    /// <summary>A thread's memory for the gradient through dropout, a tile of (D), (F) or (H·E).</summary>
    public readonly float* Spare(int worker) => _spare + worker * _spareFloats;

    /// <summary>How many floats a pass needs.</summary>
    public static long Floats(KernelInputs inputs)
    {
        _ = new BackwardScratch(inputs, null, out var floats);
        return floats;
    }

    /// <summary>Gradient of queries, keys and values, (N, (H + 2K)·E); neighbouring layers have one each, since the upper one's is still read when the lower one's is written.</summary>
    public readonly float* Qkv(int layer) => _qkv + layer % 2 * _qkvFloats;

    /// <summary>Sums of one norm's weight and bias gradient over one tile, (2, D).</summary>
    public readonly float* NormPartial(int norm, int tile) => _partials + ((long)norm * _tiles + tile) * 2 * _width;

    /// <summary>Sums of the query and key norms' weight gradients of a layer over one tile, (2, E).</summary>
    public readonly float* HeadNormPartial(int layer, int tile) => _headPartials + ((long)layer * _tiles + tile) * 2 * _headWidth;

    /// <summary>A thread's own memory: a tile of (D) or (F), or attention's scratch.</summary>
    public readonly float* Own(int worker) => _own + worker * _ownFloats;
}
