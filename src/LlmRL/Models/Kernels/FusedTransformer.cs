using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Models.Kernels;

/// <summary>A transformer's forward and backward pass on the CPU as one node of the autograd graph, gradients going straight into the flat buffer.</summary>
internal sealed unsafe class FusedTransformer(DecoderWeights weights, DecoderWeights? gradients, Tensor anchor, Tensor? cos, Tensor? sin)
{
    /// <summary>Whether the kernels can be used: they call BLAS from threads of their own.</summary>
    public static bool IsSupported => Blas.IsDirect;

    /// <summary>The final hidden states, (N, D). Where gradients are wanted, one backward pass may follow.</summary>
    public Tensor Hidden(TokenBatch batch)
    {
        var keep = gradients is not null && is_grad_enabled();
        var inputs = Inputs(batch);
        var output = empty([batch.Count, weights.Config.HiddenSize], dtype: ScalarType.Float32);
        var activations = new Activations(inputs.Shape, inputs.Rows, keep);
        var target = (nint)NativeTorch.DataPointer(output);
        KernelTeam.Run(TransformerForward.ScratchFloats(inputs), scratch => new TransformerForward(inputs, activations, (float*)target, (float*)scratch));
        if (!keep)
        {
            activations.Dispose();
            return output;
        }

        // Ids and positions are read again in the backward pass, after the batch may be gone.
        CustomFunction.Attach([anchor], [output], [batch.Ids, batch.Positions], (gradOutputs, _, _) =>
        {
            if (gradOutputs[0] is { } gradOutput)
                Backward(inputs, activations, gradOutput);
            return [null];
        });
        return output;
    }

    private static void Backward(KernelInputs inputs, Activations activations, Tensor gradOutput)
    {
        using (activations)
        using (var dense = gradOutput.contiguous())
        {
            var source = (nint)NativeTorch.DataPointer(dense);
            KernelTeam.Run(BackwardScratch.Floats(inputs), scratch => new TransformerBackward(inputs, activations, (float*)source, (float*)scratch));
        }
    }

    private KernelInputs Inputs(TokenBatch batch)
    {
        foreach (var sequence in batch.Sequences)
            foreach (var id in sequence)
                if ((uint)id >= (uint)weights.Config.VocabSize)
                    throw new ArgumentException($"token id {id} is outside the vocabulary of {weights.Config.VocabSize}");
        return new KernelInputs
        {
            Weights = weights,
            Gradients = gradients,
            Cos = cos is null ? null : (float*)NativeTorch.DataPointer(cos),
            Sin = sin is null ? null : (float*)NativeTorch.DataPointer(sin),
            Ids = (long*)NativeTorch.DataPointer(batch.Ids),
            Positions = (long*)NativeTorch.DataPointer(batch.Positions),
            Starts = batch.Starts,
            MaxLength = batch.MaxLength,
        };
    }
}
