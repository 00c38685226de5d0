using LlmRL.Models.Lora;
using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Models.Kernels;

/// <summary>A transformer's forward and backward pass on the CPU as one node of the autograd graph, gradients going straight into the flat buffer.</summary>
internal sealed unsafe class FusedTransformer(DecoderWeights weights, DecoderWeights? gradients, Tensor anchor, RotaryTables? rotary)
{
    /// <summary>Whether the kernels can be used: they call BLAS from threads of their own.</summary>
    public static bool IsSupported => Blas.IsDirect;

    /// <summary>Whether the uppermost layer may leave rows out: dropout knows them by their number.</summary>
    public static bool Selects(ModelConfig config, LoraKernels? lora) => config.NumLayers > 0 && lora is not { Drops: true };

    /// <summary>Whether sequences may share rows: their attention goes by panels, and no row depends on the sequence that it is in.</summary>
    public static bool Shares(ModelConfig config, LoraKernels? lora) =>
        PanelAttention.Fits(config.HeadDim) && config.RopeScaling?.Kind != RopeScalingKind.Dynamic && lora is not { Drops: true };

    /// <summary>The final hidden states, (N, D), or those of some rows. Where gradients are wanted, one backward pass may follow.</summary>
    /// <param name="batch">The tokens.</param>
    /// <param name="lora">The adapters that apply; null: none.</param>
    /// <param name="checkpoints">Whether only layers' inputs are kept for the backward pass; see <see cref="Transformer.GradientCheckpointing"/>.</param>
    /// <param name="read">The rows, ascending; null: all.</param>
    public Tensor Hidden(TokenBatch batch, LoraKernels? lora, bool checkpoints, int[]? read = null)
    {
        using var scope = NewDisposeScope();
        var keep = (lora?.IsTrainable ?? gradients is not null) && is_grad_enabled();
        var angles = rotary?.For(batch);
        var inputs = Inputs(batch, angles, lora?.Pass(batch.Sequences, keep), read);
        var output = empty([inputs.ReadCount, weights.Config.HiddenSize], dtype: ScalarType.Float32);
        var activations = new Activations(inputs.Shape, inputs.Rows, keep, lora, checkpoints, inputs.ReadCount);
        var target = (nint)NativeTorch.DataPointer(output);
        KernelTeam.Run(TransformerForward.ScratchFloats(inputs), scratch => new TransformerForward(inputs, activations, (float*)target, (float*)scratch));
        if (!keep)
        {
            activations.Dispose();
            return output.MoveToOuterDisposeScope();
        }

        // What the inputs point to is read again in the backward pass, after the batch may be gone.
        Tensor[] saved = angles is { } turned ? [batch.Ids, batch.Positions, turned.Cos, turned.Sin, turned.Rows] : [batch.Ids, batch.Positions];
        CustomFunction.Attach([lora?.Anchor ?? anchor], [output], saved, (gradOutputs, _, _) =>
        {
            if (gradOutputs[0] is { } gradOutput)
                Backward(inputs, activations, gradOutput);
            return [null];
        });
        return output.MoveToOuterDisposeScope();
    }

    private static void Backward(KernelInputs inputs, Activations activations, Tensor gradOutput)
    {
        using (activations)
        using (var dense = gradOutput.contiguous())
        {
            var source = (nint)NativeTorch.DataPointer(dense);
            KernelTeam.Run(TransformerBackward.ScratchFloats(inputs, activations), scratch => new TransformerBackward(inputs, activations, (float*)source, (float*)scratch));
        }
    }

    private KernelInputs Inputs(TokenBatch batch, RotaryAngles? angles, LoraPass? lora, int[]? read)
    {
        foreach (var sequence in batch.Sequences)
            foreach (var id in sequence)
                if ((uint)id >= (uint)weights.Config.VocabSize)
                    throw new ArgumentException($"token id {id} is outside the vocabulary of {weights.Config.VocabSize}");
        return new KernelInputs
        {
            Weights = weights,
            Gradients = gradients,
            Lora = lora,
            Cos = angles is { } cosines ? (float*)NativeTorch.DataPointer(cosines.Cos) : null,
            Sin = angles is { } sines ? (float*)NativeTorch.DataPointer(sines.Sin) : null,
            AngleRows = angles is { } rows ? (long*)NativeTorch.DataPointer(rows.Rows) : null,
            Ids = (long*)NativeTorch.DataPointer(batch.Ids),
            Positions = (long*)NativeTorch.DataPointer(batch.Positions),
            Groups = batch.Groups,
            Rows = batch.Count,
            Read = read,
            MaxLength = batch.MaxLength,
        };
    }
}
