using LlmRL.Models;
using LlmRL.Native;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Rollouts.Device;

/// <summary>
/// Attention of one token of each slot over the slot's cache, as every layer of one step uses it. As many positions are read of each slot, whatever
/// it has: a mask made from the positions hides the rest, so that shapes do not change from step to step.
/// </summary>
internal sealed class CacheAttention
{
    private readonly ModelConfig config;
    private readonly DecodeState state;
    private readonly int slots, heads, groups, width, length;
    private readonly Dictionary<int, Tensor> masks;
    private readonly Tensor place;

    /// <summary>Makes the masks.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="state">The cache.</param>
    /// <param name="positions">Position of each slot's token, (S), below <paramref name="length"/>.</param>
    /// <param name="length">How many positions are read.</param>
    public CacheAttention(ModelConfig config, DecodeState state, Tensor positions, int length)
    {
        (this.config, this.state, this.length) = (config, state, length);
        (slots, heads, groups, width) = (state.Shape.Slots, config.NumHeads, config.NumKeyValueHeads, config.HeadDim);
        place = positions.view(-1, 1, 1, 1).expand(slots, groups, 1, width);
        masks = Enumerable.Range(0, config.NumLayers).Select(Window).Distinct().ToDictionary(window => window, window => Mask(positions.unsqueeze(1), window));
    }

    /// <summary>Whether libtorch has attention as one operator (2.0 and later).</summary>
    private static bool IsFused { get; } = Ops.Exists("aten::scaled_dot_product_attention");

    /// <summary>Adds the tokens' keys and values to the cache and attends: softmax(qKᵀ/√E + mask) V per head.</summary>
    /// <param name="query">(S, H, E), rotated.</param>
    /// <param name="key">(S, K, E), rotated.</param>
    /// <param name="value">(S, K, E).</param>
    /// <param name="layer">The layer.</param>
    /// <returns>(S, H·E).</returns>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, int layer)
    {
        var type = state.Keys[layer].dtype;
        state.Keys[layer].scatter_(2, place, key.unsqueeze(2).to_type(type));
        state.Values[layer].scatter_(2, place, value.unsqueeze(2).to_type(type));
        var (keys, values) = (Read(state.Keys[layer]), Read(state.Values[layer]));
        // The queries that share a key/value head stand in the place of a sequence of queries.
        var grouped = query.to_type(type).reshape(slots, groups, heads / groups, width);
        var mask = masks[Window(layer)];
        Tensor mixed;
        if (IsFused)
            mixed = F.scaled_dot_product_attention(grouped, keys, values, mask.expand(slots, groups, heads / groups, length));
        else
        {
            var scores = (grouped * (1 / Math.Sqrt(width))).matmul(keys.transpose(2, 3)) + mask;
            mixed = scores.softmax(-1, ScalarType.Float32).to_type(type).matmul(values);
        }

        return mixed.reshape(slots, heads * width);
    }

    private Tensor Read(Tensor cache) => cache.narrow(0, 0, slots).narrow(2, 0, length);

    private int Window(int layer) => Math.Min(config.WindowOf(layer), length);

    /// <summary>0 for the token's own position and the window − 1 before it, −∞ elsewhere: (S, 1, 1, length).</summary>
    private Tensor Mask(Tensor last, int window)
    {
        using var scope = NewDisposeScope();
        var columns = state.Columns.narrow(0, 0, length).unsqueeze(0);
        var hidden = columns.gt(last);
        if (window < length)
            hidden = hidden.logical_or(columns.le(last - window));
        var mask = zeros([slots, length], dtype: state.Keys[0].dtype, device: last.device).masked_fill_(hidden, double.NegativeInfinity);
        return mask.view(slots, 1, 1, length).MoveToOuterDisposeScope();
    }
}
