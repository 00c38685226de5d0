using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// Log-probabilities and entropies without the logits of a whole row: every segment keeps, for each row, its largest logit m, Σ e^(z−m) and Σ (z−m)·e^(z−m), moved to the new m
/// whenever a block has a larger one (Milakov and Gimelshein 2018, arXiv 1805.02867); segments are put together in the same way.
/// </summary>
internal sealed unsafe class VocabularyForward : IParallelBody
{
    private readonly HeadChunk _chunk;
    private readonly RowTiles _tiles;
    private readonly VocabularyBlocks _blocks;
    private readonly float* _own;
    private readonly RowSums* _sums; // (segments, rows)
    private readonly long _ownFloats;
    private long _hits;

    /// <summary>Prepares the pass.</summary>
    /// <param name="chunk">All rows; its logits are not used.</param>
    /// <param name="scratch"><see cref="Floats"/> floats.</param>
    public VocabularyForward(HeadChunk chunk, float* scratch)
    {
        (_chunk, _tiles, _blocks) = (chunk, new RowTiles(chunk.Rows), new VocabularyBlocks(chunk.Vocabulary));
        _own = scratch;
        _ownFloats = OwnFloats(chunk);
        _sums = (RowSums*)(scratch + KernelTeam.Threads * _ownFloats);
    }

    /// <summary>How many targets are the most probable token.</summary>
    public long Hits => _hits;

    /// <summary>Scratch memory for a chunk.</summary>
    public static long Floats(HeadChunk chunk) =>
        KernelTeam.Threads * OwnFloats(chunk) + (long)new VocabularyBlocks(chunk.Vocabulary).Segments * chunk.Rows * (sizeof(RowSums) / sizeof(float));

    public void Execute(int worker, Phases phases)
    {
        while (phases.Next(_blocks.Segments, 1, out var segment, out _))
            Segment(segment, _own + worker * _ownFloats);
        phases.End();
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
            Finish(tile);
        phases.End();
    }

    private static long OwnFloats(HeadChunk chunk) => (long)VocabularyBlocks.BlockTokens * (chunk.Width + new RowTiles(chunk.Rows).Size);

    private void Segment(int segment, float* own)
    {
        var panels = own + (long)VocabularyBlocks.BlockTokens * _tiles.Size;
        var end = _blocks.Start(segment + 1);
        var first = _blocks.Start(segment);
        for (var from = first; from < end; from += VocabularyBlocks.BlockTokens)
        {
            var tokens = Math.Min(VocabularyBlocks.BlockTokens, end - from);
            VocabularyBlocks.Pack(_chunk.Weight + (long)from * _chunk.Width, tokens, _chunk.Width, panels);
            for (var tile = 0; tile < _tiles.Count; tile++)
            {
                var (start, rows) = _tiles[tile];
                _chunk.Multiply(start, rows, tokens, panels, own);
                for (var row = 0; row < rows; row++)
                    Add(own + row * VocabularyBlocks.BlockTokens, from, tokens, start + row, ref _sums[(long)segment * _chunk.Rows + start + row], isFirst: from == first);
            }
        }
    }

    /// <summary>Takes a block's logits into a row's sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Add(float* z, int from, int tokens, int row, ref RowSums sums, bool isFirst)
    {
        var lowest = Vector512.Create(float.NegativeInfinity);
        var max = lowest;
        for (var i = 0; i < tokens; i += Lanes.Width)
        {
            var logits = _chunk.Scale(Vector512.Load(z + i), from + i);
            logits.Store(z + i);
            max = Vector512.MaxNative(max, Lanes.Keep(logits, tokens - i, lowest));
        }

        var block = new RowSums { Max = Lanes.Max(max) };
        (block.Sum, block.Weighted) = HeadForward.Exponentials(z, tokens, block.Max);
        if (isFirst || block.Max > sums.Max)
            block.Best = from + Math.Max(0, new ReadOnlySpan<float>(z, tokens).IndexOf(block.Max));
        sums = isFirst ? block : sums.With(block);
        var target = _chunk.Targets[row] - from;
        if ((ulong)target < (ulong)tokens)
            _chunk.LogProbs[row] = z[target];
    }

    /// <summary>log p_y = z_y − logsumexp(z); H = log Σe^s − Σ s·e^s/Σe^s with s = z − max.</summary>
    private void Finish(int tile)
    {
        var (start, rows) = _tiles[tile];
        var hits = 0L;
        for (var row = start; row < start + rows; row++)
        {
            var sums = _sums[row];
            for (var segment = 1; segment < _blocks.Segments; segment++)
                sums = sums.With(_sums[(long)segment * _chunk.Rows + row]);
            var log = MathF.Log(sums.Sum);
            _chunk.LogSumExp[row] = sums.Max + log;
            _chunk.LogProbs[row] = _chunk.LogProbs[row] - sums.Max - log;
            if (_chunk.Entropies != null)
                _chunk.Entropies[row] = log - sums.Weighted / sums.Sum;
            hits += sums.Best == _chunk.Targets[row] ? 1 : 0;
        }

        Interlocked.Add(ref _hits, hits);
    }

    /// <summary>A row's largest logit m and the first token that has it, Σ e^(z−m) and Σ (z−m)·e^(z−m).</summary>
    private struct RowSums
    {
        public float Max, Sum, Weighted;
        public int Best;

        /// <summary>Together with those of later tokens.</summary>
        public readonly RowSums With(in RowSums later) => later.Max > Max ? later.Plus(this) : Plus(later);

        private readonly RowSums Plus(in RowSums lower)
        {
            // (−∞) − (−∞) is no number.
            if (lower.Max == float.NegativeInfinity)
                return this;
            var down = lower.Max - Max;
            var factor = MathF.Exp(down);
            return new RowSums { Max = Max, Sum = Sum + factor * lower.Sum, Weighted = Weighted + factor * (lower.Weighted + down * lower.Sum), Best = Best };
        }
    }
}
