using System.Runtime.CompilerServices;
using LlmRL.Models.Lora;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// The transformer's backward pass from ∂loss/∂(final hidden states), adding to the gradient buffer. Per layer two phases: attention backward together with
/// the weight gradients that are ready, then tiles of rows through everything between this attention and the one below.
/// </summary>
internal sealed unsafe partial class TransformerBackward : IParallelBody
{
    private const int EmbeddingColumns = 32;
    private readonly KernelInputs _inputs;
    private readonly BlockShape _shape;
    private readonly RowTiles _tiles, _readTiles;
    private readonly Activations _activations;
    private readonly DecoderWeights? _gradients;
    private readonly LoraPass? _lora;
    private readonly float* _gradOutput;
    private readonly BackwardScratch _scratch;
    private readonly WeightPanels _panels;
    private readonly TransformerForward? _again;
    private readonly List<WeightGradient>[] _weightTasks;

    /// <summary>Prepares a pass.</summary>
    /// <param name="inputs">Weights, gradients and tokens of the forward pass.</param>
    /// <param name="activations">What the forward pass left.</param>
    /// <param name="gradOutput">(R, D).</param>
    /// <param name="scratch"><see cref="ScratchFloats"/> floats.</param>
    public TransformerBackward(KernelInputs inputs, Activations activations, float* gradOutput, float* scratch)
    {
        (_inputs, _shape, _tiles, _readTiles, _activations) = (inputs, inputs.Shape, inputs.Tiles, inputs.ReadTiles, activations);
        _gradOutput = gradOutput;
        (_gradients, _lora) = (inputs.Gradients, inputs.Lora);
        if (_gradients is null && _lora is null)
            throw new InvalidOperationException("the model keeps no gradients");
        _scratch = new BackwardScratch(inputs, scratch, out _);
        _panels = new WeightPanels(inputs.Weights, forward: false, _scratch.WeightPanels);
        _again = activations.InputsOnly ? new TransformerForward(inputs, activations, null, scratch + BackwardScratch.Floats(inputs)) : null;
        // Entry l: what becomes ready with layer l's attention, that is, layer l's own weights but for its first projection, and the first projection of
        // layer l + 1; the last entry is the first projection of layer 0.
        _weightTasks = [.. Enumerable.Range(0, inputs.Config.NumLayers + 1).Select(WeightTasks)];
    }

    /// <summary>Scratch memory that all threads need together.</summary>
    public static long ScratchFloats(KernelInputs inputs, Activations activations) =>
        BackwardScratch.Floats(inputs) + (activations.InputsOnly ? TransformerForward.ScratchFloats(inputs) : 0);

    public void Execute(int worker, Phases phases)
    {
        var layers = _inputs.Config.NumLayers;
        while (phases.Next(_panels.Tasks, 1, out var part, out _))
            _panels.Run(part, attention: -1, rest: layers - 1);
        phases.End();
        while (phases.Next(_readTiles.Count, 1, out var tile, out _))
        {
            FinalNorm(tile);
            if (layers > 0)
                UpperHalf(layers - 1, tile, worker);
            if (_inputs.Read is { } read)
                Spread(read, tile);
        }

        phases.End();
        for (var layer = layers - 1; layer >= 0; layer--)
        {
            if (_again is not null)
            {
                LayerAndAgain(layer, worker, ref phases, _again);
                continue;
            }

            var products = _weightTasks[layer].Count;
            var large = products + _inputs.AttentionTasks;
            while (phases.NextInOrder(large + _panels.Tasks, out var task))
                if (task < products)
                    _weightTasks[layer][task].Run(_scratch.Own(worker));
                else if (task < large)
                    Attention(layer, task - products, worker);
                else
                    _panels.Run(task - large, attention: layer, rest: layer - 1);
            phases.End();
            while (phases.Next(_tiles.Count, 1, out var tile, out _))
            {
                LowerHalf(layer, tile, worker);
                if (layer > 0)
                    UpperHalf(layer - 1, tile, worker);
            }

            phases.End();
        }

        FinishGradients(worker, phases);
    }

    /// <summary>The gradient of attention's output projection: that of the stream between attention and MLP, or of the block's output where the two are parallel.</summary>
    private float* AttentionResidual => _inputs.Config.ParallelResidual ? _scratch.X : _scratch.Middle;

    /// <summary>How the inputs of the weights lie in the scratch memory, which only the weights' gradients read.</summary>
    private FeatureStrides Strides(int width, int rows) => _inputs.KeepsPanels ? FeatureStrides.Panels(rows) : FeatureStrides.Rows(width);

    /// <summary>Rows of what follows a layer's attention.</summary>
    private int RowsAfter(int layer) => _inputs.IsSparse(layer) ? _inputs.ReadCount : _inputs.Rows;

    private List<WeightGradient> WeightTasks(int layer)
    {
        if (_lora is not null)
            return LoraTasks(layer);
        var (tasks, rows, layers) = (new List<WeightGradient>(), _inputs.Rows, _inputs.Config.NumLayers);
        if (layer < layers)
        {
            ref var g = ref _gradients!.Layers[layer];
            var after = RowsAfter(layer);
            WeightGradient.Cut(tasks, _scratch.Up, _shape.Up, _shape.Up, _scratch.MiddleNormalised, _shape.Width, Strides(_shape.Width, after), g.Up, g.UpBias, after);
            WeightGradient.Cut(tasks, _scratch.X, _shape.Width, _shape.Width, _scratch.Gated, _shape.Inner, Strides(_shape.Inner, after), g.Down, g.DownBias, after);
            var mixed = _inputs.KeepsPanels ? _scratch.MixedInput : _activations.AfterAttention(layer).Mixed;
            WeightGradient.Cut(tasks, AttentionResidual, _shape.Width, _shape.Width, mixed, _shape.Mixed, Strides(_shape.Mixed, after), g.Output, g.OutputBias, after);
        }

        var above = layer == layers ? 0 : layer + 1;
        if (above < layers)
        {
            ref var g = ref _gradients!.Layers[above];
            WeightGradient.Cut(tasks, _scratch.Qkv(above), _shape.Qkv, _shape.Qkv, _scratch.Normalised, _shape.Width, Strides(_shape.Width, rows), g.Qkv, g.QkvBias, rows);
        }

        return tasks;
    }

    /// <summary>The same of the adapters, which alone are trained where there are any.</summary>
    private List<WeightGradient> LoraTasks(int layer)
    {
        var (tasks, rows, layers, kernels) = (new List<WeightGradient>(), _inputs.Rows, _inputs.Config.NumLayers, _lora!.Kernels);
        if (layer < layers)
        {
            ref var a = ref _activations.AfterAttention(layer);
            var after = RowsAfter(layer);
            kernels[layer, LoraPlace.Up]?.Cut(tasks, _scratch.Up, _scratch.MiddleNormalised, a.LoraUp, _scratch.LoraUp, after);
            kernels[layer, LoraPlace.Down]?.Cut(tasks, _scratch.X, _scratch.Gated, a.LoraDown, _scratch.LoraDown, after);
            kernels[layer, LoraPlace.Output]?.Cut(tasks, AttentionResidual, _lora.Drops ? _scratch.MixedInput : a.Mixed, a.LoraOutput, _scratch.LoraOutput, after);
        }

        var above = layer == layers ? 0 : layer + 1;
        if (above < layers)
            kernels[above, LoraPlace.Qkv]?.Cut(tasks, _scratch.Qkv(above), _scratch.Normalised, _activations[above].LoraQkv, _scratch.LoraQkv, rows);
        return tasks;
    }

    /// <summary>The gradients that go on below the uppermost layer's output projection, in the rows of all tokens; those of rows that are not read are 0.</summary>
    private void Spread(int[] read, int tile)
    {
        var (start, rows) = _readTiles[tile];
        var next = start == 0 ? 0L : read[start - 1] + 1;
        for (long i = start; i < start + rows; i++)
        {
            Fill(next, read[i]);
            next = read[i] + 1;
            new ReadOnlySpan<float>(_scratch.Middle + i * _shape.Width, _shape.Width).CopyTo(new Span<float>(_scratch.AllMiddle + read[i] * (long)_shape.Width, _shape.Width));
            new ReadOnlySpan<float>(_scratch.Mixed + i * _shape.Mixed, _shape.Mixed).CopyTo(new Span<float>(_scratch.AllMixed + read[i] * (long)_shape.Mixed, _shape.Mixed));
        }

        if (tile == _readTiles.Count - 1)
            Fill(next, _inputs.Rows);

        void Fill(long from, long to)
        {
            new Span<float>(_scratch.AllMiddle + from * _shape.Width, (int)(to - from) * _shape.Width).Clear();
            new Span<float>(_scratch.AllMixed + from * _shape.Mixed, (int)(to - from) * _shape.Mixed).Clear();
        }
    }

    private void FinalNorm(int tile)
    {
        var (start, rows) = _readTiles[tile];
        ref var a = ref _activations[_inputs.Config.NumLayers];
        var at = (long)start * _shape.Width;
        if (!_inputs.Config.FinalNorm)
        {
            new ReadOnlySpan<float>(_gradOutput + at, rows * _shape.Width).CopyTo(new Span<float>(_scratch.X + at, rows * _shape.Width));
            return;
        }

        Norm(2 * _inputs.Config.NumLayers, tile, rows, new NormGradient
        {
            X = a.X + at,
            Weight = _inputs.Weights.FinalNorm,
            Mean = a.Mean == null ? null : a.Mean + start,
            Inverse = a.Inverse + start,
            GradOutput = _gradOutput + at,
            GradInput = _scratch.X + at,
        });
    }

    /// <summary>From the gradient of a layer's output to that of attention's output: MLP, second norm, output projection.</summary>
    private void UpperHalf(int layer, int tile, int worker)
    {
        var (start, rows) = _inputs.IsSparse(layer) ? _readTiles[tile] : _tiles[tile];
        ref var a = ref _activations.AfterAttention(layer);
        ref var w = ref _inputs.Weights.Layers[layer];
        long row = start, at = row * _shape.Width;
        float* own = _scratch.Own(worker), gradUp = _scratch.Up + row * _shape.Up;
        FeatureStrides narrow = Strides(_shape.Width, RowsAfter(layer)), inner = Strides(_shape.Inner, RowsAfter(layer));
        float* gated = _scratch.Gated + row * inner.Row, middle = _scratch.MiddleNormalised + row * narrow.Row, mixed = a.Mixed + row * _shape.Mixed;
        Products.InputGradient(_scratch.X + at, rows, _shape.Width, w.Down, _panels.Down, _shape.Inner, own);
        _lora?.AddInputGradient(layer, LoraPlace.Down, start, rows, _scratch.X + at, _scratch.LoraDown, own, _scratch.Spare(worker), _shape.Inner);
        Gates.Backward(_inputs.Config.Mlp, a.Up + row * _shape.Up, own, rows, _shape.Inner, gradUp, gated, inner);
        Products.InputGradient(gradUp, rows, _shape.Up, w.Up, _panels.Up, _shape.Width, own);
        _lora?.AddInputGradient(layer, LoraPlace.Up, start, rows, gradUp, _scratch.LoraUp, own, _scratch.Spare(worker), _shape.Width);
        Norm(2 * layer + 1, tile, rows, new NormGradient
        {
            X = (_inputs.Config.ParallelResidual ? a.X : a.Middle) + at,
            Weight = w.MlpNorm,
            Bias = w.MlpNormBias,
            Mean = a.MiddleMean == null ? null : a.MiddleMean + start,
            Inverse = a.MiddleInverse + start,
            GradOutput = own,
            Residual = _scratch.X + at,
            GradInput = _scratch.Middle + at,
            Output = middle,
            OutputStrides = narrow,
        });
        Products.InputGradient(AttentionResidual + at, rows, _shape.Width, w.Output, _panels.Output, _shape.Mixed, _scratch.Mixed + row * _shape.Mixed);
        if (_inputs.KeepsPanels)
            Panels.Columns(mixed, _shape.Mixed, rows, _shape.Mixed / Lanes.Width, _scratch.MixedInput + row * Lanes.Width, narrow.Group);
        if (_lora is null)
            return;
        _lora.AddInputGradient(layer, LoraPlace.Output, start, rows, AttentionResidual + at, _scratch.LoraOutput, _scratch.Mixed + row * _shape.Mixed, _scratch.Spare(worker), _shape.Mixed);
        // What the adapters read, for their own gradients; nothing else reads it.
        _lora.Drop(layer, LoraPlace.Down, start, rows, gated, gated, _shape.Inner);
        _lora.Drop(layer, LoraPlace.Up, start, rows, middle, middle, _shape.Width);
        _lora.Drop(layer, LoraPlace.Output, start, rows, mixed, _scratch.MixedInput + row * _shape.Mixed, _shape.Mixed);
    }

    private void Attention(int layer, int index, int worker)
    {
        var task = _inputs.Attention(layer, _activations[layer], index, out var group);
        var (config, width) = (_inputs.Config, _inputs.Config.HeadDim);
        var row = _scratch.Qkv(layer);
        var head = group * task.Heads * width;
        var gradient = new AttentionGradient
        {
            Query = row + head,
            Key = row + (config.NumHeads + group) * width,
            Value = row + (config.NumHeads + config.NumKeyValueHeads + group) * width,
        };
        CausalAttention.Backward(task, (_inputs.IsSparse(layer) ? _scratch.AllMixed : _scratch.Mixed) + head, gradient, _scratch.Own(worker));
    }

    /// <summary>From the gradient of queries, keys and values to that of the layer's input: rotation, projection, first norm.</summary>
    private void LowerHalf(int layer, int tile, int worker)
    {
        var (start, rows) = _tiles[tile];
        ref var a = ref _activations[layer];
        ref var w = ref _inputs.Weights.Layers[layer];
        var at = (long)start * _shape.Width;
        var own = _scratch.Own(worker);
        var strides = Strides(_shape.Width, _inputs.Rows);
        _inputs.Rotate(_scratch.Qkv(layer), start, rows, back: true);
        HeadNorms(layer, tile);
        Products.InputGradient(_scratch.Qkv(layer) + (long)start * _shape.Qkv, rows, _shape.Qkv, w.Qkv, _panels.Qkv, _shape.Width, own);
        _lora?.AddInputGradient(layer, LoraPlace.Qkv, start, rows, _scratch.Qkv(layer) + (long)start * _shape.Qkv, _scratch.LoraQkv, own, _scratch.Spare(worker), _shape.Width);
        Norm(2 * layer, tile, rows, new NormGradient
        {
            X = a.X + at,
            Weight = w.AttentionNorm,
            Bias = w.AttentionNormBias,
            Mean = a.Mean == null ? null : a.Mean + start,
            Inverse = a.Inverse + start,
            GradOutput = own,
            Residual = (_inputs.IsSparse(layer) ? _scratch.AllMiddle : _scratch.Middle) + at,
            GradInput = _scratch.X + at,
            Output = _scratch.Normalised + start * strides.Row,
            OutputStrides = strides,
        });
        _lora?.Drop(layer, LoraPlace.Qkv, start, rows, _scratch.Normalised + at, _scratch.Normalised + at, _shape.Width);
    }

    private void HeadNorms(int layer, int tile)
    {
        if (!_inputs.Config.QkNorm)
            return;
        var (start, rows) = _tiles[tile];
        var partial = _scratch.HeadNormPartial(layer, tile);
        new Span<float>(partial, 2 * _inputs.Config.HeadDim).Clear();
        _inputs.NormaliseHeadsBackward(layer, _activations[layer], _scratch.Qkv(layer), start, rows, partial);
    }

    private void Norm(int index, int tile, int rows, NormGradient gradient)
    {
        var partial = _scratch.NormPartial(index, tile);
        new Span<float>(partial, 2 * _shape.Width).Clear();
        gradient.GradWeight = partial;
        gradient.GradBias = gradient.Mean == null ? null : partial + _shape.Width;
        Norms.Backward(gradient, rows, _shape.Width);
    }

    /// <summary>What needs all rows: the last projection's weights, embeddings, norms.</summary>
    private void FinishGradients(int worker, Phases phases)
    {
        var layers = _inputs.Config.NumLayers;
        var products = _weightTasks[layers].Count;
        var columns = (_shape.Width + EmbeddingColumns - 1) / EmbeddingColumns;
        while (phases.NextInOrder(_lora is null ? products + columns + 2 * layers + 1 : products, out var task))
            if (task < products)
                _weightTasks[layers][task].Run(_scratch.Own(worker));
            else if (task < products + columns)
                AddEmbedding((task - products) * EmbeddingColumns);
            else
                AddNorm(task - products - columns);
        phases.End();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddEmbedding(int from)
    {
        var (width, end) = (_shape.Width, Math.Min(_shape.Width, from + EmbeddingColumns));
        for (var row = 0; row < _inputs.Rows; row++)
        {
            float* gradient = _scratch.X + (long)row * width, token = _gradients!.TokenEmbedding + _inputs.Ids[row] * width;
            var position = _gradients.PositionEmbedding == null ? null : _gradients.PositionEmbedding + _inputs.Positions[row] * width;
            for (var i = from; i < end; i += Lanes.Width)
            {
                var value = Lanes.Load(gradient + i, end - i);
                Lanes.Store(Lanes.Load(token + i, end - i) + value, token + i, end - i);
                if (position != null)
                    Lanes.Store(Lanes.Load(position + i, end - i) + value, position + i, end - i);
            }
        }
    }

    private void AddNorm(int index)
    {
        var (layer, second) = Math.DivRem(index, 2);
        float* weight = _gradients!.FinalNorm, bias = _gradients.FinalNormBias;
        if (layer == _inputs.Config.NumLayers && !_inputs.Config.FinalNorm)
            return;
        if (layer < _inputs.Config.NumLayers)
        {
            ref var g = ref _gradients!.Layers[layer];
            weight = second == 0 ? g.AttentionNorm : g.MlpNorm;
            bias = second == 0 ? g.AttentionNormBias : g.MlpNormBias;
        }

        var tiles = _inputs.IsSparse(layer) && index > 2 * (_inputs.Config.NumLayers - 1) ? _readTiles : _tiles;
        for (var tile = 0; tile < tiles.Count; tile++)
            AddPair(_scratch.NormPartial(index, tile), _shape.Width, weight, bias);
        if (layer == _inputs.Config.NumLayers || second == 1 || !_inputs.Config.QkNorm)
            return;
        for (var tile = 0; tile < _tiles.Count; tile++)
            AddPair(_scratch.HeadNormPartial(layer, tile), _inputs.Config.HeadDim, _gradients!.Layers[layer].QueryNorm, _gradients.Layers[layer].KeyNorm);
    }

    /// <summary>Adds the halves of (2, width) sums to two gradients, of which the second may be null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddPair(float* sums, int width, float* first, float* second)
    {
        for (var i = 0; i < width; i++)
            first[i] += sums[i];
        for (var i = 0; i < width && second != null; i++)
            second[i] += sums[width + i];
    }
}
