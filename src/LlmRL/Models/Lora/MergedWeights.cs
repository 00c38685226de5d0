using static TorchSharp.torch;

namespace LlmRL.Models.Lora;

/// <summary>
/// W + s·B·A of a model's targets for the rollouts, which read each weight once a token: two more products for every layer would slow them. Everything else is the
/// model's own memory. On a device the merged weights are of the type that its operators read.
/// </summary>
internal sealed class MergedWeights : IDisposable
{
    private readonly Transformer model;
    private readonly LoraAdapters adapters;
    private readonly bool onDevice;
    private readonly Dictionary<string, Tensor> merged = new(StringComparer.Ordinal);

    /// <summary>Reserves memory for the targets of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapters">Its adapters.</param>
    /// <param name="onDevice">Whether operators read them, in the type that the model computes in; otherwise the CPU's decoder does, in float32.</param>
    public MergedWeights(Transformer model, LoraAdapters adapters, bool onDevice = false)
    {
        (this.model, this.adapters, this.onDevice) = (model, adapters, onDevice);
        using var guard = no_grad();
        foreach (var linear in adapters.Linears)
            merged.Add(linear.Name, empty_like(Base(linear)).DetachFromDisposeScope());
    }

    /// <summary>The merged model's weights as the CPU's decoder reads them; valid after <see cref="Refresh"/>, until the adapters change.</summary>
    public DecoderWeights Pointers() => model.DecoderWeights(merged);

    /// <summary>A merged weight, or null where it has no adapter; valid likewise.</summary>
    public Tensor? Find(string name) => merged.GetValueOrDefault(name);

    /// <summary>Merges the adapters as they are now.</summary>
    public void Refresh()
    {
        using var guard = no_grad();
        foreach (var linear in adapters.Linears)
        {
            merged[linear.Name].copy_(Base(linear));
            adapters.AddTo(linear, merged[linear.Name]);
        }
    }

    public void Dispose()
    {
        foreach (var tensor in merged.Values)
            tensor.Dispose();
    }

    private Tensor Base(LoraLinear linear) => onDevice ? model.Weight(linear.Name) : model.Parameters[linear.Name];
}
