using LlmRL.Models.Lora;
using LlmRL.Native;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Models.Operators;

/// <summary>
/// A transformer's hidden states as ATen operators, differentiated by autograd: on other devices than the CPU, in bfloat16, and as the reference of the CPU's kernels.
/// </summary>
internal sealed class OperatorTransformer(Transformer model, LayerNames[] layers, RotaryTables? rotary) : IDisposable
{
    private readonly ModelConfig config = model.Config;

    /// <summary>Its attention.</summary>
    public OperatorAttention Attention { get; } = new(model.Config, model.Device);

    /// <summary>The final hidden states, (N, D).</summary>
    /// <param name="batch">The tokens.</param>
    /// <param name="adapters">The adapters that apply; null: none.</param>
    public Tensor Hidden(TokenBatch batch, LoraAdapters? adapters)
    {
        using var scope = NewDisposeScope();
        var x = model.Parameters.Rows("embed", batch.Ids);
        if (config.Positions == PositionKind.Learned)
            x = x + model.Parameters.Rows("positions", batch.Positions);
        var (inputs, read) = (BlockInputs.Of(batch, rotary), new LoraInputs(adapters, batch));
        // Any trained weight: by it autograd finds its way to a layer whose input it does not follow.
        var trained = (adapters?.Parameters ?? model.Parameters) is { Trainable: true } parameters ? parameters[parameters.Specs[0].Name] : null;
        var checkpoints = model.GradientCheckpointing && trained is not null && is_grad_enabled();
        for (var layer = 0; layer < layers.Length; layer++)
            x = checkpoints ? Checkpointed(x, layer, inputs, read, trained!) : Block(x, layer, inputs, read);
        return (config.FinalNorm ? Norm(x, "norm", "norm_bias") : x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => Attention.Dispose();

    /// <summary>
    /// A block of which only the input is kept: the backward pass runs it again (Chen et al. 2016, arXiv 1604.06174). Dropout draws by token and weight, so that it
    /// drops the same.
    /// </summary>
    private Tensor Checkpointed(Tensor x, int layer, BlockInputs inputs, LoraInputs read, Tensor trained)
    {
        Tensor output;
        using (no_grad())
            output = Block(x, layer, inputs, read);
        CustomFunction.Attach([x, trained], [output], [x, .. inputs.Tensors], (gradOutputs, saved, needed) =>
        {
            if (gradOutputs[0] is not { } gradient)
                return [null, null];
            using var recording = enable_grad();
            var input = saved[0].detach().requires_grad_(needed[0]);
            Block(input, layer, inputs.With(saved.AsSpan(1)), read).backward([gradient]);
            return [needed[0] ? input.grad : null, null];
        });
        return output;
    }

    /// <summary>x ← x + attention(norm(x)); x ← x + mlp(norm(x)), or both at once.</summary>
    private Tensor Block(Tensor x, int layer, BlockInputs inputs, LoraInputs read)
    {
        using var scope = NewDisposeScope();
        var names = layers[layer];
        Tensor Project(Tensor input, string weight, string bias, LoraPlace place) =>
            read.Adapt(weight, LoraPass.Number(layer, place), input, F.linear(input, model.Weight(weight), model.FindWeight(bias)));
        var mixed = Attend(Project(Norm(x, names.AttentionNorm, names.AttentionNormBias), names.Qkv, names.QkvBias, LoraPlace.Qkv), layer, inputs);
        var middle = x + Project(mixed, names.Output, names.OutputBias, LoraPlace.Output);
        var mlpInput = Norm(config.ParallelResidual ? x : middle, names.MlpNorm, names.MlpNormBias);
        var gated = BlockOperators.Gate(config.Mlp, Project(mlpInput, names.Up, names.UpBias, LoraPlace.Up));
        return (middle + Project(gated, names.Down, names.DownBias, LoraPlace.Down)).MoveToOuterDisposeScope();
    }

    /// <summary>Norms of heads, rotation, attention over padded sequences; (N, (H + 2K)·E) → (N, H·E).</summary>
    private Tensor Attend(Tensor qkv, int layer, BlockInputs inputs)
    {
        var (heads, groups, width, names) = (config.NumHeads, config.NumKeyValueHeads, config.HeadDim, layers[layer]);
        var split = qkv.view(-1, heads + 2 * groups, width);
        var queryKey = split.narrow(1, 0, heads + groups);
        Tensor HeadNorm(int first, int count, string weight) => BlockOperators.RmsNorm(queryKey.narrow(1, first, count), model.Weight(weight), config.NormEpsilon);
        if (config.QkNorm)
            queryKey = cat([HeadNorm(0, heads, names.QueryNorm), HeadNorm(heads, groups, names.KeyNorm)], 1);
        if (inputs is { Cos: { } cos, Sin: { } sin })
            queryKey = BlockOperators.Rotate(queryKey, cos, sin);
        var mixed = Attention.Attend(
            inputs.Pad(queryKey.narrow(1, 0, heads)), inputs.Pad(queryKey.narrow(1, heads, groups)), inputs.Pad(split.narrow(1, heads + groups, groups)), config.WindowOf(layer));
        return inputs.Unpad(mixed);
    }

    private Tensor Norm(Tensor x, string weight, string bias) => BlockOperators.Norm(config, x, model.Weight(weight), model.FindWeight(bias));

    /// <summary>What the layers need of a batch, made once and used by every layer.</summary>
    /// <param name="Cos">Cosines of the tokens' angles, (N, 1, R), or null.</param>
    /// <param name="Sin">Likewise.</param>
    /// <param name="PadIndex">See <see cref="TokenBatch.PadIndex"/>.</param>
    /// <param name="UnpadIndex">See <see cref="TokenBatch.UnpadIndex"/>.</param>
    /// <param name="Size">B.</param>
    /// <param name="Length">T.</param>
    private sealed record BlockInputs(Tensor? Cos, Tensor? Sin, Tensor? PadIndex, Tensor? UnpadIndex, int Size, int Length)
    {
        public static BlockInputs Of(TokenBatch batch, RotaryTables? rotary)
        {
            var (cos, sin) = rotary?.For(batch) is { } angles
                ? (angles.Cos.index_select(0, angles.Rows).unsqueeze(1), angles.Sin.index_select(0, angles.Rows).unsqueeze(1))
                : ((Tensor?)null, (Tensor?)null);
            return new BlockInputs(cos, sin, batch.PadIndex, batch.UnpadIndex, batch.Sequences.Count, batch.MaxLength);
        }

        /// <summary>Those there are, in an order that <see cref="With"/> knows.</summary>
        public IEnumerable<Tensor> Tensors => new[] { Cos, Sin, PadIndex, UnpadIndex }.OfType<Tensor>();

        /// <summary>The same with other objects for the same tensors.</summary>
        public BlockInputs With(ReadOnlySpan<Tensor> others)
        {
            var next = 0;
            Tensor? Take(ReadOnlySpan<Tensor> from, Tensor? mine) => mine is null ? null : from[next++];
            return this with { Cos = Take(others, Cos), Sin = Take(others, Sin), PadIndex = Take(others, PadIndex), UnpadIndex = Take(others, UnpadIndex) };
        }

        /// <summary>(N, heads, E) → (B, T, heads, E), padded.</summary>
        public Tensor Pad(Tensor x) => (PadIndex is null ? x : x.index_select(0, PadIndex)).reshape(Size, Length, x.size(1), x.size(2));

        /// <summary>(B·T, D) → (N, D).</summary>
        public Tensor Unpad(Tensor x) => UnpadIndex is null ? x : x.index_select(0, UnpadIndex);
    }
}
