using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Rollouts.Device;

/// <summary>What a step drew for each slot.</summary>
/// <param name="Token">The tokens, (S, 1), int64.</param>
/// <param name="LogProb">log softmax(logits / T)[token], nats, (S, 1), float32.</param>
/// <param name="IsFinite">Whether all logits are, (S).</param>
internal readonly record struct DeviceDraw(Tensor Token, Tensor LogProb, Tensor IsFinite);

/// <summary>
/// <see cref="Sampler"/> in tensor operations for all slots at once, without a look at any number: the same modifications in the same order, the same uniform numbers, ties
/// to the lower id, so that it draws the same tokens up to rounding. Weights e^((logit − max)/T) are float32, sums of them float64.
/// </summary>
/// <param name="options">How tokens are sampled.</param>
/// <param name="vocabulary">V.</param>
/// <param name="state">Where logits, uniform numbers and marks lie.</param>
internal sealed class DeviceSampler(SamplingOptions options, int vocabulary, DecodeState state)
{
    private const int Block = DecodeState.Block;
    private const long IdBase = 1L << 32;

    private readonly float inverseTemperature = options.Temperature == 0 ? 1 : (float)(1 / options.Temperature);

    /// <summary>How tokens are sampled.</summary>
    public SamplingOptions Options => options;

    /// <summary>Whether some options leave out improbable tokens.</summary>
    public static bool Truncates(SamplingOptions options) => options.Temperature > 0 && (options.TopK > 0 || options.TopP < 1 || options.MinP > 0);

    /// <summary>Draws a token for each slot.</summary>
    /// <param name="logits">(S, V), of any type.</param>
    /// <param name="sampled">How many tokens each slot has sampled, (S).</param>
    public DeviceDraw Draw(Tensor logits, Tensor sampled)
    {
        var plain = state.Logits;
        var known = plain.narrow(1, 0, vocabulary);
        known.copy_(logits);
        // A NaN goes through both, an infinity through one of them.
        var (min, max) = Ops.Call2("aten::aminmax", known, 1, true);
        var finite = max.isfinite().logical_and(min.isfinite()).squeeze(1);
        var (weights, blocks, total) = Exponentials(plain, max);
        var logTotal = total.log();
        var source = Modify(plain, sampled);
        Tensor token;
        if (options.Temperature == 0)
            token = source.argmax(1, keepdim: true);
        else
        {
            if (!ReferenceEquals(source, plain))
                (weights, blocks, total) = Exponentials(source, source.amax([1], keepdim: true));
            var uniform = state.Uniforms.index_select(1, state.Step);
            token = Truncates(options) ? DrawTruncated(weights, total, uniform) : DrawFromAll(weights, blocks, total, uniform);
        }

        // Where logits are not finite the token means nothing, and must name a row all the same.
        token = token.clamp(0, vocabulary - 1);
        state.Seen?.scatter_(1, token, ones_like(token, dtype: ScalarType.Bool));
        var logProb = (plain.gather(1, token).to_type(ScalarType.Float64) - max.to_type(ScalarType.Float64)) * (double)inverseTemperature - logTotal;
        return new DeviceDraw(token, logProb.to_type(ScalarType.Float32), finite);
    }

    /// <summary>e^((x − max)/T) (S, V'), its sums over blocks (S, V'/256) and over all (S, 1), float64 both.</summary>
    private (Tensor Weights, Tensor Blocks, Tensor Total) Exponentials(Tensor x, Tensor max)
    {
        var weights = x - max;
        if (inverseTemperature != 1)
            weights.mul_(inverseTemperature);
        weights.exp_();
        var blocks = weights.view(weights.size(0), -1, Block).sum(2).to_type(ScalarType.Float64);
        return (weights, blocks, blocks.sum(1, keepdim: true));
    }

    /// <summary>Repetition penalty, then stop ids masked before the minimum length.</summary>
    private Tensor Modify(Tensor logits, Tensor sampled)
    {
        var source = logits;
        if (options.RepetitionPenalty != 1 && state.Seen is { } seen)
        {
            source = source.clone();
            var known = source.narrow(1, 0, vocabulary);
            var penalty = (float)options.RepetitionPenalty;
            known.copy_((known / penalty).where(known.gt(0), known * penalty).where(seen, known));
        }

        if (options.MinNewTokens > 0 && options.StopIds.Count > 0)
        {
            source = ReferenceEquals(source, logits) ? source.clone() : source;
            var masked = sampled.lt(options.MinNewTokens).unsqueeze(1).logical_and(state.Stops.ne(0).unsqueeze(0));
            source.narrow(1, 0, vocabulary).masked_fill_(masked, double.NegativeInfinity);
        }

        return source;
    }

    /// <summary>Inverse of the cumulative distribution over ids: the block first, then the token in it.</summary>
    private Tensor DrawFromAll(Tensor weights, Tensor blocks, Tensor total, Tensor uniform)
    {
        var target = uniform * total;
        var ends = blocks.cumsum(1);
        var block = First(ends, target, LastPositive(blocks));
        var rest = (target - (ends.gather(1, block) - blocks.gather(1, block))).clamp_min(0);
        var inside = weights.view(weights.size(0), -1, Block).gather(1, block.unsqueeze(2).expand(-1, 1, Block)).squeeze(1).to_type(ScalarType.Float64);
        return block * Block + First(inside.cumsum(1), rest, LastPositive(inside));
    }

    /// <summary>The same over the most probable tokens, in falling order of probability.</summary>
    private Tensor DrawTruncated(Tensor weights, Tensor total, Tensor uniform)
    {
        var (sorted, ids) = Sort(weights.narrow(1, 0, vocabulary));
        var kept = sorted.gt(0);
        if (options.MinP > 0)
            kept = kept.logical_and(sorted.ge((float)options.MinP));
        var mass = sorted.to_type(ScalarType.Float64) * kept.to_type(ScalarType.Float64);
        if (options.TopP < 1)
        {
            // The smallest set that reaches p of what top-k leaves: a token is kept while those before it have not reached it.
            var goal = (options.TopK > 0 ? mass.sum(1, keepdim: true) : total) * options.TopP;
            mass = mass * (mass.cumsum(1) - mass).lt(goal).to_type(ScalarType.Float64);
        }

        return ids.gather(1, First(mass.cumsum(1), uniform * mass.sum(1, keepdim: true), LastPositive(mass)));
    }

    /// <summary>Weights in falling order, ties in rising order of ids, and their ids: the k first, or all.</summary>
    private (Tensor Weights, Tensor Ids) Sort(Tensor weights)
    {
        if (options.TopK == 0 || options.TopK >= vocabulary)
            return weights.sort(1, descending: true, stable: true);
        // The bits of non-negative numbers are in the numbers' order. With the ids below them no two are alike, so that it does not matter which of them topk prefers.
        var bits = Ops.Call("aten::view.dtype", weights.contiguous(), ScalarType.Int32).to_type(ScalarType.Int64);
        var (best, _) = (bits * IdBase + (vocabulary - 1 - state.Columns.narrow(0, 0, vocabulary))).topk(options.TopK, 1);
        var ids = vocabulary - 1 - best.remainder(IdBase);
        return (weights.gather(1, ids), ids);
    }

    /// <summary>Number of the first of some running sums that is beyond a target; rounding may let the target pass the end, which is the last number then. (S, 1).</summary>
    private static Tensor First(Tensor sums, Tensor target, Tensor last) => sums.le(target).sum(1, keepdim: true).min(last);

    /// <summary>Number of the last positive entry of each row, (S, 1).</summary>
    private Tensor LastPositive(Tensor values) =>
        (values.gt(0).to_type(ScalarType.Int64) * state.Columns.narrow(0, 0, values.size(1))).amax([1], keepdim: true);
}
