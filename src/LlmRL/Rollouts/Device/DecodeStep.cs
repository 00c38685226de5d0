using LlmRL.Models;
using LlmRL.Native;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Rollouts.Device;

/// <summary>
/// One step of decoding: every slot reads its last token and samples the next. Nothing but operators on tensors of <see cref="DecodeState"/>, without a look at any number,
/// so that it can be recorded as a graph.
/// </summary>
/// <param name="config">The architecture.</param>
/// <param name="weights">Its weights.</param>
/// <param name="state">What is read and written.</param>
/// <param name="sampler">How tokens are drawn.</param>
/// <param name="angles">Tables of rotary cosines and sines of all positions, (L or more, R) each; null: the architecture has none.</param>
internal sealed class DecodeStep(ModelConfig config, DeviceWeights weights, DecodeState state, DeviceSampler sampler, (Tensor Cos, Tensor Sin)? angles)
{
    private readonly int heads = config.NumHeads, groups = config.NumKeyValueHeads;

    /// <summary>Runs the step.</summary>
    /// <param name="length">How many positions of the cache are read: more than any active slot's.</param>
    public void Run(int length)
    {
        using var scope = NewDisposeScope();
        Tensor Row(int row) => state.Slots.select(0, row);
        var (token, position, sampled, active) = (Row(DecodeState.TokenRow), Row(DecodeState.PositionRow), Row(DecodeState.LengthRow), Row(DecodeState.ActiveRow));
        var hidden = Hidden(token, position, length);
        var drawn = sampler.Draw(F.linear(hidden, weights.Head, weights.HeadBias), sampled);
        // Idle slots write past the last column, and change nothing else.
        var column = (sampled - state.Shape.NewTokens).mul_(active).add_(state.Shape.NewTokens).unsqueeze(1);
        state.Tokens.scatter_(1, column, drawn.Token);
        state.LogProbs.scatter_(1, column, drawn.LogProb);
        var isActive = active.ne(0);
        var failed = Row(DecodeState.FailedRow);
        failed.copy_(sampled.where(isActive.logical_and(drawn.IsFinite.logical_not()).logical_and(failed.lt(0)), failed));
        token.copy_(drawn.Token.squeeze(1).where(isActive, token));
        sampled.add_(active);
        position.add_(active);
        var stops = state.Stops.index_select(0, drawn.Token.squeeze(1)).ne(0);
        active.mul_(stops.logical_or(sampled.ge(sampler.Options.MaxNewTokens)).logical_not().logical_and(drawn.IsFinite).to_type(ScalarType.Int64));
        state.Step.add_(1);
    }

    /// <summary>The final hidden states of each slot's token, (S, D).</summary>
    private Tensor Hidden(Tensor token, Tensor position, int length)
    {
        using var scope = NewDisposeScope();
        var x = Functional.embedding(weights.Embedding, token);
        if (weights.Positions is { } learned)
            x = x + Functional.embedding(learned, position);
        var attention = new CacheAttention(config, state, position, length);
        var turn = angles is { } tables ? (tables.Cos.index_select(0, position).unsqueeze(1), tables.Sin.index_select(0, position).unsqueeze(1)) : ((Tensor, Tensor)?)null;
        for (var layer = 0; layer < weights.Layers.Count; layer++)
        {
            using var layerScope = NewDisposeScope();
            var block = weights.Layers[layer];
            var mixed = Attend(attention, F.linear(Norm(x, block.AttentionNorm, block.AttentionNormBias), block.Qkv, block.QkvBias), layer, turn);
            var middle = x + F.linear(mixed, block.Output, block.OutputBias);
            var mlpInput = Norm(config.ParallelResidual ? x : middle, block.MlpNorm, block.MlpNormBias);
            x = middle + F.linear(BlockOperators.Gate(config.Mlp, F.linear(mlpInput, block.Up, block.UpBias)), block.Down, block.DownBias);
            x.MoveToOuterDisposeScope();
        }

        return (weights.FinalNorm is { } norm ? Norm(x, norm, weights.FinalNormBias) : x).MoveToOuterDisposeScope();
    }

    private Tensor Attend(CacheAttention attention, Tensor qkv, int layer, (Tensor Cos, Tensor Sin)? turn)
    {
        var split = qkv.view(-1, heads + 2 * groups, config.HeadDim);
        var queryKey = split.narrow(1, 0, heads + groups);
        var block = weights.Layers[layer];
        if (block is { QueryNorm: { } queryNorm, KeyNorm: { } keyNorm })
        {
            queryKey = cat([
                BlockOperators.RmsNorm(queryKey.narrow(1, 0, heads), queryNorm, config.NormEpsilon),
                BlockOperators.RmsNorm(queryKey.narrow(1, heads, groups), keyNorm, config.NormEpsilon)], 1);
        }

        if (turn is { } angle)
            queryKey = BlockOperators.Rotate(queryKey, angle.Cos, angle.Sin);
        return attention.Attend(queryKey.narrow(1, 0, heads), queryKey.narrow(1, heads, groups), split.narrow(1, heads + groups, groups), layer);
    }

    private Tensor Norm(Tensor x, Tensor weight, Tensor? bias) => BlockOperators.Norm(config, x, weight, bias);
}
