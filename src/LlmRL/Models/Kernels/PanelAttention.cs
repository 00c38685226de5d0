using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// <see cref="CausalAttention"/> by <see cref="PanelProduct"/>: the keys and values of a sequence are packed once for all its queries, those of a common beginning once
/// for all sequences that go on from it, and of the triangle above the diagonal only what shares a block of queries with the rest is computed.
/// </summary>
internal static unsafe class PanelAttention
{
    private const int BlockRows = 32;

    /// <summary>Whether heads of a width can go this way.</summary>
    public static bool Fits(int headDim) => Avx512F.IsSupported && headDim % Lanes.Width == 0;

    /// <summary>Floats of scratch that both passes get along with, for sequences of up to a length.</summary>
    public static long ScratchFloats(int length, int headDim) => 5L * headDim * Lanes.RoundUp(length) + 2L * BlockRows * (RowFloats(length) + headDim);

    /// <summary>As <see cref="CausalAttention.Forward"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(in AttentionTask task, float* scratch)
    {
        var layout = new Layout(task);
        float* keys = scratch, values = keys + layout.PanelFloats, scores = values + layout.PanelFloats;
        var group = task.Sequences;
        PackFeatures(task.Value, task.RowStride, group.PrefixRow, group.PrefixLength, layout, 0, values);
        foreach (var (row, length) in group.Members)
        {
            PackPositions(task.Key, task, row, length, isFirst: row == group.Members[0].Row, layout.Scale, keys);
            PackFeatures(task.Value, task.RowStride, row, length, layout, group.PrefixLength, values);
            Forward(task, layout, row, length, group.PrefixLength, keys, values, scores);
        }

        Forward(task, layout, group.PrefixRow, group.PrefixLength, 0, keys, values, scores);
    }

    /// <summary>As <see cref="CausalAttention.Backward"/>.</summary>
    public static void Backward(in AttentionTask task, float* gradOutput, in AttentionGradient grad, float* scratch)
    {
        var layout = new Layout(task);
        var group = task.Sequences;
        var (size, prefix, width) = (layout.PanelFloats, group.PrefixLength, task.HeadDim);
        float* keys = scratch, values = keys + size, features = values + size, gradKeys = features + size, gradValues = gradKeys + size, rest = gradValues + size;
        var pass = new BackwardPass(task, layout, gradOutput, grad.Query, keys, values, features, gradKeys, gradValues, rest);
        PackFeatures(task.Key, task.RowStride, group.PrefixRow, prefix, layout, 0, features);
        Clear(gradKeys, gradValues, 0, prefix, width);
        foreach (var (row, length) in group.Members)
        {
            var isFirst = row == group.Members[0].Row;
            PackPositions(task.Key, task, row, length, isFirst, layout.Scale, keys);
            PackPositions(task.Value, task, row, length, isFirst, 1, values);
            PackFeatures(task.Key, task.RowStride, row, length, layout, prefix, features);
            Clear(gradKeys, gradValues, prefix, layout.Padded, width);
            pass.Run(row, length, prefix);
            CopyOut(gradKeys, grad.Key, row, length, prefix, task);
            CopyOut(gradValues, grad.Value, row, length, prefix, task);
        }

        pass.Run(group.PrefixRow, prefix, 0);
        CopyOut(gradKeys, grad.Key, group.PrefixRow, prefix, 0, task);
        CopyOut(gradValues, grad.Value, group.PrefixRow, prefix, 0, task);
    }

    /// <summary>Some rows, which are the positions from one on, attend to what is packed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in AttentionTask task, in Layout layout, int firstRow, int length, int position, float* keys, float* values, float* scores)
    {
        for (var head = 0; head < task.Heads; head++)
        {
            for (var start = 0; start < length; start += BlockRows)
            {
                var block = new Block(task, position + start, Math.Min(BlockRows, length - start));
                if (task.Skips(firstRow + start, block.Rows))
                    continue;
                long row = firstRow + start;
                var sums = task.LogSumExp + row * task.TotalHeads + head;
                Multiply(task.Query + row * task.RowStride + head * task.HeadDim, task.RowStride, layout, block, keys, scores);
                for (var i = 0; i < block.Rows; i++)
                {
                    var s = scores + (long)i * layout.RowFloats;
                    CausalAttention.Hide(s, task.FirstKey(block.Start + i) - block.First);
                    CausalAttention.Scale(s, CausalAttention.Exponentials(s, block.Valid(i), block.Reach, out sums[(long)i * task.TotalHeads]), block.Reach);
                }

                Combine(scores, layout, block, values, task.Output + row * task.OutputStride + head * task.HeadDim, task.OutputStride);
            }
        }
    }

    /// <summary>Scores of a block's queries with the keys that any of them sees.</summary>
    private static void Multiply(float* rows, int stride, in Layout layout, in Block block, float* panels, float* scores) =>
        PanelProduct.MultiplyRows(
            rows, stride, layout.Width, block.Rows, panels + (long)block.First * layout.Width, (nint)layout.Width * Lanes.Width, block.Reach / Lanes.Width, scores, layout.RowFloats, false);

    /// <summary>Sums of values, or of keys, weighted by a block's scores.</summary>
    private static void Combine(float* scores, in Layout layout, in Block block, float* panels, float* target, int stride) =>
        PanelProduct.MultiplyRows(
            scores, layout.RowFloats, block.Keys, block.Rows, panels + (long)block.First * Lanes.Width, (nint)layout.Padded * Lanes.Width, layout.Width / Lanes.Width, target, stride, false);

    /// <summary>
    /// A head of the common beginning and of a sequence's own rows in panels of 16 positions, (positions / 16, E, 16), times a factor; positions beyond are 0. After the
    /// first sequence only what differs is packed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPositions(float* head, in AttentionTask task, int ownRow, int ownLength, bool isFirst, float factor, float* panels)
    {
        var (prefix, width, stride) = (task.Sequences.PrefixLength, task.HeadDim, task.RowStride);
        var length = prefix + ownLength;
        var from = isFirst ? 0 : prefix / Lanes.Width * Lanes.Width;
        float* shared = head + (long)task.Sequences.PrefixRow * stride, own = head + (ownRow - (long)prefix) * stride, seam = stackalloc float[Lanes.Width * width];
        for (var position = from; position < length; position += Lanes.Width)
        {
            var count = Math.Min(Lanes.Width, length - position);
            var panel = panels + (long)position * width;
            if (position < prefix && position + count > prefix)
            {
                for (var i = 0; i < count; i++)
                    new ReadOnlySpan<float>((position + i < prefix ? shared : own) + (long)(position + i) * stride, width).CopyTo(new Span<float>(seam + i * width, width));
                Panels.ToPanel(seam, width, count, width, panel);
            }
            else
            {
                Panels.ToPanel((position < prefix ? shared : own) + (long)position * stride, stride, count, width, panel);
            }
        }

        if (factor != 1)
            CausalAttention.Scale(panels + (long)from * width, factor, (Lanes.RoundUp(length) - from) * width);
    }

    /// <summary>Rows of a head in panels of 16 features, (E / 16, positions, 16), from a position on.</summary>
    private static void PackFeatures(float* head, int stride, int firstRow, int rows, in Layout layout, int position, float* panels) =>
        Panels.Columns(head + (long)firstRow * stride, stride, rows, layout.Width / Lanes.Width, panels + (long)position * Lanes.Width, (nint)layout.Padded * Lanes.Width);

    private static void Clear(float* gradKeys, float* gradValues, int from, int to, int width)
    {
        new Span<float>(gradKeys + (long)from * width, (to - from) * width).Clear();
        new Span<float>(gradValues + (long)from * width, (to - from) * width).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyOut(float* from, float* head, int firstRow, int rows, int position, in AttentionTask task)
    {
        for (var row = 0L; row < rows; row++)
            new ReadOnlySpan<float>(from + (position + row) * task.HeadDim, task.HeadDim).CopyTo(new Span<float>(head + (firstRow + row) * task.RowStride, task.HeadDim));
    }

    /// <summary>Sizes of what is packed.</summary>
    private readonly struct Layout
    {
        public Layout(in AttentionTask task)
        {
            var longest = 0;
            foreach (var (_, length) in task.Sequences.Members)
                longest = Math.Max(longest, length);
            Width = task.HeadDim;
            Padded = Lanes.RoundUp(task.Sequences.PrefixLength + longest);
            RowFloats = PanelAttention.RowFloats(Padded);
            Scale = (float)(1 / Math.Sqrt(task.HeadDim));
        }

        /// <summary>E; positions of the longest sequence in whole panels; floats from one query's scores to the next one's.</summary>
        public int Width { get; }

        /// <inheritdoc cref="Width"/>
        public int Padded { get; }

        /// <inheritdoc cref="Width"/>
        public int RowFloats { get; }

        /// <summary>1/√E.</summary>
        public float Scale { get; }

        /// <summary>Floats of one head's panels.</summary>
        public long PanelFloats => (long)Width * Padded;
    }

    /// <summary>Floats from one query's scores to the next one's: not a power of two, or the same few lines of the cache would hold them all.</summary>
    private static int RowFloats(int length) => Lanes.RoundUp(length) + Lanes.Width;

    /// <summary>A block of queries and the keys that any of them sees.</summary>
    private readonly struct Block
    {
        public Block(in AttentionTask task, int start, int rows)
        {
            (Start, Rows) = (start, rows);
            First = task.FirstKey(start) / Lanes.Width * Lanes.Width;
            Keys = start + Rows - First;
            Reach = Lanes.RoundUp(Keys);
        }

        /// <summary>Position of the first query, queries, the first key, keys from there on, and the same rounded up to whole panels.</summary>
        public int Start { get; }

        /// <inheritdoc cref="Start"/>
        public int Rows { get; }

        /// <inheritdoc cref="Start"/>
        public int First { get; }

        /// <inheritdoc cref="Start"/>
        public int Keys { get; }

        /// <inheritdoc cref="Start"/>
        public int Reach { get; }

        /// <summary>Keys from the block's first on that a query may see.</summary>
        public int Valid(int query) => Start + query + 1 - First;
    }

    /// <summary>What is packed for the backward pass of a head, and where sums go.</summary>
    private readonly ref struct BackwardPass(
        in AttentionTask task, Layout layout, float* gradOutput, float* gradQuery, float* keys, float* values, float* features, float* gradKeys, float* gradValues, float* scratch)
    {
        private readonly ref readonly AttentionTask _task = ref task;
        private readonly float* _gradOutput = gradOutput, _gradQuery = gradQuery, _keys = keys, _values = values, _features = features, _gradKeys = gradKeys, _gradValues = gradValues, _scratch = scratch;

        /// <summary>Gradients of some rows, which are the positions from one on: dQ is written, dK and dV are added to.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int firstRow, int length, int position)
        {
            var width = layout.Width;
            float* scores = _scratch, gradScores = scores + (long)BlockRows * layout.RowFloats, queries = gradScores + (long)BlockRows * layout.RowFloats, outputs = queries + (long)BlockRows * width;
            for (var head = 0; head < _task.Heads; head++)
            {
                for (var start = 0; start < length; start += BlockRows)
                {
                    var block = new Block(_task, position + start, Math.Min(BlockRows, length - start));
                    long row = firstRow + start, at = row * _task.RowStride + head * width, outputAt = row * _task.OutputStride + head * width;
                    if (_task.Skips(firstRow + start, block.Rows))
                    {
                        for (var i = 0; i < block.Rows; i++)
                            new Span<float>(_gradQuery + at + (long)i * _task.RowStride, width).Clear();
                        continue;
                    }

                    float* query = _task.Query + at, output = _task.Output + outputAt, dOutput = _gradOutput + outputAt;
                    Multiply(query, _task.RowStride, layout, block, _keys, scores);
                    Multiply(dOutput, _task.OutputStride, layout, block, _values, gradScores);
                    for (var i = 0; i < block.Rows; i++)
                    {
                        var delta = CausalAttention.Dot(dOutput + (long)i * _task.OutputStride, output + (long)i * _task.OutputStride, width);
                        var s = scores + (long)i * layout.RowFloats;
                        CausalAttention.Hide(s, _task.FirstKey(block.Start + i) - block.First);
                        CausalAttention.SoftmaxGradient(
                            s, gradScores + (long)i * layout.RowFloats, block.Valid(i), block.Reach, _task.LogSumExp[(row + i) * _task.TotalHeads + head], delta, layout.Scale);
                    }

                    Combine(gradScores, layout, block, _features, _gradQuery + at, _task.RowStride);
                    AddTransposed(scores, dOutput, _task.OutputStride, block, outputs, _gradValues);
                    AddTransposed(gradScores, query, _task.RowStride, block, queries, _gradKeys);
                }
            }
        }

        /// <summary>Adds scoresᵀ·rows to the sums of the block's keys.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AddTransposed(float* scores, float* rows, int stride, in Block block, float* panels, float* sums)
        {
            Panels.Columns(rows, stride, block.Rows, layout.Width / Lanes.Width, panels, BlockRows * Lanes.Width);
            PanelProduct.AddTransposed(
                scores, layout.RowFloats, Lanes.Width, block.Reach, block.Rows, panels, BlockRows * Lanes.Width, layout.Width / Lanes.Width, sums + (long)block.First * layout.Width, layout.Width);
        }
    }
}
