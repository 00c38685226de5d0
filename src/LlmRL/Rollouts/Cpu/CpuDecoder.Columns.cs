using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

// How columns enter the batch, and which of them go on to its end.
internal sealed unsafe partial class CpuDecoder
{
    private const int GatheredFeatures = 64;

    private void Embed(ref Phases phases)
    {
        while (phases.Next(Groups, 1, out var group, out _))
        {
            EmbedGroup(group, _residual.Pointer);
            if (_config.Positions == PositionKind.Rotary)
                LoadAngles(group);
        }

        phases.End();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private void EmbedGroup(int group, float* residual)
    {
        int width = _config.HiddenSize, first = group * Lanes, columns = Math.Min(Lanes, _columnCount - first);
        var panel = residual + (nint)first * width;
        var rows = stackalloc float[Lanes * Lanes];
        for (var f = 0; f < width; f += Lanes)
        {
            var features = Math.Min(Lanes, width - f);
            for (var lane = 0; lane < columns; lane++)
            {
                var value = Numerics.Lanes.Load(_weights.TokenEmbedding + (nint)Tokens[first + lane] * width + f, features);
                if (_config.Positions == PositionKind.Learned)
                    value += Numerics.Lanes.Load(_weights.PositionEmbedding + (nint)Positions[first + lane] * width + f, features);
                value.Store(rows + lane * Lanes);
            }

            Panels.ToPanel(rows, Lanes, columns, features, panel + (nint)f * Lanes);
        }
    }

    private void LoadAngles(int group)
    {
        var angles = _config.RotaryDim;
        var panel = _rotary.Pointer + (nint)group * angles * Lanes;
        for (var lane = 0; lane < Lanes; lane++)
        {
            var column = group * Lanes + lane;
            var source = _angles.Pointer + (column < _columnCount ? Positions[column] : 0) * (nint)angles;
            for (var i = 0; i < angles; i++)
                panel[i * Lanes + lane] = source[i];
        }
    }

    // Whether columns end in a layer: of what the uppermost one makes of a prompt, only keys and values are read again.
    private bool ColumnsEnd(int layer) => layer == _config.NumLayers - 1 && _logitRows < _columnCount;

    // The batch goes on with the columns of which logits are wanted: they move to its beginning.
    private void KeepLogitColumns(ref Phases phases) => KeepShared(ref phases, _config.HiddenSize);

    // Some features of the residual stream, and what all threads share.
    private void KeepShared(ref Phases phases, int features)
    {
        var angles = _config.Positions == PositionKind.Rotary ? _config.RotaryDim : 0;
        while (phases.Next(features + angles + 1, GatheredFeatures, out var from, out var to))
        {
            for (var i = from; i < to; i++)
            {
                if (i < features)
                    Gather(_residual.Pointer, _config.HiddenSize, i);
                else if (i < features + angles)
                    Gather(_rotary.Pointer, angles, i - features);
                else
                    KeepPlaces();
            }
        }

        phases.End();
    }

    // A row's column is never below it, so nothing is overwritten before it is read.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(float* panels, int width, int feature)
    {
        panels += feature * Lanes;
        nint group = (nint)width * Lanes;
        for (var row = 0; row < _logitRows; row++)
            panels[row / Lanes * group + row % Lanes] = panels[LogitColumns[row] / Lanes * group + LogitColumns[row] % Lanes];
    }

    private void KeepPlaces()
    {
        for (var row = 0; row < _logitRows; row++)
        {
            Positions[row] = Positions[LogitColumns[row]];
            Sequences[row] = Sequences[LogitColumns[row]];
        }

        _columnCount = _logitRows;
    }
}
