using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// The weights that the next phase multiplies by, in panels for <see cref="PanelProduct"/>: packed once for all rows, where BLAS packs them again for every tile.
/// A phase between two attentions needs one layer's first projection and a neighbour's other weights; they are packed beside the attention before it.
/// </summary>
internal sealed unsafe class WeightPanels
{
    private const int GroupsPerTask = 4;
    private readonly DecoderWeights _weights;
    private readonly BlockShape _shape;
    private readonly bool _forward;
    private readonly int _attentionTasks;

    /// <summary>Prepares packing.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="forward">Whether for y = x·Wᵀ, in panels of 16 outputs, or for dx = dy·W, in panels of 16 inputs.</param>
    /// <param name="at"><see cref="Floats"/> floats.</param>
    public WeightPanels(DecoderWeights weights, bool forward, float* at)
    {
        (_weights, _shape, _forward) = (weights, new BlockShape(weights.Config), forward);
        if (!Fit(_shape))
            return;
        Qkv = at;
        Output = Qkv + (long)_shape.Qkv * _shape.Width;
        Up = Output + (long)_shape.Width * _shape.Mixed;
        Down = Up + (long)_shape.Up * _shape.Width;
        _attentionTasks = TaskCount(_shape.Qkv, _shape.Width);
        Tasks = _attentionTasks + TaskCount(_shape.Width, _shape.Mixed) + TaskCount(_shape.Up, _shape.Width) + TaskCount(_shape.Width, _shape.Inner);
    }

    /// <summary>The panels of each weight; null where BLAS multiplies instead.</summary>
    public float* Qkv { get; }

    /// <inheritdoc cref="Qkv"/>
    public float* Output { get; }

    /// <inheritdoc cref="Qkv"/>
    public float* Up { get; }

    /// <inheritdoc cref="Qkv"/>
    public float* Down { get; }

    /// <summary>Into how many tasks packing falls.</summary>
    public int Tasks { get; }

    /// <summary>Whether a model's widths and the processor allow it.</summary>
    public static bool Fit(BlockShape shape) =>
        Avx512F.IsSupported && (shape.Width | shape.Qkv | shape.Mixed | shape.Inner | shape.Up) % Lanes.Width == 0;

    /// <summary>Memory for the panels.</summary>
    public static long Floats(BlockShape shape) => Fit(shape) ? (long)shape.Width * (shape.Qkv + shape.Mixed + shape.Up + shape.Inner) : 0;

    /// <summary>Packs a part of the weights.</summary>
    /// <param name="task">Which.</param>
    /// <param name="attention">The layer whose first projection is needed; one that there is not: none.</param>
    /// <param name="rest">The layer whose other weights are needed.</param>
    public void Run(int task, int attention, int rest)
    {
        var layer = task < _attentionTasks ? attention : rest;
        if (layer < 0 || layer >= _weights.Layers.Length)
            return;
        ref var w = ref _weights.Layers[layer];
        _ = Packs(ref task, w.Qkv, _shape.Qkv, _shape.Width, Qkv) || Packs(ref task, w.Output, _shape.Width, _shape.Mixed, Output)
            || Packs(ref task, w.Up, _shape.Up, _shape.Width, Up) || Packs(ref task, w.Down, _shape.Width, _shape.Inner, Down);
    }

    private int TaskCount(int outputs, int inputs) => ((_forward ? outputs : inputs) / Lanes.Width + GroupsPerTask - 1) / GroupsPerTask;

    /// <summary>Packs a part of this weight, or takes its tasks off the number.</summary>
    private bool Packs(ref int task, float* weight, int outputs, int inputs, float* panels)
    {
        var count = TaskCount(outputs, inputs);
        if (task >= count)
        {
            task -= count;
            return false;
        }

        int first = task * GroupsPerTask, groups = Math.Min(GroupsPerTask, (_forward ? outputs : inputs) / Lanes.Width - first);
        if (_forward)
            for (var group = first; group < first + groups; group++)
                Panels.ToPanel(weight + (long)group * Lanes.Width * inputs, inputs, Lanes.Width, inputs, panels + (long)group * Lanes.Width * inputs);
        else
            Panels.Columns(weight + first * Lanes.Width, inputs, outputs, groups, panels + (long)first * Lanes.Width * outputs, (nint)outputs * Lanes.Width);
        return true;
    }
}
