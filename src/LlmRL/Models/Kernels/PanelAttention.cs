using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// <see cref="CausalAttention"/> by <see cref="PanelProduct"/>: the keys and values of a sequence are packed once for all its queries, and of the triangle above
/// the diagonal only what shares a block of queries with the rest is computed.
/// </summary>
internal static unsafe class PanelAttention
{
    private const int BlockRows = 32;

    /// <summary>Whether a task can go this way.</summary>
    public static bool Fits(in AttentionTask task) => Avx512F.IsSupported && task.HeadDim % Lanes.Width == 0;

    /// <summary>Floats of scratch that both passes get along with.</summary>
    public static long ScratchFloats(int length, int headDim) => 5L * headDim * Lanes.RoundUp(length) + 2L * BlockRows * (RowFloats(length) + headDim);

    /// <summary>As <see cref="CausalAttention.Forward"/>.</summary>
    public static void Forward(in AttentionTask task, float* scratch)
    {
        int width = task.HeadDim, padded = Lanes.RoundUp(task.Length), rowFloats = RowFloats(task.Length);
        float* keys = scratch, values = keys + (long)width * padded, scores = values + (long)width * padded;
        PackScaledKeys(task, keys);
        PackFeatures(task.Value, task.RowStride, task.Length, width, values, padded);
        for (var head = 0; head < task.Heads; head++)
        {
            for (var start = 0; start < task.Length; start += BlockRows)
            {
                var block = new Block(task, start);
                var output = task.Output + (long)start * task.OutputStride + head * width;
                var sums = task.LogSumExp + (long)start * task.TotalHeads + head;
                Multiply(task.Query + (long)start * task.RowStride + head * width, task.RowStride, width, block, keys, scores, rowFloats);
                for (var row = 0; row < block.Rows; row++)
                {
                    var s = scores + (long)row * rowFloats;
                    CausalAttention.Hide(s, task.FirstKey(start + row) - block.First);
                    CausalAttention.Scale(s, CausalAttention.Exponentials(s, start + row + 1 - block.First, block.Reach, out sums[(long)row * task.TotalHeads]), block.Reach);
                }

                PanelProduct.MultiplyRows(
                    scores, rowFloats, block.Keys, block.Rows, values + (long)block.First * Lanes.Width, (nint)padded * Lanes.Width, width / Lanes.Width, output, task.OutputStride, false);
            }
        }
    }

    /// <summary>As <see cref="CausalAttention.Backward"/>.</summary>
    public static void Backward(in AttentionTask task, float* gradOutput, in AttentionGradient grad, float* scratch)
    {
        int width = task.HeadDim, padded = Lanes.RoundUp(task.Length), rowFloats = RowFloats(task.Length), groups = width / Lanes.Width;
        var size = (long)width * padded;
        float* keys = scratch, values = keys + size, features = values + size, gradKeys = features + size, gradValues = gradKeys + size;
        float* scores = gradValues + size, gradScores = scores + (long)BlockRows * rowFloats, queries = gradScores + (long)BlockRows * rowFloats, outputs = queries + (long)BlockRows * width;
        var scale = (float)(1 / Math.Sqrt(width));
        PackScaledKeys(task, keys);
        PackPositions(task.Value, task, values);
        PackFeatures(task.Key, task.RowStride, task.Length, width, features, padded);
        new Span<float>(gradKeys, (int)(2 * size)).Clear();
        for (var head = 0; head < task.Heads; head++)
        {
            for (var start = 0; start < task.Length; start += BlockRows)
            {
                var block = new Block(task, start);
                var at = (long)start * task.RowStride + head * width;
                float* query = task.Query + at, output = task.Output + (long)start * task.OutputStride + head * width;
                var dOutput = gradOutput + (long)start * task.OutputStride + head * width;
                Multiply(query, task.RowStride, width, block, keys, scores, rowFloats);
                Multiply(dOutput, task.OutputStride, width, block, values, gradScores, rowFloats);
                for (var row = 0; row < block.Rows; row++)
                {
                    var delta = CausalAttention.Dot(dOutput + (long)row * task.OutputStride, output + (long)row * task.OutputStride, width);
                    var s = scores + (long)row * rowFloats;
                    CausalAttention.Hide(s, task.FirstKey(start + row) - block.First);
                    CausalAttention.SoftmaxGradient(
                        s, gradScores + (long)row * rowFloats, start + row + 1 - block.First, block.Reach, task.LogSumExp[(long)(start + row) * task.TotalHeads + head], delta, scale);
                }

                PanelProduct.MultiplyRows(
                    gradScores, rowFloats, block.Keys, block.Rows, features + (long)block.First * Lanes.Width, (nint)padded * Lanes.Width, groups, grad.Query + at, task.RowStride, false);
                PackFeatures(query, task.RowStride, block.Rows, width, queries, BlockRows);
                PackFeatures(dOutput, task.OutputStride, block.Rows, width, outputs, BlockRows);
                const int Group = BlockRows * Lanes.Width;
                PanelProduct.AddTransposed(scores, rowFloats, Lanes.Width, block.Reach, block.Rows, outputs, Group, groups, gradValues + (long)block.First * width, width);
                PanelProduct.AddTransposed(gradScores, rowFloats, Lanes.Width, block.Reach, block.Rows, queries, Group, groups, gradKeys + (long)block.First * width, width);
            }
        }

        for (var row = 0L; row < task.Length; row++)
        {
            Buffer.MemoryCopy(gradKeys + row * width, grad.Key + row * task.RowStride, width * sizeof(float), width * sizeof(float));
            Buffer.MemoryCopy(gradValues + row * width, grad.Value + row * task.RowStride, width * sizeof(float), width * sizeof(float));
        }
    }

    /// <summary>Floats from one query's scores to the next one's: not a power of two, or the same few lines of the cache would hold them all.</summary>
    private static int RowFloats(int length) => Lanes.RoundUp(length) + Lanes.Width;

    /// <summary>Scores of a block's queries with the keys that any of them sees.</summary>
    private static void Multiply(float* rows, int stride, int width, in Block block, float* panels, float* scores, int rowFloats) =>
        PanelProduct.MultiplyRows(rows, stride, width, block.Rows, panels + (long)block.First * width, (nint)width * Lanes.Width, block.Reach / Lanes.Width, scores, rowFloats, false);

    /// <summary>Keys times 1/√E in panels of 16 positions.</summary>
    private static void PackScaledKeys(in AttentionTask task, float* panels)
    {
        PackPositions(task.Key, task, panels);
        CausalAttention.Scale(panels, (float)(1 / Math.Sqrt(task.HeadDim)), Lanes.RoundUp(task.Length) * task.HeadDim);
    }

    /// <summary>Rows of a head in panels of 16 positions, (positions / 16, E, 16); positions beyond the sequence are 0.</summary>
    private static void PackPositions(float* rows, in AttentionTask task, float* panels)
    {
        for (var position = 0; position < task.Length; position += Lanes.Width)
            Panels.ToPanel(rows + (long)position * task.RowStride, task.RowStride, Math.Min(Lanes.Width, task.Length - position), task.HeadDim, panels + (long)position * task.HeadDim);
    }

    /// <summary>Rows of a head in panels of 16 features, (E / 16, <paramref name="panelRows"/>, 16).</summary>
    private static void PackFeatures(float* from, int stride, int rows, int width, float* panels, int panelRows)
    {
        for (var feature = 0; feature < width; feature += Lanes.Width)
            Panels.Columns(from + feature, stride, rows, panels + (long)feature * panelRows);
    }

    /// <summary>A block of queries and the keys that any of them sees.</summary>
    private readonly struct Block
    {
        public Block(in AttentionTask task, int start)
        {
            Rows = Math.Min(BlockRows, task.Length - start);
            First = task.FirstKey(start) / Lanes.Width * Lanes.Width;
            Keys = start + Rows - First;
            Reach = Lanes.RoundUp(Keys);
        }

        /// <summary>Queries, the first key, keys from there on, and the same rounded up to whole panels.</summary>
        public int Rows { get; }

        /// <inheritdoc cref="Rows"/>
        public int First { get; }

        /// <inheritdoc cref="Rows"/>
        public int Keys { get; }

        /// <inheritdoc cref="Rows"/>
        public int Reach { get; }
    }
}
