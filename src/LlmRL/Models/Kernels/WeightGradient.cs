using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Native;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>Where the features of a row lie: rows one behind the other, or panels of 16 features, (features / 16, N, 16), as <see cref="PanelProduct"/> reads them.</summary>
/// <param name="Row">Floats from a row to the next one.</param>
/// <param name="Group">Floats from 16 features to the next 16.</param>
/// <param name="InPanels">Which of the two it is.</param>
internal readonly record struct FeatureStrides(nint Row, nint Group, bool InPanels)
{
    /// <summary>Rows of a width.</summary>
    public static FeatureStrides Rows(int width) => new(width, Lanes.Width, false);

    /// <summary>Panels of N rows.</summary>
    public static FeatureStrides Panels(int rows) => new(Lanes.Width, (nint)PanelRows(rows) * Lanes.Width, true);

    /// <summary>Rows that a panel of N has room for: an odd number, or the panels of a row would all fall on the same few lines of the cache.</summary>
    public static int PanelRows(int rows) => rows | 1;
}

/// <summary>A task: ∂W += dyᵀ·x and ∂b += Σ dy for some rows of W, over all N positions, so that sums do not depend on who computes them.</summary>
internal unsafe readonly struct WeightGradient
{
    // Positions whose part of dy is packed at a time: two panels of x of so many stay in a core's nearest cache beside it.
    private const int BlockRows = 256, Positions = 128;
    private readonly float* _gradOutput, _input, _gradWeight, _gradBias;
    private readonly int _outputs, _inputs, _stride, _rows;
    private readonly FeatureStrides _inputStrides;

    private WeightGradient(float* gradOutput, int stride, float* input, int inputs, FeatureStrides inputStrides, float* gradWeight, float* gradBias, int outputs, int rows)
    {
        _gradOutput = gradOutput;
        _input = input;
        _gradWeight = gradWeight;
        _gradBias = gradBias;
        (_stride, _inputs, _inputStrides, _outputs, _rows) = (stride, inputs, inputStrides, outputs, rows);
    }

    /// <summary>Scratch memory that a task needs.</summary>
    public const int ScratchFloats = BlockRows * (Positions | 1);

    /// <summary>Cuts a layer's weight gradient into tasks.</summary>
    /// <param name="tasks">Where they go.</param>
    /// <param name="gradOutput">dy, (rows, stride), of which the first <paramref name="outputs"/> count.</param>
    /// <param name="stride">Length of a row of dy in memory.</param>
    /// <param name="outputs">Rows of W.</param>
    /// <param name="input">x, (rows, inputs).</param>
    /// <param name="inputs">Columns of W.</param>
    /// <param name="inputStrides">How x lies in memory; where it lies in panels, outputs and inputs are multiples of 16.</param>
    /// <param name="gradWeight">∂W, (outputs, inputs).</param>
    /// <param name="gradBias">∂b, (outputs), or null.</param>
    /// <param name="rows">N.</param>
    public static void Cut(
        List<WeightGradient> tasks, float* gradOutput, int stride, int outputs, float* input, int inputs, FeatureStrides inputStrides, float* gradWeight, float* gradBias, int rows)
    {
        var blocks = (outputs + BlockRows - 1) / BlockRows;
        var size = Lanes.RoundUp((outputs + blocks - 1) / blocks);
        for (var from = 0; from < outputs; from += size)
            tasks.Add(new WeightGradient(
                gradOutput + from, stride, input, inputs, inputStrides, gradWeight + (long)from * inputs, gradBias == null ? null : gradBias + from, Math.Min(size, outputs - from), rows));
    }

    /// <summary>Computes it.</summary>
    /// <param name="scratch"><see cref="ScratchFloats"/> floats.</param>
    public void Run(float* scratch)
    {
        if (_inputStrides.InPanels)
            MultiplyPanels(scratch);
        else
            Blas.Sgemm(true, false, _outputs, _inputs, _rows, 1, _gradOutput, _stride, _input, (int)_inputStrides.Row, 1, _gradWeight, _inputs);
        if (_gradBias != null)
            for (var i = 0; i < _outputs; i += Lanes.Width)
                AddColumns(i, Math.Min(Lanes.Width, _outputs - i));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyPanels(float* scratch)
    {
        var blocks = (_rows + Positions - 1) / Positions;
        var size = (_rows + blocks - 1) / blocks;
        for (var from = 0; from < _rows; from += size)
        {
            var count = Math.Min(size, _rows - from);
            var group = (nint)FeatureStrides.PanelRows(count) * Lanes.Width;
            Panels.Columns(_gradOutput + (long)from * _stride, _stride, count, _outputs / Lanes.Width, scratch, group);
            PanelProduct.AddTransposed(
                scratch, Lanes.Width, group, _outputs, count, _input + (long)from * Lanes.Width, _inputStrides.Group, _inputs / Lanes.Width, _gradWeight, _inputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddColumns(int from, int count)
    {
        var sum = Vector512<float>.Zero;
        var column = _gradOutput + from;
        for (var row = 0; row < _rows; row++, column += _stride)
            sum += Lanes.Load(column, count);
        Lanes.Store(Lanes.Load(_gradBias + from, count) + sum, _gradBias + from, count);
    }
}
