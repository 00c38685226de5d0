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
        float* x = g.X, dy = g.GradOutput, dx = g.GradInput, residual = g.Residual, w = g.Weight, bias = g.Bias, gradWeight = g.GradWeight, gradBias = g.GradBias, output = g.Output;
        var strides = g.OutputStrides;
        for (var row = 0; row < rows; row++, x += width, dy += width, dx += width, output += strides.Row)
        {
            Vector512<float> m = Vector512.Create(g.Mean == null ? 0 : g.Mean[row]), r = Vector512.Create(g.Inverse[row]);
            Vector512<float> sum = Vector512<float>.Zero, even = Vector512<float>.Zero, odd = Vector512<float>.Zero;
            for (var i = 0; i < width; i += 2 * Lanes.Width)
            {
                // Where the row ends within these two registers, the rest are zeros.
                int count = width - i, next = Math.Max(0, count - Lanes.Width);
                Vector512<float> first = Lanes.Load(dy + i, count) * Lanes.Load(w + i, count), second = Vector512<float>.Zero;
                even = Vector512.FusedMultiplyAdd(first, (Lanes.Load(x + i, count) - m) * r, even);
                if (next > 0)
                {
                    second = Lanes.Load(dy + i + Lanes.Width, next) * Lanes.Load(w + i + Lanes.Width, next);
                    odd = Vector512.FusedMultiplyAdd(second, (Lanes.Load(x + i + Lanes.Width, next) - m) * r, odd);
                }

                sum += first + second;
            }

            var c1 = Vector512.Create(g.Mean == null ? 0 : Vector512.Sum(sum) / width);
            var c2 = Vector512.Create(Vector512.Sum(even + odd) / width);
            var y = output;
            for (var i = 0; i < width; i += Lanes.Width, y += strides.Group)
            {
                var count = width - i;
                Vector512<float> gradient = Lanes.Load(dy + i, count), weight = Lanes.Load(w + i, count);
                var normalised = (Lanes.Load(x + i, count) - m) * r;
                var change = (gradient * weight - c1 - normalised * c2) * r;
                Lanes.Store(residual == null ? change : change + Lanes.Load(residual + i, count), dx + i, count);
                Lanes.Store(Vector512.FusedMultiplyAdd(gradient, normalised, Lanes.Load(gradWeight + i, count)), gradWeight + i, count);
                if (gradBias != null)
                    Lanes.Store(gradient + Lanes.Load(gradBias + i, count), gradBias + i, count);
                if (output != null)
                    Lanes.Store(bias == null ? normalised * weight : Vector512.FusedMultiplyAdd(normalised, weight, Lanes.Load(bias + i, count)), y, count);
            }

            residual = residual == null ? null : residual + width;
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
