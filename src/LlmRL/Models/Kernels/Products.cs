using System.Runtime.CompilerServices;
using LlmRL.Native;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>A linear layer y = x·Wᵀ + b and its gradients over rows; W is (outputs, inputs), multiplied from its panels where there are any (<see cref="WeightPanels"/>).</summary>
internal static unsafe class Products
{
    /// <summary>y = x·Wᵀ + b, or y = start + x·Wᵀ + b where <paramref name="start"/>, (rows, outputs), is given; it may be y itself.</summary>
    public static void Forward(float* x, int rows, int inputs, float* weight, float* panels, float* bias, int outputs, float* y, float* start = null)
    {
        if (start != y && start != null && bias == null)
            Buffer.MemoryCopy(start, y, (long)rows * outputs * sizeof(float), (long)rows * outputs * sizeof(float));
        else if (bias != null)
            for (var row = 0L; row < rows; row++)
                AddBias(start == null ? null : start + row * outputs, bias, y + row * outputs, outputs);
        var adds = start != null || bias != null;
        if (panels != null)
            PanelProduct.MultiplyRows(x, inputs, inputs, rows, panels, (nint)inputs * Lanes.Width, outputs / Lanes.Width, y, outputs, adds);
        else
            Blas.Sgemm(false, true, rows, outputs, inputs, 1, x, inputs, weight, inputs, adds ? 1 : 0, y, outputs);
    }

    /// <summary>dx = dy·W.</summary>
    public static void InputGradient(float* gradOutput, int rows, int outputs, float* weight, float* panels, int inputs, float* gradInput)
    {
        if (panels != null)
            PanelProduct.MultiplyRows(gradOutput, outputs, outputs, rows, panels, (nint)outputs * Lanes.Width, inputs / Lanes.Width, gradInput, inputs, accumulate: false);
        else
            Blas.Sgemm(false, false, rows, inputs, outputs, 1, gradOutput, outputs, weight, inputs, 0, gradInput, inputs);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBias(float* start, float* bias, float* y, int width)
    {
        for (var i = 0; i < width; i += Lanes.Width)
        {
            var value = Lanes.Load(bias + i, width - i);
            Lanes.Store(start == null ? value : value + Lanes.Load(start + i, width - i), y + i, width - i);
        }
    }
}
