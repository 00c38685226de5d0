using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Native;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// softmax(QKᵀ/√E + causal mask)·V of one sequence and the query heads that share one key/value head, read from and written to the packed rows: no padding,
/// no copy per head. Queries go in blocks of <see cref="BlockRows"/>, each against the keys up to its end, from the window of its first query on; the scores of a block are scratch, the backward
/// pass computes them again from the row sums that the forward pass kept (Dao et al. 2022, arXiv 2205.14135).
/// </summary>
internal static unsafe class CausalAttention
{
    /// <summary>Queries in a block.</summary>
    public const int BlockRows = 64;

    /// <summary>Floats of scratch for sequences of up to <paramref name="length"/> tokens: two blocks of scores.</summary>
    public static long ScratchFloats(int length, int headDim) => Math.Max(2 * BlockFloats(length), PanelAttention.ScratchFloats(length, headDim));

    /// <summary>Computes the heads' outputs and the logarithm of each row's sum of exponentials.</summary>
    public static void Forward(in AttentionTask task, float* scores)
    {
        if (PanelAttention.Fits(task.HeadDim))
            PanelAttention.Forward(task, scores);
        else
            ForwardByBlas(task.OnlySequence(), scores);
    }

    /// <summary>
    /// Gradients of queries, keys and values, (rows as packed): dV = PᵀdO; dS = P∘(dO·Vᵀ − rowsum(dO∘O))/√E; dQ = dS·K; dK = dSᵀ·Q.
    /// </summary>
    /// <param name="task">The forward pass's task, its output and sums filled.</param>
    /// <param name="gradOutput">dO, strided as the output.</param>
    /// <param name="grad">Where dQ, dK and dV go, strided as the input.</param>
    /// <param name="scores"><see cref="ScratchFloats"/> floats.</param>
    public static void Backward(in AttentionTask task, float* gradOutput, in AttentionGradient grad, float* scores)
    {
        if (PanelAttention.Fits(task.HeadDim))
            PanelAttention.Backward(task, gradOutput, grad, scores);
        else
            BackwardByBlas(task.OnlySequence(), gradOutput + (long)task.FirstRow * task.OutputStride, grad.From(task.FirstRow, task.RowStride), scores);
    }

    private static void ForwardByBlas(in AttentionTask task, float* scores)
    {
        int width = task.HeadDim, stride = task.RowStride, rowFloats = Lanes.RoundUp(task.Length);
        var scale = (float)(1 / Math.Sqrt(width));
        var inverses = stackalloc float[BlockRows];
        for (var head = 0; head < task.Heads; head++)
        {
            for (var start = 0; start < task.Length; start += BlockRows)
            {
                int rows = Math.Min(BlockRows, task.Length - start), first = task.FirstKey(start), keys = start + rows - first;
                var output = task.Output + (long)start * task.OutputStride + head * width;
                var sums = task.LogSumExp + (long)start * task.TotalHeads + head;
                Blas.Sgemm(
                    false, true, rows, keys, width, scale, task.Query + (long)start * stride + head * width, stride, task.Key + (long)first * stride, stride, 0, scores, rowFloats);
                for (var row = 0; row < rows; row++)
                {
                    Hide(scores + (long)row * rowFloats, task.FirstKey(start + row) - first);
                    inverses[row] = Exponentials(scores + (long)row * rowFloats, start + row + 1 - first, keys, out sums[(long)row * task.TotalHeads]);
                }

                Blas.Sgemm(false, false, rows, width, keys, 1, scores, rowFloats, task.Value + (long)first * stride, stride, 0, output, task.OutputStride);
                for (var row = 0; row < rows; row++)
                    Scale(output + (long)row * task.OutputStride, inverses[row], width);
            }
        }
    }

    private static void BackwardByBlas(in AttentionTask task, float* gradOutput, in AttentionGradient grad, float* scores)
    {
        int width = task.HeadDim, stride = task.RowStride, rowFloats = Lanes.RoundUp(task.Length), outputStride = task.OutputStride;
        var scale = (float)(1 / Math.Sqrt(width));
        var gradScores = scores + BlockFloats(task.Length);
        var fresh = 0f; // the first block reads all keys: it overwrites dK and dV, the others add
        if (task.FirstKey(task.Length - 1) > 0)
        {
            Clear(task, grad);
            fresh = 1;
        }

        for (var head = 0; head < task.Heads; head++)
        {
            for (var start = (task.Length - 1) / BlockRows * BlockRows; start >= 0; start -= BlockRows, fresh = 1)
            {
                int rows = Math.Min(BlockRows, task.Length - start), first = task.FirstKey(start), keys = start + rows - first;
                float* key = task.Key + (long)first * stride, value = task.Value + (long)first * stride;
                var query = task.Query + (long)start * stride + head * width;
                var output = task.Output + (long)start * outputStride + head * width;
                var dOutput = gradOutput + (long)start * outputStride + head * width;
                var sums = task.LogSumExp + (long)start * task.TotalHeads + head;
                Blas.Sgemm(false, true, rows, keys, width, scale, query, stride, key, stride, 0, scores, rowFloats);
                Blas.Sgemm(false, true, rows, keys, width, 1, dOutput, outputStride, value, stride, 0, gradScores, rowFloats);
                for (var row = 0; row < rows; row++)
                {
                    var delta = Dot(dOutput + (long)row * outputStride, output + (long)row * outputStride, width);
                    Hide(scores + (long)row * rowFloats, task.FirstKey(start + row) - first);
                    SoftmaxGradient(
                        scores + (long)row * rowFloats, gradScores + (long)row * rowFloats, start + row + 1 - first, keys, sums[(long)row * task.TotalHeads], delta, scale);
                }

                Blas.Sgemm(true, false, keys, width, rows, 1, scores, rowFloats, dOutput, outputStride, fresh, grad.Value + (long)first * stride, stride);
                Blas.Sgemm(false, false, rows, width, keys, 1, gradScores, rowFloats, key, stride, 0, grad.Query + (long)start * stride + head * width, stride);
                Blas.Sgemm(true, false, keys, width, rows, 1, gradScores, rowFloats, query, stride, fresh, grad.Key + (long)first * stride, stride);
            }
        }
    }

    private static long BlockFloats(int length) => (long)BlockRows * Lanes.RoundUp(length);

    /// <summary>Scores of keys before the window: e^−∞ = 0.</summary>
    public static void Hide(float* scores, int count) => new Span<float>(scores, count).Fill(float.NegativeInfinity);

    private static void Clear(in AttentionTask task, in AttentionGradient grad)
    {
        for (var row = 0L; row < task.Length; row++)
        {
            new Span<float>(grad.Key + row * task.RowStride, task.HeadDim).Clear();
            new Span<float>(grad.Value + row * task.RowStride, task.HeadDim).Clear();
        }
    }

    /// <summary>Turns the first <paramref name="valid"/> scores of a row into e^(s − max), those up to <paramref name="keys"/> into 0.</summary>
    /// <returns>1 / their sum.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Exponentials(float* scores, int valid, int keys, out float logSumExp)
    {
        var lowest = Vector512.Create(float.NegativeInfinity);
        var max = lowest;
        for (var i = 0; i < valid; i += Lanes.Width)
            max = Vector512.MaxNative(max, Lanes.Keep(Vector512.Load(scores + i), valid - i, lowest));
        var top = Lanes.Max(max);
        var sum = Vector512<float>.Zero;
        for (var i = 0; i < keys; i += Lanes.Width)
        {
            var value = i < valid ? Lanes.Keep(VectorMath.Exp(Vector512.Load(scores + i) - Vector512.Create(top)), valid - i, Vector512<float>.Zero) : Vector512<float>.Zero;
            value.Store(scores + i);
            sum += value;
        }

        var total = Vector512.Sum(sum);
        logSumExp = top + MathF.Log(total);
        return 1 / total;
    }

    /// <summary>p = e^(s − logsumexp) over the scores, p·(dp − δ)/√E over their gradients; 0 where the mask is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SoftmaxGradient(float* scores, float* gradient, int valid, int keys, float logSumExp, float delta, float scale)
    {
        Vector512<float> l = Vector512.Create(logSumExp), d = Vector512.Create(delta), s = Vector512.Create(scale), zero = Vector512<float>.Zero;
        for (var i = 0; i < keys; i += Lanes.Width)
        {
            if (i >= valid)
            {
                zero.Store(scores + i);
                zero.Store(gradient + i);
                continue;
            }

            var p = Lanes.Keep(VectorMath.Exp(Vector512.Load(scores + i) - l), valid - i, zero);
            p.Store(scores + i);
            Lanes.Keep(p * (Vector512.Load(gradient + i) - d) * s, valid - i, zero).Store(gradient + i);
        }
    }

    /// <summary>Σ aᵢbᵢ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* a, float* b, int width)
    {
        var sum = Vector512<float>.Zero;
        for (var i = 0; i < width; i += Lanes.Width)
            sum = Vector512.FusedMultiplyAdd(Lanes.Load(a + i, width - i), Lanes.Load(b + i, width - i), sum);
        return Vector512.Sum(sum);
    }

    /// <summary>x ← factor·x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, float factor, int width)
    {
        var f = Vector512.Create(factor);
        for (var i = 0; i < width; i += Lanes.Width)
            Lanes.Store(Lanes.Load(x + i, width - i) * f, x + i, width - i);
    }
}

/// <summary>One group of sequences and one key/value head. Pointers are to the batch's first row.</summary>
internal unsafe struct AttentionTask
{
    /// <summary>The rows.</summary>
    public SequenceGroup Sequences;

    /// <summary>First query head of the group, the key head, the value head; rotated already.</summary>
    public float* Query, Key, Value;

    /// <summary>First output head of the group.</summary>
    public float* Output;

    /// <summary>log Σ e^s of the first head of the group, (T, <see cref="TotalHeads"/>).</summary>
    public float* LogSumExp;

    /// <summary>Query heads of the group, E, H.</summary>
    public int Heads, HeadDim, TotalHeads;

    /// <summary>Of each row of the batch whether its output is read; null: all are. Blocks of queries of which none is are left out where attention goes by panels.</summary>
    public bool[]? Read;

    /// <summary>Keys that a query sees, up to and including its own.</summary>
    public int Window;

    /// <summary>Floats from one row to the next of queries, keys and values, and of the output.</summary>
    public int RowStride, OutputStride;

    /// <summary>The first row of a sequence that is a group of its own.</summary>
    public readonly int FirstRow => Sequences.Members[0].Row;

    /// <summary>T of a sequence that is a group of its own.</summary>
    public readonly int Length => Sequences.Members[0].Length;

    /// <summary>Whether none of some rows' outputs is read.</summary>
    public readonly bool Skips(int row, int rows) => Read is not null && !Read.AsSpan(row, rows).Contains(true);

    /// <summary>The first key that a query sees.</summary>
    public readonly int FirstKey(int query) => Math.Max(0, query - Window + 1);

    /// <summary>The task with pointers to the first row of the sequence, which shares none.</summary>
    public readonly AttentionTask OnlySequence()
    {
        if (Sequences.PrefixLength > 0)
            throw new InvalidOperationException("sequences share rows");
        var moved = this;
        var row = (long)FirstRow;
        moved.Query += row * RowStride;
        moved.Key += row * RowStride;
        moved.Value += row * RowStride;
        moved.Output += row * OutputStride;
        moved.LogSumExp += row * TotalHeads;
        return moved;
    }
}

/// <summary>Where the gradients of an <see cref="AttentionTask"/>'s inputs go.</summary>
internal unsafe struct AttentionGradient
{
    /// <summary>Strided as the inputs.</summary>
    public float* Query, Key, Value;

    /// <summary>Of the rows from one on.</summary>
    public readonly AttentionGradient From(long row, int stride) => new() { Query = Query + row * stride, Key = Key + row * stride, Value = Value + row * stride };
}
