using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Models.Lora;

/// <summary>The adapters during one forward pass in tensor operations.</summary>
internal sealed class LoraInputs
{
    private readonly LoraAdapters? adapters;
    private readonly ulong[] rowKeys = [];

    /// <summary>Draws the keys of dropout where it applies.</summary>
    /// <param name="adapters">The adapters that apply; null: none.</param>
    /// <param name="batch">The tokens.</param>
    public LoraInputs(LoraAdapters? adapters, TokenBatch batch)
    {
        this.adapters = adapters;
        if (adapters is { Options.Dropout: > 0, Parameters.Trainable: true } && is_grad_enabled())
            rowKeys = LoraDropout.RowKeys(adapters.DropoutKey, batch.Sequences);
    }

    /// <summary>y plus what the adapters of a weight make of x.</summary>
    /// <param name="weight">The weight's name.</param>
    /// <param name="number">Its number for <see cref="LoraDropout"/>.</param>
    /// <param name="x">(N, inputs).</param>
    /// <param name="y">W·x + b, (N, outputs).</param>
    public Tensor Adapt(string weight, int number, Tensor x, Tensor y)
    {
        if (adapters?.Find(weight) is not { } linear)
            return y;
        return adapters.Apply(linear, rowKeys.Length == 0 ? x : x * Mask(number, linear.Inputs).to(x.dtype, x.device), y);
    }

    /// <summary>0 or 1/(1 − p), (N, width).</summary>
    private unsafe Tensor Mask(int number, int width)
    {
        var mask = ones([rowKeys.Length, width], dtype: ScalarType.Float32);
        var pointer = (float*)NativeTorch.DataPointer(mask);
        LoraDropout.Apply(rowKeys, number, adapters!.Options.Dropout, pointer, pointer, width);
        return mask;
    }
}
