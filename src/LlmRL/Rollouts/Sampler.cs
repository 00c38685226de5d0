using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Rollouts;

/// <summary>
/// Draws tokens from logits. The draw is a pure function of logits, options, key and position. One instance per thread: it holds scratch.
/// </summary>
/// <remarks>
/// Order of the modifications, as in Hugging Face: repetition penalty, stop ids masked before the minimum length, temperature, top-k, top-p
/// (of what top-k leaves), min-p. Ties go to the lower id. The recorded log-probability ignores all of them but the temperature.
/// </remarks>
internal sealed unsafe class Sampler
{
    private const int Lanes = 16, Block = 256;

    private readonly SamplingOptions _options;
    private readonly int _vocabulary;
    private readonly float _inverseTemperature;
    private readonly int[] _stopIds;
    private readonly float[] _weights; // e^((logit − max) / T) of every token
    private readonly double[] _blockSums;
    private readonly float[] _modified;
    private readonly int[] _seen; // number of the draw that last saw the token
    private readonly int[] _heap;
    private int _draws;

    public Sampler(SamplingOptions options, int vocabulary)
    {
        _options = options;
        _vocabulary = vocabulary;
        _inverseTemperature = options.Temperature == 0 ? 1 : (float)(1 / options.Temperature);
        _stopIds = [.. options.StopIds];
        _weights = new float[vocabulary];
        _blockSums = new double[(vocabulary + Block - 1) / Block];
        _modified = options.RepetitionPenalty != 1 || options.MinNewTokens > 0 ? new float[vocabulary] : [];
        _seen = options.RepetitionPenalty != 1 ? new int[vocabulary] : [];
        _heap = Truncates ? new int[vocabulary] : [];
    }

    private bool Truncates => _options.Temperature > 0 && (_options.TopK > 0 || _options.TopP < 1 || _options.MinP > 0);

    /// <summary>Draws one token; false when a logit is not finite.</summary>
    /// <param name="logits">V logits.</param>
    /// <param name="key">Key of the sample.</param>
    /// <param name="prompt">The prompt, for the repetition penalty.</param>
    /// <param name="generated">The completion so far; its length is the position.</param>
    /// <param name="token">The token drawn.</param>
    /// <param name="logProb">log softmax(logits / T)[token], nats.</param>
    public bool Draw(
        ReadOnlySpan<float> logits, ulong key, ReadOnlySpan<int> prompt, ReadOnlySpan<int> generated, out int token, out float logProb)
    {
        (token, logProb) = (-1, float.NaN);
        var max = Max(logits, out var finite);
        if (!finite)
            return false;
        var total = Exponentials(logits, max);
        var logTotal = Math.Log(total);
        var source = Modify(logits, prompt, generated);
        if (_options.Temperature == 0)
            token = source.IndexOf(TensorPrimitives.Max(source));
        else
        {
            if (source != logits)
                total = Exponentials(source, Max(source, out _));
            var uniform = CounterRandom.Uniform(key, (ulong)generated.Length, 0);
            token = Truncates ? DrawTruncated(uniform, total) : DrawFromAll(uniform, total);
        }

        logProb = (float)(((double)logits[token] - max) * _inverseTemperature - logTotal);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Max(ReadOnlySpan<float> values, out bool finite)
    {
        var max = Vector512.Create(float.NegativeInfinity);
        var check = Vector512<float>.Zero; // x·0 is NaN unless x is finite
        var i = 0;
        for (; i + Lanes <= values.Length; i += Lanes)
        {
            var v = Vector512.Create(values.Slice(i, Lanes));
            max = Vector512.MaxNative(max, v);
            check += v * Vector512<float>.Zero;
        }

        var result = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++)
            result = Math.Max(result, max[lane]);
        var sum = Vector512.Sum(check);
        for (; i < values.Length; i++)
        {
            result = Math.Max(result, values[i]);
            sum += values[i] * 0;
        }

        finite = sum == 0;
        return result;
    }

    // Fills _weights and _blockSums and returns the sum. A block is summed in float lanes, blocks in double.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private double Exponentials(ReadOnlySpan<float> logits, float max)
    {
        var top = Vector512.Create(max);
        var scale = Vector512.Create(_inverseTemperature);
        Span<float> padded = stackalloc float[Lanes];
        var total = 0.0;
        for (var block = 0; block < _blockSums.Length; block++)
        {
            var sum = Vector512<float>.Zero;
            var i = block * Block;
            var end = Math.Min(i + Block, logits.Length);
            for (; i + Lanes <= end; i += Lanes)
            {
                var weight = VectorMath.Exp((Vector512.Create(logits.Slice(i, Lanes)) - top) * scale);
                weight.CopyTo(_weights.AsSpan(i, Lanes));
                sum += weight;
            }

            if (i < end)
            {
                padded.Fill(float.NegativeInfinity);
                logits[i..end].CopyTo(padded);
                var weight = VectorMath.Exp((Vector512.Create<float>(padded) - top) * scale);
                weight.CopyTo(padded);
                padded[..(end - i)].CopyTo(_weights.AsSpan(i));
                sum += weight;
            }

            total += _blockSums[block] = Vector512.Sum(sum);
        }

        return total;
    }

    private ReadOnlySpan<float> Modify(ReadOnlySpan<float> logits, ReadOnlySpan<int> prompt, ReadOnlySpan<int> generated)
    {
        var masks = generated.Length < _options.MinNewTokens && _stopIds.Length > 0;
        var penalises = _options.RepetitionPenalty != 1;
        if (!masks && !penalises)
            return logits;
        logits.CopyTo(_modified);
        if (penalises)
        {
            _draws++;
            Penalise(prompt);
            Penalise(generated);
        }

        if (masks)
            foreach (var id in _stopIds)
                _modified[id] = float.NegativeInfinity;
        return _modified;
    }

    private void Penalise(ReadOnlySpan<int> tokens)
    {
        var penalty = (float)_options.RepetitionPenalty;
        foreach (var token in tokens)
        {
            if (_seen[token] == _draws)
                continue;
            _seen[token] = _draws;
            ref var logit = ref _modified[token];
            logit = logit > 0 ? logit / penalty : logit * penalty;
        }
    }

    // Inverse of the cumulative distribution: whole blocks first, then inside one.
    private int DrawFromAll(double uniform, double total)
    {
        var rest = uniform * total;
        var block = 0;
        while (block < _blockSums.Length - 1 && rest >= _blockSums[block])
            rest -= _blockSums[block++];
        var last = -1;
        for (var i = block * Block; i < Math.Min((block + 1) * Block, _vocabulary); i++)
        {
            if (_weights[i] <= 0)
                continue;
            last = i;
            rest -= _weights[i];
            if (rest < 0)
                return i;
        }

        // Rounding let the number pass the end: the last token that has any probability.
        return last >= 0 ? last : Array.FindLastIndex(_weights, weight => weight > 0);
    }

    private int DrawTruncated(double uniform, double total)
    {
        var size = FillHeap(total);
        var limit = _options.TopK > 0 ? Math.Min(_options.TopK, size) : size;
        var kept = 0;
        var mass = 0.0;
        // Extracted tokens gather at the heap's end in falling order: number j stands at size − 1 − j.
        var goal = _options.TopK > 0 ? double.PositiveInfinity : _options.TopP * total;
        while (kept < limit && (kept == 0 || mass < goal))
        {
            mass += _weights[_heap[0]];
            (_heap[0], _heap[size - 1 - kept]) = (_heap[size - 1 - kept], _heap[0]);
            kept++;
            SiftDown(0, size - kept);
        }

        if (_options.TopK > 0 && _options.TopP < 1)
            (kept, mass) = CutToTopP(size, kept, mass);
        var rest = uniform * mass;
        for (var j = 0; j < kept; j++)
        {
            rest -= _weights[_heap[size - 1 - j]];
            if (rest < 0)
                return _heap[size - 1 - j];
        }

        return _heap[size - kept];
    }

    private (int Kept, double Mass) CutToTopP(int size, int kept, double mass)
    {
        var goal = _options.TopP * mass;
        var sum = 0.0;
        for (var j = 0; j < kept; j++)
        {
            sum += _weights[_heap[size - 1 - j]];
            if (sum >= goal)
                return (j + 1, sum);
        }

        return (kept, sum);
    }

    private int FillHeap(double total)
    {
        // The most probable token weighs e⁰ = 1. Tokens lighter than (1 − p)·total/V weigh (1 − p)·total at most together: never needed for top-p.
        var floor = _options.TopK == 0 && _options.TopP < 1 ? (1 - _options.TopP) * total / _vocabulary * 0.999 : 0;
        var threshold = (float)Math.Max(_options.MinP, floor);
        var size = 0;
        for (var i = 0; i < _vocabulary; i++)
        {
            if (_weights[i] > 0 && _weights[i] >= threshold)
                _heap[size++] = i;
        }

        for (var i = size / 2 - 1; i >= 0; i--)
            SiftDown(i, size);
        return size;
    }

    private void SiftDown(int node, int size)
    {
        while (true)
        {
            var child = 2 * node + 1;
            if (child >= size)
                return;
            if (child + 1 < size && Before(_heap[child + 1], _heap[child]))
                child++;
            if (!Before(_heap[child], _heap[node]))
                return;
            (_heap[child], _heap[node]) = (_heap[node], _heap[child]);
            node = child;
        }
    }

    private bool Before(int a, int b) => _weights[a] > _weights[b] || (_weights[a] == _weights[b] && a < b);
}
