using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// RMSNorm y = x̂·w with x̂ = x·r, r = 1/√(mean(x²) + ε), and LayerNorm y = x̂·w + b with x̂ = (x − μ)·r, r = 1/√(var + ε), over rows. Per row only r (and μ)
/// are kept. A null mean pointer says RMSNorm.
/// </summary>
internal static unsafe class Norms
{
    /// <summary>Normalises rows.</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">D.</param>
    /// <param name="weight">w, (width).</param>
    /// <param name="bias">b, (width), or null.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="y">(rows, width).</param>
    /// <param name="mean">Receives μ, (rows); null for RMSNorm.</param>
    /// <param name="inverse">Receives r, (rows).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(float* x, int rows, int width, float* weight, float* bias, float epsilon, float* y, float* mean, float* inverse)
    {
        for (var row = 0; row < rows; row++, x += width, y += width)
        {
            var center = mean == null ? 0 : mean[row] = Sum(x, width) / width;
            inverse[row] = 1 / MathF.Sqrt(SumOfSquares(x, center, width) / width + epsilon);
            Apply(x, center, inverse[row], weight, bias, y, width);
        }
    }

    /// <summary>y = (x − μ)·r·w + b of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply(float* x, float mean, float inverse, float* weight, float* bias, float* y, int width)
    {
        Vector512<float> m = Vector512.Create(mean), r = Vector512.Create(inverse);
        for (var i = 0; i < width; i += Lanes.Width)
        {
            var count = width - i;
            var normalised = (Lanes.Load(x + i, count) - m) * r * Lanes.Load(weight + i, count);
            Lanes.Store(bias == null ? normalised : normalised + Lanes.Load(bias + i, count), y + i, count);
        }
    }

    /// <summary>
    /// dx = residual + r·(w·dy − mean(w·dy) − x̂·mean(w·dy·x̂)), without the first mean for RMSNorm; ∂w += Σ dy·x̂, ∂b += Σ dy over the rows; and y once more, which
    /// the gradient of the weights behind the norm needs.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(in NormGradient g, int rows, int width)
    {
        float* x = g.X, dy = g.GradOutput, dx = g.GradInput, residual = g.Residual;
        for (var row = 0; row < rows; row++, x += width, dy += width, dx += width, residual += width)
        {
            var mean = g.Mean == null ? 0 : g.Mean[row];
            var inverse = g.Inverse[row];
            Vector512<float> m = Vector512.Create(mean), r = Vector512.Create(inverse), sum = Vector512<float>.Zero, dot = Vector512<float>.Zero;
            for (var i = 0; i < width; i += Lanes.Width)
            {
                var count = width - i;
                var scaled = Lanes.Load(dy + i, count) * Lanes.Load(g.Weight + i, count);
                sum += scaled;
                dot = Vector512.FusedMultiplyAdd(scaled, (Lanes.Load(x + i, count) - m) * r, dot);
            }

            var c1 = Vector512.Create(g.Mean == null ? 0 : Vector512.Sum(sum) / width);
            var c2 = Vector512.Create(Vector512.Sum(dot) / width);
            var y = g.Output + row * g.OutputStrides.Row;
            for (var i = 0; i < width; i += Lanes.Width, y += g.OutputStrides.Group)
            {
                var count = width - i;
                Vector512<float> gradient = Lanes.Load(dy + i, count), weight = Lanes.Load(g.Weight + i, count);
                var normalised = (Lanes.Load(x + i, count) - m) * r;
                Lanes.Store((gradient * weight - c1 - normalised * c2) * r + (g.Residual == null ? Vector512<float>.Zero : Lanes.Load(residual + i, count)), dx + i, count);
                Lanes.Store(Vector512.FusedMultiplyAdd(gradient, normalised, Lanes.Load(g.GradWeight + i, count)), g.GradWeight + i, count);
                if (g.GradBias != null)
                    Lanes.Store(gradient + Lanes.Load(g.GradBias + i, count), g.GradBias + i, count);
                if (g.Output != null)
                    Lanes.Store(normalised * weight + (g.Bias == null ? Vector512<float>.Zero : Lanes.Load(g.Bias + i, count)), y, count);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(float* x, int width)
    {
        Vector512<float> even = Vector512<float>.Zero, odd = Vector512<float>.Zero;
        for (var i = 0; i < width; i += 2 * Lanes.Width)
        {
            even += Lanes.Load(x + i, width - i);
            if (i + Lanes.Width < width)
                odd += Lanes.Load(x + i + Lanes.Width, width - i - Lanes.Width);
        }

        return Vector512.Sum(even + odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfSquares(float* x, float center, int width)
    {
        Vector512<float> even = Vector512<float>.Zero, odd = Vector512<float>.Zero, c = Vector512.Create(center);
        var i = 0;
        for (; i + 2 * Lanes.Width <= width; i += 2 * Lanes.Width)
        {
            Vector512<float> a = Vector512.Load(x + i) - c, b = Vector512.Load(x + i + Lanes.Width) - c;
            even = Vector512.FusedMultiplyAdd(a, a, even);
            odd = Vector512.FusedMultiplyAdd(b, b, odd);
        }

        for (; i < width; i += Lanes.Width)
        {
            var a = Lanes.Keep(Lanes.Load(x + i, width - i) - c, width - i, Vector512<float>.Zero);
            even = Vector512.FusedMultiplyAdd(a, a, even);
        }

        return Vector512.Sum(even + odd);
    }
}

/// <summary>What the backward pass of a norm reads and writes; rows of D floats unless said otherwise.</summary>
internal unsafe struct NormGradient
{
    /// <summary>The norm's input, its weight and bias (D), μ and r (one per row); null mean: RMSNorm.</summary>
    public float* X, Weight, Bias, Mean, Inverse;

    /// <summary>∂loss/∂y, and what is added to ∂loss/∂x (the residual branch) or null.</summary>
    public float* GradOutput, Residual;

    /// <summary>∂loss/∂x; may be <see cref="Residual"/> itself.</summary>
    public float* GradInput;

    /// <summary>y once more, or null, and how it lies in memory.</summary>
    public float* Output;

    /// <inheritdoc cref="Output"/>
    public FeatureStrides OutputStrides;

    /// <summary>∂loss/∂w and ∂loss/∂b are added here, (D); a null bias gradient: there is no bias.</summary>
    public float* GradWeight, GradBias;
}
