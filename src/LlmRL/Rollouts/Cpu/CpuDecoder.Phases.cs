using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

// The batch as every thread walks through it. A phase ends where the next one needs another thread's results.
internal sealed unsafe partial class CpuDecoder
{
    // With so many heads for each thread, it matters little that their number is no multiple of that of threads.
    private const int HeadsPerThread = 4;

    private const int ThreadsWithOwnNorms = 4;

    private bool NormsAreShared => Threads > ThreadsWithOwnNorms;

    private int Groups => (_columnCount + Lanes - 1) / Lanes;

    void IParallelBody.Execute(int worker, Phases phases)
    {
        if (_isPair)
            ExecuteAsOneOfTwo(worker, ref phases);
        else
            Execute(worker, ref phases);
    }

    private void Execute(int worker, ref Phases phases)
    {
        int queries = _config.NumHeads, heads = queries + 2 * _config.NumKeyValueHeads;
        Embed(ref phases);
        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            ref var weights = ref _weights.Layers[layer];
            var normed = Normalise(ref phases, worker, weights.AttentionNorm, weights.AttentionNormBias);
            if (!ColumnsEnd(layer))
                ProjectHeads(ref phases, layer, weights, normed, 0, heads);
            else
            {
                ProjectHeads(ref phases, layer, weights, normed, queries, heads);
                if (_logitRows == 0)
                    return;
                KeepLogitColumns(ref phases);
                normed = Normalise(ref phases, worker, weights.AttentionNorm, weights.AttentionNormBias);
                ProjectHeads(ref phases, layer, weights, normed, 0, queries);
            }

            // Where attention and MLP are parallel, both norms are taken of the same input before attention changes it.
            if (_config.ParallelResidual)
                normed = Normalise(ref phases, worker, weights.MlpNorm, weights.MlpNormBias);
            Attend(ref phases, worker, layer);
            AddToResidual(ref phases, weights.Output, weights.OutputBias, _attended.Pointer, _queryWidth, _queryWidth, _featureSplit);
            if (!_config.ParallelResidual)
                normed = Normalise(ref phases, worker, weights.MlpNorm, weights.MlpNormBias);
            Activate(ref phases, weights, normed);
            AddToResidual(ref phases, weights.Down, weights.DownBias, _up.Pointer, _config.IntermediateSize, _upWidth, _innerSplit);
        }

        Finish(ref phases, worker, _config.FinalNorm ? Normalise(ref phases, worker, _weights.FinalNorm, _weights.FinalNormBias) : _residual.Pointer);
    }

    private void Finish(ref Phases phases, int worker, float* x)
    {
        Head(ref phases, worker, x);
        if (_consumer is not null)
            while (phases.Next(_logitRows, 1, out var row, out _))
                _consumer.Consume(worker, row, Logits(row));
    }

    // A few threads take the norms of all columns each for itself, which costs them less than to wait and to fetch what others have written.
    private float* Normalise(ref Phases phases, int worker, float* weight, float* bias)
    {
        if (NormsAreShared)
        {
            while (phases.Next(Groups, 1, out var group, out _))
                Normalise(_residual.Pointer, group, weight, bias, _normed.Pointer);
            phases.End();
            return _normed.Pointer;
        }

        return Normalise(_residual.Pointer, worker, weight, bias);
    }

    private float* Normalise(float* residual, int worker, float* weight, float* bias)
    {
        var own = Own(_normed, worker);
        for (var group = 0; group < Groups; group++)
            Normalise(residual, group, weight, bias, own);
        return own;
    }

    private void Normalise(float* residual, int group, float* weight, float* bias, float* to)
    {
        var panel = (nint)_config.HiddenSize * Lanes;
        PanelOps.Norm(_config.Norm, residual + group * panel, weight, bias, _config.HiddenSize, _epsilon, to + group * panel);
    }

    // A thread's own residual stream, or what it makes of it.
    private float* Own(NativeBuffer<float> streams, int worker) => streams.Pointer + (nint)worker * MaxColumns * _config.HiddenSize;

    // Residual stream ← itself + W·x + bias. A group of x has xWidth features, of which the first k enter: those before the split are summed first, then the others, as two threads that halve them do.
    private void AddToResidual(ref Phases phases, float* w, float* bias, float* x, int k, int xWidth, int split)
    {
        int outputs = _config.HiddenSize, chunk = phases.Chunk(outputs, PanelProduct.TileRows);
        while (phases.Next(outputs, chunk, out var from, out var to))
        {
            var y = _residual.Pointer + (nint)from * Lanes;
            for (int start = 0, end = split; start < k; start = end, end = k)
                PanelProduct.Multiply(
                    w + (nint)from * k + start, k, end - start, to - from, bias == null || start > 0 ? null : bias + from, x + (nint)start * Lanes, (nint)xWidth * Lanes,
                    y, (nint)outputs * Lanes, Groups, true);
        }

        phases.End();
    }

    // Queries, keys and values, head by head where there are enough of them: a head goes on to the cache while it is in the core's own.
    private void ProjectHeads(ref Phases phases, int layer, in DecoderLayer weights, float* x, int first, int end)
    {
        int headDim = _config.HeadDim, count = end - first;
        var together = count >= HeadsPerThread * Threads;
        if (!together)
            ProjectRows(ref phases, weights, x, first * headDim, end * headDim);
        // One thread for all columns of a head: it writes what positions of a page share.
        while (phases.Next(count, 1, out var item, out _))
        {
            var head = count == _config.NumHeads + 2 * _config.NumKeyValueHeads ? InOrderOfAttention(item) : first + item;
            if (together)
                HeadRows(weights, x, head * headDim, (head + 1) * headDim);
            FinishHead(layer, head, weights);
        }

        phases.End();
    }

    private void ProjectRows(ref Phases phases, in DecoderLayer weights, float* x, int first, int end)
    {
        while (phases.Next(end - first, phases.Chunk(end - first, PanelProduct.TileRows), out var from, out var to))
            HeadRows(weights, x, first + from, first + to);
        phases.End();
    }

    private void HeadRows(in DecoderLayer weights, float* x, nint from, nint to)
    {
        var width = _config.HiddenSize;
        PanelProduct.Multiply(
            weights.Qkv + from * width, width, (int)(to - from), weights.QkvBias == null ? null : weights.QkvBias + from, x, (nint)width * Lanes,
            _qkv.Pointer + from * Lanes, (nint)_qkvWidth * Lanes, Groups, false);
    }

    // A key/value head's queries, its keys, its values, then those of the next: so attention finds in the core's cache what was written there.
    private int InOrderOfAttention(int item)
    {
        int shared = _config.NumHeads / _config.NumKeyValueHeads, keyValueHead = item / (shared + 2), part = item % (shared + 2);
        return part < shared ? keyValueHead * shared + part : _config.NumHeads + (part - shared) * _config.NumKeyValueHeads + keyValueHead;
    }

    // Normalises (where the architecture does) and rotates queries and keys in place, and writes keys and values to the cache.
    private void FinishHead(int layer, int head, in DecoderLayer weights)
    {
        for (var group = 0; group < Groups; group++)
            FinishHead(layer, head, group, weights);
    }

    private void FinishHead(int layer, int head, int group, in DecoderLayer weights)
    {
        int heads = _config.NumHeads, keyValueHeads = _config.NumKeyValueHeads, headDim = _config.HeadDim, turning = _config.RotaryDim;
        var first = group * Lanes;
        var columns = Math.Min(Lanes, _columnCount - first);
        var panel = _qkv.Pointer + ((nint)group * _qkvWidth + head * headDim) * Lanes;
        if (head >= heads + keyValueHeads)
        {
            WriteValues(panel, first, columns, Pages.Values(layer, head - heads - keyValueHeads));
            return;
        }

        if (_config.QkNorm)
            PanelOps.Norm(NormKind.RmsNorm, panel, head < heads ? weights.QueryNorm : weights.KeyNorm, null, headDim, _epsilon, panel);
        var cos = _rotary.Pointer + (nint)group * turning * Lanes;
        if (_config.Positions == PositionKind.Rotary)
            PanelOps.Rotate(panel, cos, cos + turning / 2 * Lanes, turning);
        if (head >= heads)
            WriteKeys(panel, first, columns, Pages.Keys(layer, head - heads));
    }

    // Head by head, so that samples of one prompt, which stand side by side, find the prompt's pages in the core's cache.
    private void Attend(ref Phases phases, int worker, int layer)
    {
        var items = _columnCount * _config.NumKeyValueHeads;
        while (phases.Next(items, Math.Min(phases.Chunk(items, 1), AttentionItems), out var from, out var to))
            Attend(worker, layer, from, to);
        phases.End();
    }

    private void Attend(int worker, int layer, int from, int to)
    {
        int headDim = _config.HeadDim, shared = _config.NumHeads / _config.NumKeyValueHeads;
        var scores = _scores.Pointer + (nint)worker * _scoreFloats;
        var pages = (int**)_pagePointers.Pointer + worker * PagePointers(PagesPerSequence);
        var decoded = _decoded.Pointer + (nint)worker * Attention.PageFloats(headDim);
        var output = _outputs.Pointer + (nint)worker * shared * headDim;
        var window = _config.WindowOf(layer);
        var scale = (float)(1 / Math.Sqrt(headDim));
        ListPages(layer, window, from, to, pages);
        for (var item = from; item < to; item++)
        {
            int head = item / _columnCount, column = item % _columnCount;
            var feature = head * shared * headDim;
            var query = _qkv.Pointer + ((nint)(column / Lanes) * _qkvWidth + feature) * Lanes + column % Lanes;
            var first = FirstPage(column, window, out var skip);
            var count = Positions[column] + 1 - first * Lanes;
            Attention.Attend(query, shared, headDim, scale, pages, skip, count, scores, _scoreFloats / shared, decoded, output);
            var panel = _attended.Pointer + ((nint)(column / Lanes) * _queryWidth + feature) * Lanes + column % Lanes;
            for (var e = 0; e < shared * headDim; e++)
                panel[e * Lanes] = output[e];
            pages += 2 * ((count + Lanes - 1) / Lanes);
        }
    }

    private void Activate(ref Phases phases, in DecoderLayer weights, float* x)
    {
        var outputs = _config.IntermediateSize;
        while (phases.Next(outputs, phases.Chunk(outputs, PanelProduct.TileRows), out var from, out var to))
            Activate(weights, x, from, to);
        phases.End();
    }

    private void Activate(in DecoderLayer weights, float* x, int from, int to)
    {
        int width = _config.HiddenSize, outputs = _config.IntermediateSize;
        nint xStride = (nint)width * Lanes, yStride = (nint)_upWidth * Lanes;
        var gated = _config.Mlp == MlpKind.SwiGlu;
        float* y = _up.Pointer + (nint)from * Lanes, up = y + (nint)outputs * Lanes;
        UpRows(weights, from, to - from, x, xStride, y, yStride);
        if (gated)
            UpRows(weights, outputs + from, to - from, x, xStride, up, yStride);
        for (var group = 0; group < Groups; group++)
        {
            if (gated)
                PanelOps.SwiGlu(y + group * yStride, up + group * yStride, (nint)(to - from) * Lanes);
            else
                PanelOps.Gelu(_config.Mlp, y + group * yStride, (nint)(to - from) * Lanes);
        }
    }

    private void UpRows(in DecoderLayer weights, int from, int rows, float* x, nint xStride, float* y, nint yStride) =>
        PanelProduct.Multiply(
            weights.Up + (nint)from * _config.HiddenSize, _config.HiddenSize, rows, weights.UpBias == null ? null : weights.UpBias + from,
            x, xStride, y, yStride, Groups, false);

    private void Head(ref Phases phases, int worker, float* x)
    {
        int width = _config.HiddenSize, groups = (_logitRows + Lanes - 1) / Lanes;
        var panels = _logitPanels.Pointer + (nint)worker * LogitChunk * MaxColumns;
        while (phases.Next(_config.VocabSize, LogitChunk, out var from, out var to))
        {
            PanelProduct.Multiply(
                _weights.Head + (nint)from * width, width, to - from, _weights.HeadBias == null ? null : _weights.HeadBias + from, x, (nint)width * Lanes,
                panels, LogitChunk * Lanes, groups, false);
            for (var group = 0; group < groups; group++)
                Panels.ToRows(
                    panels + (nint)group * LogitChunk * Lanes, to - from, Logits(group * Lanes) + from, _logitStride,
                    Math.Min(Lanes, _logitRows - group * Lanes));
        }

        phases.End();
    }
}
