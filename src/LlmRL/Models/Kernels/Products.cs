using System.Runtime.Intrinsics;
using LlmRL.Native;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>A linear layer y = x·Wᵀ + b and its gradients over rows; W is (outputs, inputs).</summary>
internal static unsafe class Products
{
    /// <summary>y = x·Wᵀ + b, or y = start + x·Wᵀ + b where <paramref name="start"/>, (rows, outputs), is given; it may be y itself.</summary>
    public static void Forward(float* x, int rows, int inputs, float* weight, float* bias, int outputs, float* y, float* start = null)
    {
        if (start != y && start != null && bias == null)
            Buffer.MemoryCopy(start, y, (long)rows * outputs * sizeof(float), (long)rows * outputs * sizeof(float));
        else if (bias != null)
            for (var row = 0L; row < rows; row++)
                AddBias(start == null ? null : start + row * outputs, bias, y + row * outputs, outputs);
        Blas.Sgemm(false, true, rows, outputs, inputs, 1, x, inputs, weight, inputs, start == null && bias == null ? 0 : 1, y, outputs);
    }

    /// <summary>dx = dy·W.</summary>
    public static void InputGradient(float* gradOutput, int rows, int outputs, float* weight, int inputs, float* gradInput) =>
        Blas.Sgemm(false, false, rows, inputs, outputs, 1, gradOutput, outputs, weight, inputs, 0, gradInput, inputs);

    private static void AddBias(float* start, float* bias, float* y, int width)
    {
        for (var i = 0; i < width; i += Lanes.Width)
        {
            var value = Lanes.Load(bias + i, width - i);
            Lanes.Store(start == null ? value : value + Lanes.Load(start + i, width - i), y + i, width - i);
        }
    }
}

/// <summary>A task: ∂W += dyᵀ·x and ∂b += Σ dy for some rows of W, over all N positions, so that sums do not depend on who computes them.</summary>
internal unsafe readonly struct WeightGradient
{
    private const int BlockRows = 256;
    private readonly float* _gradOutput, _input, _gradWeight, _gradBias;
    private readonly int _outputs, _inputs, _stride, _inputStride, _rows;

    private WeightGradient(float* gradOutput, int stride, float* input, int inputs, int inputStride, float* gradWeight, float* gradBias, int outputs, int rows)
    {
        _gradOutput = gradOutput;
        _input = input;
        _gradWeight = gradWeight;
        _gradBias = gradBias;
        (_stride, _inputs, _inputStride, _outputs, _rows) = (stride, inputs, inputStride, outputs, rows);
    }

    /// <summary>Cuts a layer's weight gradient into tasks.</summary>
    /// <param name="tasks">Where they go.</param>
    /// <param name="gradOutput">dy, (rows, stride), of which the first <paramref name="outputs"/> count.</param>
    /// <param name="stride">Length of a row of dy in memory.</param>
    /// <param name="outputs">Rows of W.</param>
    /// <param name="input">x, (rows, inputs).</param>
    /// <param name="inputs">Columns of W.</param>
    /// <param name="gradWeight">∂W, (outputs, inputs).</param>
    /// <param name="gradBias">∂b, (outputs), or null.</param>
    /// <param name="rows">N.</param>
    /// <param name="inputStride">Length of a row of x in memory; 0: <paramref name="inputs"/>.</param>
    public static void Cut(
        List<WeightGradient> tasks, float* gradOutput, int stride, int outputs, float* input, int inputs, float* gradWeight, float* gradBias, int rows, int inputStride = 0)
    {
        var blocks = (outputs + BlockRows - 1) / BlockRows;
        var size = Lanes.RoundUp((outputs + blocks - 1) / blocks);
        for (var from = 0; from < outputs; from += size)
            tasks.Add(new WeightGradient(
                gradOutput + from, stride, input, inputs, inputStride > 0 ? inputStride : inputs, gradWeight + (long)from * inputs, gradBias == null ? null : gradBias + from, Math.Min(size, outputs - from), rows));
    }

    /// <summary>Computes it.</summary>
    public void Run()
    {
        Blas.Sgemm(true, false, _outputs, _inputs, _rows, 1, _gradOutput, _stride, _input, _inputStride, 1, _gradWeight, _inputs);
        if (_gradBias != null)
            for (var i = 0; i < _outputs; i += Lanes.Width)
                AddColumns(i, Math.Min(Lanes.Width, _outputs - i));
    }

    private void AddColumns(int from, int count)
    {
        var sum = Vector512<float>.Zero;
        var column = _gradOutput + from;
        for (var row = 0; row < _rows; row++, column += _stride)
            sum += Lanes.Load(column, count);
        Lanes.Store(Lanes.Load(_gradBias + from, count) + sum, _gradBias + from, count);
    }
}
