using LlmRL.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Models.Operators;

/// <summary>
/// Attention in ATen operators over sequences padded on the right, softmax(QKᵀ/√E + mask)·V per head: libtorch's fused one (Dao 2023, arXiv 2307.08691, and its like),
/// which keeps no T × T weights, where there is one (libtorch 2.0 and later), else by the formula.
/// </summary>
internal sealed class OperatorAttention(ModelConfig config, Device device) : IDisposable
{
    // Strides of masks stay multiples of what fused kernels load at once.
    private const int MaskUnit = 64;
    private static readonly Operator FusedOperator = Operator.Get("aten::scaled_dot_product_attention");
    private static readonly bool HasGroupedHeads = FusedOperator.Exists && FusedOperator.Schema.Contains("enable_gqa", StringComparison.Ordinal);
    private readonly Dictionary<int, Tensor> masks = [];

    /// <summary>Whether libtorch has fused attention.</summary>
    public static bool HasFused { get; } = FusedOperator.Exists;

    /// <summary>Whether it is used; otherwise T × T weights are multiplied, as on libtorch 1.</summary>
    public bool UsesFused { get => field && HasFused; set; } = true;

    /// <summary>Mixes values; (B, T, heads, E) each, K heads of keys and values → (B·T, H·E).</summary>
    /// <param name="query">(B, T, H, E).</param>
    /// <param name="key">(B, T, K, E), each head of which serves H / K neighbouring query heads.</param>
    /// <param name="value">(B, T, K, E).</param>
    /// <param name="window">A token sees itself and the window − 1 ones before it.</param>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, int window)
    {
        var (size, length) = (query.size(0), (int)query.size(1));
        var mixed = UsesFused
            ? Fused(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), length, window)
            : ByFormula(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), length, window);
        return mixed.transpose(1, 2).reshape(size * length, config.NumHeads * config.HeadDim);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var mask in masks.Values)
            mask.Dispose();
        masks.Clear();
    }

    /// <summary>Without a window causality is the operator's own: no mask is read, and memory grows with T.</summary>
    private Tensor Fused(Tensor query, Tensor key, Tensor value, int length, int window)
    {
        if (window < length)
            return FusedOperator.Call(query, Share(key, length), Share(value, length), Mask(length, window, query.dtype), 0.0, false);
        // Of the fused kernels only those of 16-bit numbers on a GPU know heads in groups: elsewhere all T × T weights would be made.
        if (config.NumHeads != config.NumKeyValueHeads && HasGroupedHeads && device.type == DeviceType.CUDA && query.dtype == ScalarType.BFloat16)
            return FusedOperator.Call(query, key, value, Argument.Default, 0.0, true, Argument.Default, true);
        return FusedOperator.Call(query, Share(key, length), Share(value, length), Argument.Default, 0.0, true);
    }

    /// <summary>The same with whole T × T weights, in float32.</summary>
    private Tensor ByFormula(Tensor query, Tensor key, Tensor value, int length, int window)
    {
        Tensor Flat(Tensor x) => x.to_type(ScalarType.Float32).reshape(-1, length, config.HeadDim);
        var scores = Flat(query).bmm(Flat(Share(key, length)).transpose(1, 2)) * (1 / Math.Sqrt(config.HeadDim));
        var weights = (scores + Mask(length, window, query.dtype)).softmax(-1);
        return weights.bmm(Flat(Share(value, length))).view(-1, config.NumHeads, length, config.HeadDim).to_type(query.dtype);
    }

    /// <summary>Repeats each key/value head for the query heads that share it, (B, K, T, E) → (B, H, T, E).</summary>
    private Tensor Share(Tensor x, int length)
    {
        var (heads, groups, width) = (config.NumHeads, config.NumKeyValueHeads, config.HeadDim);
        return heads == groups ? x : x.unsqueeze(2).expand(x.size(0), groups, heads / groups, length, width).reshape(x.size(0), heads, length, width);
    }

    /// <summary>
    /// 0 where a position (row) sees another (column), itself and the window − 1 ones before it, −∞ elsewhere, (T, T). One table a window, as long as the longest batch so
    /// far; of the type of what it is added to, for of another type every layer would make and keep a copy.
    /// </summary>
    private Tensor Mask(int length, int window, ScalarType dtype)
    {
        window = Math.Min(window, length);
        var key = window < length ? window : int.MaxValue;
        if (!masks.TryGetValue(key, out var mask) || mask.size(0) < length)
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            mask?.Dispose();
            var size = (length + MaskUnit - 1) / MaskUnit * MaskUnit;
            var nothing = full([size, size], double.NegativeInfinity, dtype: ScalarType.Float32, device: device);
            mask = masks[key] = (window < length ? nothing.triu(1) + nothing.tril(-window) : nothing.triu(1)).to_type(dtype).DetachFromDisposeScope();
        }

        return mask.narrow(0, 0, length).narrow(1, 0, length);
    }
}
