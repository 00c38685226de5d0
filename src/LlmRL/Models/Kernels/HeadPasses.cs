using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Native;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>Some rows of the head's work; pointers are to the first of them.</summary>
internal unsafe struct HeadChunk
{
    /// <summary>Rows, D, V, and the distance of two rows of logits.</summary>
    public int Rows, Width, Vocabulary, RowFloats;

    /// <summary>1/τ.</summary>
    public float InverseTemperature;

    /// <summary>(V, D) and its gradient; null where the head is frozen.</summary>
    public float* Weight, GradWeight;

    /// <summary>(V) and its gradient, or null.</summary>
    public float* Bias, GradBias;

    /// <summary>(rows, D) and its gradient.</summary>
    public float* Hidden, GradHidden;

    /// <summary>(rows).</summary>
    public long* Targets;

    /// <summary>z/τ, (rows, V); log Σ e^(z/τ), (rows).</summary>
    public float* Logits, LogSumExp;

    /// <summary>log p of the targets and entropies, (rows); the latter may be null.</summary>
    public float* LogProbs, Entropies;

    /// <summary>Their gradients, (rows), or null.</summary>
    public float* GradLogProbs, GradEntropies;

    /// <summary>Logits of some rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Multiply(int start, int rows)
    {
        var logits = Logits + (long)start * RowFloats;
        for (var row = 0; Bias != null && row < rows; row++)
        {
            for (var i = 0; i < Vocabulary; i += Lanes.Width)
                Lanes.Store(Lanes.Load(Bias + i, Vocabulary - i) * Vector512.Create(InverseTemperature), logits + (long)row * RowFloats + i, Vocabulary - i);
        }

        Blas.Sgemm(
            false, true, rows, Vocabulary, Width, InverseTemperature, Hidden + (long)start * Width, Width, Weight, Width, Bias == null ? 0 : 1, logits, RowFloats);
    }

    /// <summary>h·Wᵀ of some rows and one block of tokens, whose weights lie in panels of 16 tokens; neither bias nor temperature are in it, see <see cref="Scale"/>.</summary>
    /// <param name="start">First row.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="tokens">Tokens of the block; the result is written up to the next multiple of 16.</param>
    /// <param name="panels">The block's weights.</param>
    /// <param name="to">(rows, <see cref="VocabularyBlocks.BlockTokens"/>).</param>
    public readonly void Multiply(int start, int rows, int tokens, float* panels, float* to) =>
        PanelProduct.MultiplyRows(
            Hidden + (long)start * Width, Width, Width, rows, panels, (nint)Width * Lanes.Width, Lanes.RoundUp(tokens) / Lanes.Width, to, VocabularyBlocks.BlockTokens, accumulate: false);

    /// <summary>z/τ of the tokens from <paramref name="token"/> on, from h·Wᵀ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Vector512<float> Scale(Vector512<float> product, int token)
    {
        if (Bias != null)
            product += Lanes.Load(Bias + token, Vocabulary - token);
        return product * Vector512.Create(InverseTemperature);
    }

    /// <summary>
    /// Turns a row's logits, in place, into their gradient ∂/∂z = (g·(1_y − p) − h·p·(log p + H))/τ for the gradients g of log p_y and h of the entropy H.
    /// As p·(slope·log p + constant) with slope = −h/τ and constant = −(g + h·H)/τ, and g/τ more at the target.
    /// </summary>
    /// <param name="z">z/τ of the tokens from <paramref name="from"/> on; or h·Wᵀ where <paramref name="isProduct"/>. Read and written up to the next multiple of 16.</param>
    /// <param name="from">First token.</param>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="row">Which row.</param>
    /// <param name="isProduct">Bias and temperature are still to come (see <see cref="Scale"/>), and the gradient is 0 behind the last token. A constant, so that no caller's loop asks.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Differentiate(float* z, int from, int tokens, int row, bool isProduct)
    {
        var g = GradLogProbs == null ? 0 : GradLogProbs[row];
        var h = GradEntropies == null ? 0 : GradEntropies[row];
        var entropy = Entropies == null ? 0 : Entropies[row];
        var slope = Vector512.Create(-h * InverseTemperature);
        var constant = Vector512.Create(-(g + h * entropy) * InverseTemperature);
        var offset = Vector512.Create(LogSumExp[row]);
        for (var i = 0; i < tokens; i += Lanes.Width)
        {
            var logits = Vector512.Load(z + i);
            var logP = (isProduct ? Scale(logits, from + i) : logits) - offset;
            var gradient = VectorMath.Exp(logP) * Vector512.FusedMultiplyAdd(slope, logP, constant);
            (isProduct ? Lanes.Keep(gradient, tokens - i, Vector512<float>.Zero) : gradient).Store(z + i);
        }

        var target = Targets[row] - from;
        if ((ulong)target < (ulong)tokens)
            z[target] += g * InverseTemperature;
    }
}

/// <summary>Log-probabilities and entropies of a chunk.</summary>
internal sealed unsafe class HeadForward(HeadChunk chunk) : IParallelBody
{
    private readonly RowTiles _tiles = new(chunk.Rows);
    private long _hits;

    /// <summary>How many targets are the most probable token.</summary>
    public long Hits => _hits;

    public void Execute(int worker, Phases phases)
    {
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            var (start, rows) = _tiles[tile];
            chunk.Multiply(start, rows);
            var hits = 0L;
            for (var row = start; row < start + rows; row++)
                hits += Row(row) ? 1 : 0;
            Interlocked.Add(ref _hits, hits);
        }

        phases.End();
    }

    /// <summary>log p_y = z_y − logsumexp(z); H = log Σe^s − Σ s·e^s/Σe^s with s = z − max. Returns whether the target is the first of the largest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Row(int row)
    {
        var z = chunk.Logits + (long)row * chunk.RowFloats;
        var (vocabulary, lowest) = (chunk.Vocabulary, Vector512.Create(float.NegativeInfinity));
        var max = lowest;
        for (var i = 0; i < vocabulary; i += Lanes.Width)
            max = Vector512.MaxNative(max, Lanes.Keep(Vector512.Load(z + i), vocabulary - i, lowest));
        var top = Lanes.Max(max);
        var (total, weighted) = Exponentials(z, vocabulary, top);
        var log = MathF.Log(total);
        var target = z[chunk.Targets[row]];
        chunk.LogSumExp[row] = top + log;
        chunk.LogProbs[row] = target - top - log;
        if (chunk.Entropies != null)
            chunk.Entropies[row] = log - weighted / total;
        return target == top && new ReadOnlySpan<float>(z, (int)chunk.Targets[row]).IndexOf(top) < 0;
    }

    /// <summary>Σ e^s and Σ s·e^s with s = z − <paramref name="top"/>; z may be read up to the next multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Sum, float Weighted) Exponentials(float* z, int count, float top)
    {
        Vector512<float> sum = Vector512<float>.Zero, weighted = Vector512<float>.Zero;
        for (var i = 0; i < count; i += Lanes.Width)
        {
            var shifted = Lanes.Keep(Vector512.Load(z + i) - Vector512.Create(top), count - i, Vector512.Create(-200f));
            var e = VectorMath.Exp(shifted);
            sum += e;
            weighted = Vector512.FusedMultiplyAdd(e, shifted, weighted);
        }

        return (Vector512.Sum(sum), Vector512.Sum(weighted));
    }
}

/// <summary>From the gradients of log-probabilities and entropies to those of hidden states and head.</summary>
internal sealed unsafe class HeadBackward : IParallelBody
{
    private readonly HeadChunk _chunk;
    private readonly bool _recompute;
    private readonly RowTiles _tiles;
    private readonly List<WeightGradient> _weightTasks = [];

    public HeadBackward(HeadChunk chunk, bool recompute)
    {
        (_chunk, _recompute, _tiles) = (chunk, recompute, new RowTiles(chunk.Rows));
        if (chunk.GradWeight != null)
            WeightGradient.Cut(_weightTasks, chunk.Logits, chunk.RowFloats, chunk.Vocabulary, chunk.Hidden, chunk.Width, FeatureStrides.Rows(chunk.Width), chunk.GradWeight, chunk.GradBias, chunk.Rows);
    }

    public void Execute(int worker, Phases phases)
    {
        while (phases.Next(_tiles.Count, 1, out var tile, out _))
        {
            var (start, rows) = _tiles[tile];
            if (_recompute)
                _chunk.Multiply(start, rows);
            for (var row = start; row < start + rows; row++)
                Row(row);
            Blas.Sgemm(
                false, false, rows, _chunk.Width, _chunk.Vocabulary, 1, _chunk.Logits + (long)start * _chunk.RowFloats, _chunk.RowFloats, _chunk.Weight, _chunk.Width, 0,
                _chunk.GradHidden + (long)start * _chunk.Width, _chunk.Width);
        }

        phases.End();
        while (phases.Next(_weightTasks.Count, 1, out var task, out _))
            _weightTasks[task].Run(null);
        phases.End();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row(int row) => _chunk.Differentiate(_chunk.Logits + (long)row * _chunk.RowFloats, 0, _chunk.Vocabulary, row, isProduct: false);
}
