using LlmRL.Models;
using LlmRL.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Rollouts.Device;

/// <summary>One block's weights, linear layers as (outputs, inputs); null: the architecture has none.</summary>
internal sealed record DeviceLayer(
    Tensor AttentionNorm, Tensor? AttentionNormBias, Tensor Qkv, Tensor? QkvBias, Tensor? QueryNorm, Tensor? KeyNorm, Tensor Output, Tensor? OutputBias,
    Tensor MlpNorm, Tensor? MlpNormBias, Tensor Up, Tensor? UpBias, Tensor Down, Tensor? DownBias);

/// <summary>
/// A model's weights as decoding on its device reads them: the tensors that training reads, or merged ones in place of those that have adapters. Looked up once, so that a
/// step costs no search by name.
/// </summary>
internal sealed class DeviceWeights
{
    private readonly List<nint> addresses = [];

    /// <summary>Looks the weights up.</summary>
    /// <param name="model">The model, which must outlive this.</param>
    /// <param name="merged">Its adapters' merged weights; null: it has no adapters.</param>
    public DeviceWeights(Transformer model, MergedWeights? merged)
    {
        Embedding = Need("embed");
        Positions = Find("positions");
        Layers = [.. Enumerable.Range(0, model.Config.NumLayers).Select(layer => Layer(new LayerNames(layer)))];
        FinalNorm = Find("norm");
        FinalNormBias = Find("norm_bias");
        Head = Need(model.HeadName);
        HeadBias = Find(Transformer.HeadBiasName);

        DeviceLayer Layer(LayerNames names) => new(
            Need(names.AttentionNorm), Find(names.AttentionNormBias), Need(names.Qkv), Find(names.QkvBias), Find(names.QueryNorm), Find(names.KeyNorm), Need(names.Output),
            Find(names.OutputBias), Need(names.MlpNorm), Find(names.MlpNormBias), Need(names.Up), Find(names.UpBias), Need(names.Down), Find(names.DownBias));

        Tensor Need(string name) => Find(name) ?? throw new InvalidOperationException($"the model has no weight {name}");

        unsafe Tensor? Find(string name)
        {
            var weight = merged?.Find(name) ?? model.FindWeight(name);
            addresses.Add(weight is null ? 0 : (nint)Native.NativeTorch.DataPointer(weight));
            return weight;
        }
    }

    /// <summary>Token embedding (V, D).</summary>
    public Tensor Embedding { get; }

    /// <summary>Learned positions (MaxPositions, D), or null.</summary>
    public Tensor? Positions { get; }

    /// <summary>The blocks.</summary>
    public IReadOnlyList<DeviceLayer> Layers { get; }

    /// <summary>Final norm: weight and bias (D), or null.</summary>
    public Tensor? FinalNorm { get; }

    /// <inheritdoc cref="FinalNorm"/>
    public Tensor? FinalNormBias { get; }

    /// <summary>Output head (V, D).</summary>
    public Tensor Head { get; }

    /// <summary>Its bias (V), or null.</summary>
    public Tensor? HeadBias { get; }

    /// <summary>The type that products are computed in, and keys and values are kept in.</summary>
    public ScalarType ComputeType => Embedding.dtype;

    /// <summary>Bytes of one number of that type.</summary>
    public int ElementSize => ComputeType.ElementSize();

    /// <summary>Whether all weights lie where another's do: a recorded step reads memory by address.</summary>
    public bool LieWhere(DeviceWeights other) => ComputeType == other.ComputeType && addresses.SequenceEqual(other.addresses);
}
