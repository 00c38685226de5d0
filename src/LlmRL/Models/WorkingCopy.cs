using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.Models;

/// <summary>
/// The bfloat16 copy of float32 weights that passes read: one flat buffer, cast in one pass when the weights have changed, which libtorch's version counter of their
/// memory tells. A gradient goes from bfloat16 straight into the float32 buffer, so that no bfloat16 gradients are kept or added up.
/// </summary>
internal sealed class WorkingCopy : IDisposable
{
    private static readonly Operator Version = Operator.Get("aten::_version");
    private readonly FlatParameters parameters;
    private readonly Tensor values;
    private readonly Tensor[] views;
    private long version = -1;

    /// <summary>Reserves the copy; it is filled when first read.</summary>
    public WorkingCopy(FlatParameters parameters)
    {
        this.parameters = parameters;
        using var scope = NewDisposeScope();
        values = FlatBuffer.Zeros(parameters.Count, parameters.DType, parameters.Values.device);
        views = [.. parameters.Specs.Select((spec, i) => values.narrow(0, parameters.Offsets[i], spec.Elements).view(spec.Shape).DetachFromDisposeScope())];
    }

    /// <summary>Forgets which version the copy is of.</summary>
    public void MarkChanged() => version = -1;

    /// <summary>A parameter, with its own node of the autograd graph where gradients are wanted.</summary>
    public Tensor Weight(int index)
    {
        Refresh();
        if (!parameters.Trainable || !is_grad_enabled())
            return views[index];
        var name = parameters.Specs[index].Name;
        var weight = views[index].detach();
        CustomFunction.Attach([parameters[name]], [weight], [], (gradOutputs, _, _) =>
        {
            if (gradOutputs[0] is { } gradient)
                parameters.Gradient(name).add_(gradient);
            return [null];
        });
        return weight;
    }

    /// <summary>Rows of a parameter; the gradients of a row that is read several times are added up in float32.</summary>
    public Tensor Rows(int index, Tensor ids)
    {
        Refresh();
        var name = parameters.Specs[index].Name;
        return CustomFunction.Apply([parameters[name]], [ids], () => views[index].index_select(0, ids), (gradOutputs, saved, _) =>
        {
            if (gradOutputs[0] is { } gradient)
                parameters.Gradient(name).index_add_(0, saved[0], gradient.to_type(ScalarType.Float32), 1);
            return [null];
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var view in views)
            view.Dispose();
        values.Dispose();
    }

    private void Refresh()
    {
        var current = Version.CallScalar(parameters.Values).ToInt64();
        if (current == version)
            return;
        using var guard = no_grad();
        values.copy_(parameters.Values);
        version = current;
    }
}
