using System.Numerics;
using LlmRL.Models;
using LlmRL.Models.Kernels;
using LlmRL.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>Settings of <see cref="AdamW"/>.</summary>
public sealed record AdamWOptions
{
    /// <summary>β₁: decay of the gradient's average.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂: decay of the squared gradient's average.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε beside √v̂.</summary>
    public double Epsilon { get; init; } = 1e-5;

    /// <summary>Decoupled weight decay λ, on matrices only.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Gradients are scaled down to this norm where theirs is larger; 0: never.</summary>
    public double MaxGradNorm { get; init; } = 1;
}

/// <summary>
/// AdamW over a flat parameter buffer, one pass over memory (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2):
/// m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − lr·λθ − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε).
/// The gradient is scaled by min(1, max_norm/(‖g‖ + 1e-6)) on the way, as PyTorch's <c>clip_grad_norm_</c> does.
/// </summary>
public sealed partial class AdamW : IDisposable
{
    private readonly FlatParameters parameters;
    private readonly AdamWOptions options;
    private readonly MomentChunk[] chunks;

    /// <summary>Reserves the optimizer's state, in the memory that the weights are in.</summary>
    public AdamW(FlatParameters parameters, AdamWOptions options)
        : this(parameters, options, new MomentTensors(parameters.Count, parameters.Values.device))
    {
    }

    /// <summary>Keeps the optimizer's state elsewhere.</summary>
    /// <param name="parameters">What is trained.</param>
    /// <param name="options">Settings.</param>
    /// <param name="moments">m and v; owned.</param>
    internal AdamW(FlatParameters parameters, AdamWOptions options, IMoments moments)
    {
        if (!parameters.Trainable)
            throw new ArgumentException("the model keeps no gradients", nameof(parameters));
        (this.parameters, this.options, Moments, chunks) = (parameters, options, moments, MomentChunk.Of(parameters));
    }

    /// <summary>t: how many steps were taken.</summary>
    public long StepCount { get; set; }

    /// <summary>m, flat.</summary>
    /// <exception cref="InvalidOperationException">It is in a file.</exception>
    public Tensor Moment => InMemory.First;

    /// <summary>v, flat.</summary>
    /// <exception cref="InvalidOperationException">It is in a file.</exception>
    public Tensor SquaredMoment => InMemory.Second;

    /// <summary>m and v, wherever they are.</summary>
    internal IMoments Moments { get; }

    /// <summary>Whether the step is one pass of vector code over host memory. Otherwise it composes ATen operators: on other devices, and to test those on the CPU.</summary>
    internal bool UsesKernels { get => field && parameters.Values.device_type == DeviceType.CPU; set; } = CpuKernels.AreWanted;

    /// <summary>Takes one step and zeroes the gradients.</summary>
    /// <param name="learningRate">lr of this step.</param>
    /// <returns>‖g‖₂ before clipping.</returns>
    /// <exception cref="NonFiniteException">The gradient is not finite; weights and state are untouched.</exception>
    public double Step(double learningRate) => Step(learningRate, FiniteGradientNorm());

    /// <summary>‖g‖₂, for models that take a step together or not at all.</summary>
    /// <exception cref="NonFiniteException">It is not finite.</exception>
    public double FiniteGradientNorm()
    {
        using var guard = no_grad();
        var norm = GradientNorm();
        return double.IsFinite(norm) ? norm : throw new NonFiniteException($"the gradient norm is {norm}");
    }

    /// <summary>Takes one step with a gradient whose norm is known.</summary>
    /// <param name="learningRate">lr of this step.</param>
    /// <param name="norm">From <see cref="FiniteGradientNorm"/>.</param>
    /// <returns>The norm.</returns>
    public double Step(double learningRate, double norm)
    {
        using var guard = no_grad();
        StepCount++;
        var scale = options.MaxGradNorm > 0 ? Math.Min(1, options.MaxGradNorm / (norm + 1e-6)) : 1;
        if (UsesKernels)
            StepOnCpu(learningRate, scale);
        else if (UsesFusedOperator)
            StepFused(learningRate, scale);
        else
            StepOnDevice(learningRate, scale);
        parameters.MarkChanged();
        parameters.ZeroGradients();
        return norm;
    }

    /// <inheritdoc/>
    public void Dispose() => Moments.Dispose();

    private MomentTensors InMemory => Moments as MomentTensors ?? throw new InvalidOperationException("the moments are in a file, which the CPU's kernels alone read");

    private unsafe double GradientNorm()
    {
        var gradients = parameters.Gradients!;
        if (!UsesKernels)
        {
            using var norm = gradients.norm();
            return norm.item<float>();
        }

        var pointer = (float*)NativeTorch.DataPointer(gradients);
        var count = parameters.Count;
        const int chunk = MomentChunk.Length;
        var sums = new double[(count + chunk - 1) / chunk];
        Parallel.For(0, sums.Length, c =>
        {
            var span = new ReadOnlySpan<float>(pointer + (long)c * chunk, (int)Math.Min(chunk, count - (long)c * chunk));
            sums[c] = SumOfSquares(span);
        });
        return Math.Sqrt(sums.Sum());
    }

    /// <summary>Σ x² in double precision.</summary>
    private static double SumOfSquares(ReadOnlySpan<float> values)
    {
        var sumLow = Vector<double>.Zero;
        var sumHigh = Vector<double>.Zero;
        var i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(values[i..]), out var low, out var high);
            sumLow += low * low;
            sumHigh += high * high;
        }

        var sum = Vector.Sum(sumLow + sumHigh);
        for (; i < values.Length; i++)
            sum += (double)values[i] * values[i];
        return sum;
    }

    private unsafe void StepOnCpu(double learningRate, double scale)
    {
        float* w = (float*)NativeTorch.DataPointer(parameters.Values), g = (float*)NativeTorch.DataPointer(parameters.Gradients!);
        var rates = Rates(learningRate, scale);
        var decayed = 1 - (float)(learningRate * options.WeightDecay);
        try
        {
            Parallel.ForEach(chunks, chunk => Moments.Update(chunk, (m, v) => Update(w + chunk.Start, g + chunk.Start, m, v, chunk.Count, chunk.Decays ? decayed : 1f, rates)));
        }
        catch (AggregateException fault) when (fault.InnerExceptions.OfType<IOException>().FirstOrDefault() is { } error)
        {
            throw new IOException($"AdamW's moments, which are on the disk, could not be read or written: {error.Message} The step was not finished; go on from the last checkpoint with --resume.", fault);
        }
    }

    private StepRates Rates(double learningRate, double scale)
    {
        var correction1 = 1 - Math.Pow(options.Beta1, StepCount);
        var correction2 = 1 - Math.Pow(options.Beta2, StepCount);
        // 1 − β is taken in double precision: 1f − 0.999f would be off by 5e-5 of itself.
        return new((float)options.Beta1, (float)options.Beta2, (float)(1 - options.Beta1), (float)(1 - options.Beta2), (float)scale, (float)(learningRate / correction1), (float)(1 / Math.Sqrt(correction2)), (float)options.Epsilon);
    }

    private static unsafe void Update(float* w, float* g, float* m, float* v, int count, float keep, StepRates rates)
    {
        var i = 0;
        var width = Vector<float>.Count;
        for (; i <= count - width; i += width)
        {
            var gradient = Vector.Load(g + i) * rates.Scale;
            var first = Vector.Load(m + i) * rates.Beta1 + gradient * rates.Rest1;
            var second = Vector.Load(v + i) * rates.Beta2 + gradient * gradient * rates.Rest2;
            Vector.Store(first, m + i);
            Vector.Store(second, v + i);
            var denominator = Vector.SquareRoot(second) * rates.InverseRootCorrection + new Vector<float>(rates.Epsilon);
            Vector.Store(Vector.Load(w + i) * keep - first * rates.LearningRate / denominator, w + i);
        }

        for (; i < count; i++)
        {
            var gradient = g[i] * rates.Scale;
            m[i] = m[i] * rates.Beta1 + gradient * rates.Rest1;
            v[i] = v[i] * rates.Beta2 + gradient * gradient * rates.Rest2;
            w[i] = w[i] * keep - m[i] * rates.LearningRate / (MathF.Sqrt(v[i]) * rates.InverseRootCorrection + rates.Epsilon);
        }
    }

    private void StepOnDevice(double learningRate, double scale)
    {
        using var scope = NewDisposeScope();
        var rates = Rates(learningRate, scale);
        var gradient = parameters.Gradients!.mul_(rates.Scale);
        Moment.mul_(rates.Beta1).add_(gradient, rates.Rest1);
        SquaredMoment.mul_(rates.Beta2).addcmul_(gradient, gradient, rates.Rest2);
        if (options.WeightDecay != 0)
        {
            foreach (var spec in parameters.Specs.Where(spec => spec.Decays))
                parameters[spec.Name].mul_(1 - learningRate * options.WeightDecay);
        }

        parameters.Values.addcdiv_(Moment, SquaredMoment.sqrt().mul_(rates.InverseRootCorrection).add_(rates.Epsilon), -rates.LearningRate);
    }

    private readonly record struct StepRates(
        float Beta1, float Beta2, float Rest1, float Rest2, float Scale, float LearningRate, float InverseRootCorrection, float Epsilon);
}
