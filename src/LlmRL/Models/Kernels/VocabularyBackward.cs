using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// From the gradients of log-probabilities and entropies to those of hidden states and head, a block of tokens and a tile of rows at a time: the tile's logits are computed
/// again, turn into their gradient, and are multiplied by the block's weights and by the hidden states while they lie in a core's cache.
/// </summary>
internal sealed unsafe class VocabularyBackward : IParallelBody
{
    private const int BlockTokens = VocabularyBlocks.BlockTokens;
    private readonly HeadChunk _chunk;
    private readonly RowTiles _tiles;
    private readonly VocabularyBlocks _blocks;
    private readonly float* _hiddenPanels, _partials, _own;
    private readonly long _tileFloats, _ownFloats;

    /// <summary>Prepares the pass.</summary>
    /// <param name="chunk">All rows; its logits are not used.</param>
    /// <param name="scratch"><see cref="Floats"/> floats.</param>
    public VocabularyBackward(HeadChunk chunk, float* scratch)
    {
        (_chunk, _tiles, _blocks) = (chunk, new RowTiles(chunk.Rows), Blocks(chunk));
        (_tileFloats, _ownFloats) = (TileFloats(chunk), OwnFloats(chunk));
        _own = scratch;
        _hiddenPanels = _own + KernelTeam.Threads * _ownFloats;
        _partials = _hiddenPanels + _tiles.Count * _tileFloats;
    }

    /// <summary>Scratch memory for a chunk.</summary>
    public static long Floats(HeadChunk chunk) =>
        KernelTeam.Threads * OwnFloats(chunk) + new RowTiles(chunk.Rows).Count * TileFloats(chunk)
        + (long)Blocks(chunk).Segments * chunk.Rows * chunk.Width;

    public void Execute(int worker, Phases phases)
    {
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            var (start, rows) = _tiles[tile];
            Panels.Columns(_chunk.Hidden + (long)start * _chunk.Width, _chunk.Width, rows, _chunk.Width / Lanes.Width, _hiddenPanels + tile * _tileFloats, Group(rows));
        }

        phases.End();
        while (phases.Next(_blocks.Segments, 1, out var segment, out _))
            Segment(segment, _own + worker * _ownFloats);
        phases.End();
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
            AddPartials(tile);
        phases.End();
    }

    private static VocabularyBlocks Blocks(HeadChunk chunk) => new(chunk.Vocabulary, (long)chunk.Rows * chunk.Width);

    private static nint Group(int rows) => (nint)FeatureStrides.PanelRows(rows) * Lanes.Width;

    private static long TileFloats(HeadChunk chunk) => (long)FeatureStrides.PanelRows(new RowTiles(chunk.Rows).Size) * chunk.Width;

    // Logits of a tile, a block's weights in panels of tokens and in panels of features, the gradient of its last tokens.
    private static long OwnFloats(HeadChunk chunk) => (long)BlockTokens * new RowTiles(chunk.Rows).Size + (2L * BlockTokens + Lanes.Width) * chunk.Width;

    private void Segment(int segment, float* own)
    {
        var width = _chunk.Width;
        float* byToken = own + (long)BlockTokens * _tiles.Size, byFeature = byToken + (long)BlockTokens * width, rest = byFeature + (long)BlockTokens * width;
        var partial = _partials + (long)segment * _chunk.Rows * width;
        int first = _blocks.Start(segment), end = _blocks.Start(segment + 1);
        for (var from = first; from < end; from += BlockTokens)
        {
            var tokens = Math.Min(BlockTokens, end - from);
            var weight = _chunk.Weight + (long)from * width;
            VocabularyBlocks.Pack(weight, tokens, width, byToken);
            Panels.Columns(weight, width, tokens, width / Lanes.Width, byFeature, tokens * Lanes.Width);
            for (var tile = 0; tile < _tiles.Count; tile++)
            {
                var (start, rows) = _tiles[tile];
                _chunk.Multiply(start, rows, tokens, byToken, own);
                for (var row = 0; row < rows; row++)
                    Row(own + row * BlockTokens, from, tokens, start + row);
                PanelProduct.MultiplyRows(
                    own, BlockTokens, tokens, rows, byFeature, tokens * Lanes.Width, width / Lanes.Width, partial + (long)start * width, width, accumulate: from > first);
                if (_chunk.GradWeight != null)
                    AddWeight(own, from, tokens, tile, rest);
                if (_chunk.GradBias != null)
                    AddBias(own, from, tokens, rows);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row(float* z, int from, int tokens, int row) => _chunk.Differentiate(z, from, tokens, row, isProduct: true);

    /// <summary>∂W += dzᵀ·h of a tile. The last tokens of the vocabulary may fill no panel: their sums take a way round, or rows behind the last one would be written.</summary>
    private void AddWeight(float* gradLogits, int from, int tokens, int tile, float* rest)
    {
        var width = _chunk.Width;
        var rows = _tiles[tile].Rows;
        var hidden = _hiddenPanels + tile * _tileFloats;
        var gradient = _chunk.GradWeight + (long)from * width;
        var whole = tokens / Lanes.Width * Lanes.Width;
        PanelProduct.AddTransposed(gradLogits, BlockTokens, Lanes.Width, whole, rows, hidden, Group(rows), width / Lanes.Width, gradient, width);
        if (whole == tokens)
            return;
        new Span<float>(rest, Lanes.Width * width).Clear();
        PanelProduct.AddTransposed(gradLogits + whole, BlockTokens, Lanes.Width, Lanes.Width, rows, hidden, Group(rows), width / Lanes.Width, rest, width);
        Add(rest, gradient + (long)whole * width, (tokens - whole) * width);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddBias(float* gradLogits, int from, int tokens, int rows)
    {
        for (var i = 0; i < tokens; i += Lanes.Width)
        {
            var sum = Vector512<float>.Zero;
            for (var row = 0; row < rows; row++)
                sum += Vector512.Load(gradLogits + row * BlockTokens + i);
            Lanes.Store(Lanes.Load(_chunk.GradBias + from + i, tokens - i) + sum, _chunk.GradBias + from + i, tokens - i);
        }
    }

    /// <summary>The hidden states' gradient: the segments' parts in the order of the segments.</summary>
    private void AddPartials(int tile)
    {
        var (start, rows) = _tiles[tile];
        var count = rows * _chunk.Width;
        var gradient = _chunk.GradHidden + (long)start * _chunk.Width;
        new Span<float>(gradient, count).Clear();
        for (var segment = 0; segment < _blocks.Segments; segment++)
            Add(_partials + ((long)segment * _chunk.Rows + start) * _chunk.Width, gradient, count);
    }

    // A multiple of 16 floats.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(float* from, float* to, int count)
    {
        for (var i = 0; i < count; i += Lanes.Width)
            (Vector512.Load(to + i) + Vector512.Load(from + i)).Store(to + i);
    }
}
