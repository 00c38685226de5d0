using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// All weights of a model in one contiguous float32 buffer and all gradients in another; each parameter is a view. Zeroing, norm clipping, the
/// optimizer's step and copying to a reference model are one pass each.
/// </summary>
/// <remarks>
/// Passes may read bfloat16 instead (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1): <see cref="Values"/> stays the float32 master copy, which the optimizer
/// changes and files hold, gradients are added up in float32, and <see cref="Weight"/> gives a bfloat16 copy, half as large, that is brought up to date after each change.
/// A frozen model needs no masters: then <see cref="Values"/> itself is bfloat16.
/// </remarks>
public sealed class FlatParameters : IDisposable
{
    private const int InitialBlock = 4096, InitialPiece = 64 * InitialBlock;

    private readonly Dictionary<string, int> indexByName = new(StringComparer.Ordinal);
    private readonly Tensor[] views;
    private readonly Tensor[] gradientViews;
    private readonly WorkingCopy? working;

    /// <summary>Reserves zeroed buffers.</summary>
    /// <param name="specs">The parameters in memory order.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="dtype">What passes read: float32, or bfloat16.</param>
    /// <param name="masters">Whether a frozen model of bfloat16 has float32 values beside it; a trainable one always has.</param>
    public FlatParameters(IReadOnlyList<ParameterSpec> specs, Device device, bool trainable, ScalarType dtype = ScalarType.Float32, bool masters = true)
    {
        if (dtype is not (ScalarType.Float32 or ScalarType.BFloat16))
            throw new ArgumentException($"weights are float32 or bfloat16, not {dtype}", nameof(dtype));
        (Specs, DType) = (specs, dtype);
        Offsets = new long[specs.Count];
        for (var i = 0; i < specs.Count; i++)
        {
            indexByName.Add(specs[i].Name, i);
            Offsets[i] = Count;
            Count += specs[i].Elements;
        }

        using var scope = NewDisposeScope();
        Values = FlatBuffer.Zeros(Count, trainable || masters ? ScalarType.Float32 : dtype, device);
        Gradients = trainable ? FlatBuffer.Zeros(Count, ScalarType.Float32, device) : null;
        views = new Tensor[specs.Count];
        gradientViews = new Tensor[trainable ? specs.Count : 0];
        for (var i = 0; i < specs.Count; i++)
        {
            views[i] = Values.narrow(0, Offsets[i], specs[i].Elements).view(specs[i].Shape).DetachFromDisposeScope();
            if (Gradients is null)
                continue;
            views[i].requires_grad_();
            gradientViews[i] = Gradients.narrow(0, Offsets[i], specs[i].Elements).view(specs[i].Shape).DetachFromDisposeScope();
            views[i].grad = gradientViews[i];
        }

        if (Values.dtype != dtype)
            working = new WorkingCopy(this);
    }

    /// <summary>The type of what passes read, <see cref="Weight"/>.</summary>
    public ScalarType DType { get; }

    /// <summary>The parameters in memory order.</summary>
    public IReadOnlyList<ParameterSpec> Specs { get; }

    /// <summary>Where each parameter starts, in elements.</summary>
    public long[] Offsets { get; }

    /// <summary>Number of elements of all parameters.</summary>
    public long Count { get; }

    /// <summary>The weights, shape (Count): float32, but for frozen models of bfloat16 without masters.</summary>
    public Tensor Values { get; }

    /// <summary>The gradients, shape (Count), or null where the model is frozen.</summary>
    public Tensor? Gradients { get; }

    /// <summary>Whether gradients are kept.</summary>
    public bool Trainable => Gradients is not null;

    /// <summary>One parameter, a view of <see cref="Values"/>.</summary>
    public Tensor this[string name] => views[indexByName[name]];

    /// <summary>One parameter's gradient, a view of <see cref="Gradients"/>.</summary>
    public Tensor Gradient(string name) => gradientViews[indexByName[name]];

    /// <summary>One parameter, or null where the architecture has none of this name.</summary>
    public Tensor? Find(string name) => indexByName.TryGetValue(name, out var index) ? views[index] : null;

    /// <summary>One parameter as passes read it, of type <see cref="DType"/>; where gradients are enabled, its own are added to <see cref="Gradients"/> in float32.</summary>
    /// <remarks>Without gradients it is the same memory at every call, which the next call brings up to date where <see cref="Values"/> has changed.</remarks>
    public Tensor Weight(string name) => working?.Weight(indexByName[name]) ?? this[name];

    /// <summary>Rows of a parameter as passes read it, (N, columns); their gradients are added up in float32, however often a row is read.</summary>
    /// <param name="name">A matrix.</param>
    /// <param name="ids">Which rows, (N), int64.</param>
    public Tensor Rows(string name, Tensor ids) => working?.Rows(indexByName[name], ids) ?? Native.Functional.embedding(this[name], ids);

    /// <summary>Says that <see cref="Values"/> was written by its address; what operators write is noticed.</summary>
    public void MarkChanged() => working?.MarkChanged();

    /// <summary>Sets all gradients to zero.</summary>
    public void ZeroGradients() => Gradients?.zero_();

    /// <summary>Copies all weights of another model of the same layout.</summary>
    public void CopyFrom(FlatParameters other) => MixIn(other, 1);

    /// <summary>w ← α·w' + (1 − α)·w for all weights w' of another model of the same layout.</summary>
    public void MixIn(FlatParameters other, double alpha)
    {
        if (other.Count != Count)
            throw new ArgumentException($"the other model has {other.Count} parameters, this one {Count}");
        using var guard = no_grad();
        if (alpha == 1)
            Values.copy_(other.Values);
        else
            Values.mul_(1 - alpha).add_(other.Values, alpha);
    }

    /// <summary>Draws fresh weights; see <see cref="ParameterInit"/>.</summary>
    /// <param name="config">The architecture: its initializer range and depth.</param>
    /// <param name="seed">Each parameter has its own stream, so that adding one does not change the others.</param>
    /// <param name="only">Name of the one parameter that is drawn, the others left as they are; null: all.</param>
    public void Initialize(ModelConfig config, ulong seed, string? only = null)
    {
        using var guard = no_grad();
        foreach (var spec in Specs.Where(spec => only is null || spec.Name == only))
        {
            var std = spec.Init switch
            {
                ParameterInit.Normal => config.InitializerRange,
                ParameterInit.ResidualNormal => config.InitializerRange / Math.Sqrt(2.0 * config.NumLayers),
                ParameterInit.ScalarHead => 1 / Math.Sqrt(config.HiddenSize + 1.0),
                _ => 0,
            };
            var key = CounterRandom.Key(seed, CounterRandom.Hash(spec.Name));
            if (spec.Init == ParameterInit.KaimingUniform)
            {
                var values = new float[spec.Elements];
                FillUniform(values, 1 / Math.Sqrt(spec.Shape[1]), new RandomStream(key));
                using var source = tensor(values, spec.Shape);
                this[spec.Name].copy_(source);
            }
            else if (std == 0)
                this[spec.Name].fill_(spec.Init == ParameterInit.One ? 1f : 0f);
            else
                DrawNormal(Offsets[indexByName[spec.Name]], spec.Elements, std, key);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        working?.Dispose();
        foreach (var view in views.Concat(gradientViews))
            view.Dispose();
        Gradients?.Dispose();
        Values.Dispose();
    }

    private static void FillUniform(Span<float> values, double bound, RandomStream stream)
    {
        foreach (ref var value in values)
            value = (float)(bound * (2 * stream.NextDouble() - 1));
    }

    /// <summary>A piece at a time: the embedding of a large vocabulary would otherwise be held three times.</summary>
    private void DrawNormal(long offset, long count, double std, ulong key)
    {
        var values = new float[Math.Min(count, InitialPiece)];
        for (var first = 0L; first < count; first += values.Length)
        {
            using var scope = NewDisposeScope();
            var length = (int)Math.Min(values.Length, count - first);
            FillNormal(values, length, std, key, first);
            Values.narrow(0, offset + first, length).copy_(tensor(values).narrow(0, 0, length));
        }
    }

    private static void FillNormal(float[] values, int count, double std, ulong key, long first) =>
        Parallel.For(0, (count + InitialBlock - 1) / InitialBlock, block =>
        {
            var start = block * InitialBlock;
            Span<double> uniform = stackalloc double[InitialBlock];
            FillNormal(values.AsSpan(start, Math.Min(InitialBlock, count - start)), std, key, (ulong)(first + start), uniform);
        });

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FillNormal(Span<float> values, double std, ulong key, ulong counter, Span<double> uniform)
    {
        CounterRandom.Uniforms(key, counter, uniform[..((values.Length + 1) / 2 * 2)]);
        // Box–Muller gives two independent numbers from each pair of uniform ones.
        for (var i = 0; i < values.Length; i += 2)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - uniform[i])) * std;
            var (sin, cos) = Math.SinCos(2 * Math.PI * uniform[i + 1]);
            values[i] = (float)(radius * cos);
            if (i + 1 < values.Length)
                values[i + 1] = (float)(radius * sin);
        }
    }
}
