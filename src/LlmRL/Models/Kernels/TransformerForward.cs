using System.Runtime.CompilerServices;
using LlmRL.Models.Lora;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// The transformer's forward pass. Between two attentions a tile of rows goes through everything else at once (output projection, MLP, next norm and
/// projection) while it is in the cache; threads meet before and after each attention only.
/// </summary>
internal sealed unsafe class TransformerForward : IParallelBody
{
    private readonly KernelInputs _inputs;
    private readonly BlockShape _shape;
    private readonly RowTiles _tiles, _readTiles;
    private readonly Activations _activations;
    private readonly WeightPanels _panels;
    private readonly float* _output, _scratch;

    /// <summary>Prepares a pass.</summary>
    /// <param name="inputs">Weights and tokens.</param>
    /// <param name="activations">Receives what the backward pass needs.</param>
    /// <param name="output">Receives the final hidden states, (R, D); null where only layers are computed again.</param>
    /// <param name="scratch"><see cref="ScratchFloats"/> floats.</param>
    public TransformerForward(KernelInputs inputs, Activations activations, float* output, float* scratch)
    {
        (_inputs, _shape, _tiles, _readTiles, _activations) = (inputs, inputs.Shape, inputs.Tiles, inputs.ReadTiles, activations);
        _output = output;
        _scratch = scratch;
        _panels = new WeightPanels(inputs.Weights, forward: true, scratch + KernelTeam.Threads * WorkerFloats(inputs));
    }

    /// <summary>Scratch memory that all threads need together.</summary>
    public static long ScratchFloats(KernelInputs inputs) => KernelTeam.Threads * WorkerFloats(inputs) + WeightPanels.Floats(inputs.Shape);

    /// <summary>The weights that it multiplies by, for who computes layers again: whose tasks are to run before <see cref="BeginAgain"/> and <see cref="FinishAgain"/>.</summary>
    public WeightPanels Panels => _panels;

    /// <summary>Computes again, from a layer's input, what its attention reads.</summary>
    public void BeginAgain(int layer, int tile, int worker) => BeginLayer(layer, tile, Own(worker));

    /// <summary>Computes a layer's attention again.</summary>
    public void AttendAgain(int layer, int task, int worker) => CausalAttention.Forward(_inputs.Attention(layer, _activations[layer], task, out _), Own(worker));

    /// <summary>Computes again what follows a layer's attention, as far as the backward pass reads it.</summary>
    public void FinishAgain(int layer, int tile, int worker) => FinishLayer(layer, tile, Own(worker), again: true);

    public void Execute(int worker, Phases phases)
    {
        var own = Own(worker);
        while (phases.Next(_panels.Tasks, 1, out var part, out _))
            _panels.Run(part, attention: 0, rest: -1);
        phases.End();
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            Embed(tile);
            BeginLayer(0, tile, own);
        }

        phases.End();
        for (var layer = 0; layer < _inputs.Config.NumLayers; layer++)
        {
            // Packing, in small tasks, comes last: it fills the time until the longest sequence is done.
            while (phases.NextInOrder(_inputs.AttentionTasks + _panels.Tasks, out var task))
                if (task < _inputs.AttentionTasks)
                    CausalAttention.Forward(_inputs.Attention(layer, _activations[layer], task, out _), own);
                else
                    _panels.Run(task - _inputs.AttentionTasks, attention: layer + 1, rest: layer);
            phases.End();
            while (phases.Next(Tiles(layer).Count, 1, out var tile, out _))
            {
                if (_inputs.IsSparse(layer))
                    Gather(layer, tile);
                FinishLayer(layer, tile, own, again: false);
                BeginLayer(layer + 1, tile, own);
            }

            phases.End();
        }
    }

    private RowTiles Tiles(int layer) => _inputs.IsSparse(layer) ? _readTiles : _tiles;

    /// <summary>The layer's input and its attention's output in the rows that are read.</summary>
    private void Gather(int layer, int tile)
    {
        var (start, rows) = _readTiles[tile];
        ref LayerActivations from = ref _activations[layer], to = ref _activations.AfterAttention(layer);
        for (long i = start; i < start + rows; i++)
        {
            var row = (long)_inputs.Read![i];
            new ReadOnlySpan<float>(from.X + row * _shape.Width, _shape.Width).CopyTo(new Span<float>(to.X + i * _shape.Width, _shape.Width));
            new ReadOnlySpan<float>(from.Mixed + row * _shape.Mixed, _shape.Mixed).CopyTo(new Span<float>(to.Mixed + i * _shape.Mixed, _shape.Mixed));
        }
    }

    private float* Own(int worker) => _scratch + worker * WorkerFloats(_inputs);

    private static long WorkerFloats(KernelInputs inputs) =>
        Math.Max(CausalAttention.ScratchFloats(inputs.MaxLength, inputs.Config.HeadDim), (long)inputs.LargestTile * (inputs.Shape.Width + inputs.Shape.Inner + Math.Max(inputs.Shape.Up, inputs.Shape.Mixed)) + Lanes.Width) / Lanes.Width * Lanes.Width
        + Lanes.Width;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Embed(int tile)
    {
        var (start, rows) = _tiles[tile];
        var width = _shape.Width;
        for (var row = start; row < start + rows; row++)
        {
            var x = _activations[0].X + (long)row * width;
            var token = _inputs.Weights.TokenEmbedding + _inputs.Ids[row] * width;
            var position = _inputs.Weights.PositionEmbedding == null ? null : _inputs.Weights.PositionEmbedding + _inputs.Positions[row] * width;
            for (var i = 0; i < width; i += Lanes.Width)
            {
                var value = Lanes.Load(token + i, width - i);
                Lanes.Store(position == null ? value : value + Lanes.Load(position + i, width - i), x + i, width - i);
            }
        }
    }

    /// <summary>First norm, projection to queries, keys and values, rotation; after the last layer, the final norm.</summary>
    private void BeginLayer(int layer, int tile, float* own)
    {
        var (start, rows) = layer == _inputs.Config.NumLayers ? _readTiles[tile] : _tiles[tile];
        ref var a = ref _activations[layer];
        var epsilon = (float)_inputs.Config.NormEpsilon;
        float* x = a.X + (long)start * _shape.Width, mean = a.Mean == null ? null : a.Mean + start;
        if (layer == _inputs.Config.NumLayers)
        {
            var output = _output + (long)start * _shape.Width;
            if (_inputs.Config.FinalNorm)
                Norms.Forward(x, rows, _shape.Width, _inputs.Weights.FinalNorm, _inputs.Weights.FinalNormBias, epsilon, output, mean, a.Inverse + start);
            else
                new ReadOnlySpan<float>(x, rows * _shape.Width).CopyTo(new Span<float>(output, rows * _shape.Width));
            return;
        }

        ref var w = ref _inputs.Weights.Layers[layer];
        Norms.Forward(x, rows, _shape.Width, w.AttentionNorm, w.AttentionNormBias, epsilon, own, mean, a.Inverse + start);
        Products.Forward(own, rows, _shape.Width, w.Qkv, _panels.Qkv, w.QkvBias, _shape.Qkv, a.Qkv + (long)start * _shape.Qkv);
        Adapt(layer, LoraPlace.Qkv, start, rows, own, own, _shape.Width, a.LoraQkv, a.Qkv + (long)start * _shape.Qkv);
        _inputs.NormaliseHeads(layer, a, start, rows);
        _inputs.Rotate(a.Qkv, start, rows, back: false);
    }

    /// <summary>x + output projection, then x + MLP(norm(x)), whose norm reads the block's input where the two are parallel.</summary>
    private void FinishLayer(int layer, int tile, float* own, bool again)
    {
        var (start, rows) = Tiles(layer)[tile];
        ref var a = ref _activations.AfterAttention(layer);
        ref var w = ref _inputs.Weights.Layers[layer];
        long row = start, width = _shape.Width;
        float* normalised = own, gated = normalised + _inputs.LargestTile * width, spare = gated + (long)_inputs.LargestTile * _shape.Inner, middle = a.Middle + row * width;
        var up = a.Up == null ? spare : a.Up + row * _shape.Up;
        float* mean = a.MiddleMean == null ? null : a.MiddleMean + start, input = a.X + row * width;
        // Before the projection: where no activations are kept, its result takes the place of the block's input.
        if (_inputs.Config.ParallelResidual)
            Norms.Forward(input, rows, _shape.Width, w.MlpNorm, w.MlpNormBias, (float)_inputs.Config.NormEpsilon, normalised, mean, a.MiddleInverse + start);
        Products.Forward(a.Mixed + row * _shape.Mixed, rows, _shape.Mixed, w.Output, _panels.Output, w.OutputBias, _shape.Width, middle, input);
        // Attention's output is read again in the backward pass; the MLP has not written its place yet.
        Adapt(layer, LoraPlace.Output, start, rows, a.Mixed + row * _shape.Mixed, spare, _shape.Mixed, a.LoraOutput, middle);
        if (!_inputs.Config.ParallelResidual)
            Norms.Forward(middle, rows, _shape.Width, w.MlpNorm, w.MlpNormBias, (float)_inputs.Config.NormEpsilon, normalised, mean, a.MiddleInverse + start);
        Products.Forward(normalised, rows, _shape.Width, w.Up, _panels.Up, w.UpBias, _shape.Up, up);
        Adapt(layer, LoraPlace.Up, start, rows, normalised, normalised, _shape.Width, a.LoraUp, up);
        if (again)
            return;
        Gates.Forward(_inputs.Config.Mlp, up, rows, _shape.Inner, gated);
        Products.Forward(gated, rows, _shape.Inner, w.Down, _panels.Down, w.DownBias, _shape.Width, _activations[layer + 1].X + row * width, middle);
        Adapt(layer, LoraPlace.Down, start, rows, gated, gated, _shape.Inner, a.LoraDown, _activations[layer + 1].X + row * width);
    }

    /// <summary>Adds what the adapters of a weight give, of x or, with dropout, of what is left of it in <paramref name="dropped"/>.</summary>
    private void Adapt(int layer, LoraPlace place, int start, int rows, float* x, float* dropped, int width, float* u, float* y)
    {
        if (_inputs.Lora is { } lora && lora.Kernels[layer, place] is { } product)
            product.Forward(lora.Drop(layer, place, start, rows, x, dropped, width), rows, u + (long)start * product.Width, y);
    }
}
