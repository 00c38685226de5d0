using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

// Two threads, each with half of the heads, half of the MLP's inner features and a residual stream of its own (tensor parallelism: Shoeybi et al. 2019, arXiv 1909.08053, section 3). What one
// makes of its half it reads again itself; both add up what the halves contribute to the stream, in the same order. They meet twice a layer instead of five times, and less goes from core to core.
internal sealed unsafe partial class CpuDecoder
{
    /// <summary>Whether the threads are two that halve the work.</summary>
    // Attention reads past a head of its own whose width is no multiple of 4, up to one: into what the other thread may not have written yet, where something not finite may be left.
    internal static bool IsPair(ModelConfig config, int threads) =>
        threads == 2 && CanHalve(config) && (config.HeadDim % 4 == 0 || config.NumHeads > config.NumKeyValueHeads);

    // Whether attention's output and the MLP's inner features are summed by halves, however many threads there are: results do not depend on their number.
    private static bool CanHalve(ModelConfig config) => config.NumKeyValueHeads % 2 == 0 && config.IntermediateSize >= 2 * PanelProduct.TileRows;

    private void ExecuteAsOneOfTwo(int worker, ref Phases phases)
    {
        var residual = Own(_residual, worker);
        int ownHeads = _config.NumKeyValueHeads / 2, head = worker * ownHeads;
        int inner = worker == 0 ? 0 : _innerSplit, innerEnd = worker == 0 ? _innerSplit : _config.IntermediateSize;
        EmbedOwn(ref phases, residual);
        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            ref var weights = ref _weights.Layers[layer];
            var normed = Normalise(residual, worker, weights.AttentionNorm, weights.AttentionNormBias);
            var sparse = ColumnsEnd(layer);
            OwnHeads(layer, weights, normed, head, head + ownHeads, queries: !sparse, keysAndValues: true);
            if (sparse)
            {
                if (_logitRows == 0)
                    return;
                KeepLogitColumns(ref phases, residual);
                normed = Normalise(residual, worker, weights.AttentionNorm, weights.AttentionNormBias);
                OwnHeads(layer, weights, normed, head, head + ownHeads, queries: true, keysAndValues: false);
            }

            if (_config.ParallelResidual)
                normed = Normalise(residual, worker, weights.MlpNorm, weights.MlpNormBias);
            for (int from = head * _columnCount, end = from + ownHeads * _columnCount; from < end; from += AttentionItems)
                Attend(worker, layer, from, Math.Min(from + AttentionItems, end));
            AddHalves(ref phases, worker, 0, residual, weights.Output, weights.OutputBias, _attended.Pointer, _queryWidth, _queryWidth, worker * _featureSplit, _featureSplit);
            if (!_config.ParallelResidual)
                normed = Normalise(residual, worker, weights.MlpNorm, weights.MlpNormBias);
            Activate(weights, normed, inner, innerEnd);
            AddHalves(ref phases, worker, 1, residual, weights.Down, weights.DownBias, _up.Pointer, _config.IntermediateSize, _upWidth, inner, innerEnd - inner);
        }

        Finish(ref phases, worker, _config.FinalNorm ? Normalise(residual, worker, _weights.FinalNorm, _weights.FinalNormBias) : residual);
    }

    private void EmbedOwn(ref Phases phases, float* residual)
    {
        for (var group = 0; group < Groups; group++)
            EmbedGroup(group, residual);
        while (_config.Positions == PositionKind.Rotary && phases.Next(Groups, 1, out var group, out _))
            LoadAngles(group);
        phases.End();
    }

    private void OwnHeads(int layer, in DecoderLayer weights, float* x, int from, int end, bool queries, bool keysAndValues)
    {
        int shared = _config.NumHeads / _config.NumKeyValueHeads;
        for (var head = from; head < end; head++)
        {
            for (var query = head * shared; queries && query < (head + 1) * shared; query++)
                OwnHead(layer, weights, x, query);
            if (!keysAndValues)
                continue;
            OwnHead(layer, weights, x, _config.NumHeads + head);
            OwnHead(layer, weights, x, _config.NumHeads + _config.NumKeyValueHeads + head);
        }
    }

    private void OwnHead(int layer, in DecoderLayer weights, float* x, int head)
    {
        HeadRows(weights, x, head * _config.HeadDim, (head + 1) * _config.HeadDim);
        FinishHead(layer, head, weights);
    }

    // As AddToResidual: what the own half contributes, then both, in the order of the halves. The two of a layer have a place each: the other thread may still read the one before.
    private void AddHalves(ref Phases phases, int worker, int place, float* residual, float* w, float* bias, float* x, int k, int xWidth, int start, int count)
    {
        int outputs = _config.HiddenSize;
        PanelProduct.Multiply(
            w + start, k, count, outputs, worker == 0 ? bias : null, x + (nint)start * Lanes, (nint)xWidth * Lanes, Own(_partial, 2 * place + worker), (nint)outputs * Lanes, Groups, false);
        phases.End();
        AddBoth(residual, Own(_partial, 2 * place), Own(_partial, 2 * place + 1), (nint)Groups * outputs * Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBoth(float* sum, float* first, float* second, nint floats)
    {
        for (nint i = 0; i < floats; i += Lanes)
            (Vector512.Load(second + i) + (Vector512.Load(first + i) + Vector512.Load(sum + i))).Store(sum + i);
    }

    // After both have written what they read of the columns' old places.
    private void KeepLogitColumns(ref Phases phases, float* residual)
    {
        phases.End();
        for (var feature = 0; feature < _config.HiddenSize; feature++)
            Gather(residual, _config.HiddenSize, feature);
        KeepShared(ref phases, 0);
    }
}
