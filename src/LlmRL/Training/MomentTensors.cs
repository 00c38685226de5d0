using LlmRL.Models;
using LlmRL.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>Moments in the memory of the device that the weights are on.</summary>
/// <param name="first">m, shape (Count), float32; owned.</param>
/// <param name="second">v, likewise.</param>
internal sealed unsafe class MomentTensors(Tensor first, Tensor second) : IMoments
{
    /// <summary>Numbers that are read at once.</summary>
    private const int Piece = 1 << 22;

    /// <summary>Zeros.</summary>
    public MomentTensors(long count, Device device)
        : this(FlatBuffer.Zeros(count, ScalarType.Float32, device), FlatBuffer.Zeros(count, ScalarType.Float32, device))
    {
    }

    /// <summary>m.</summary>
    public Tensor First => first;

    /// <summary>v.</summary>
    public Tensor Second => second;

    /// <inheritdoc/>
    public void Update(in MomentChunk chunk, MomentUpdate update) =>
        update((float*)NativeTorch.DataPointer(first) + chunk.Start, (float*)NativeTorch.DataPointer(second) + chunk.Start);

    /// <summary>The same on the host.</summary>
    public IMoments Copy() => new MomentTensors(Host(first), Host(second));

    /// <inheritdoc/>
    public IReadOnlyList<SafetensorsWriter.Item> Items() => [SafetensorsWriter.Of(IMoments.FirstName, first), SafetensorsWriter.Of(IMoments.SecondName, second)];

    /// <inheritdoc/>
    public void Load(SafetensorsReader reader)
    {
        using var guard = no_grad();
        foreach (var (name, target) in new[] { (IMoments.FirstName, first), (IMoments.SecondName, second) })
        {
            var entry = IMoments.Entry(reader, name, target.NumberOfElements);
            for (var at = 0L; at < entry.Elements; at += Piece)
            {
                using var scope = NewDisposeScope();
                var values = new float[Math.Min(Piece, entry.Elements - at)];
                reader.Read(entry, at, values);
                target.narrow(0, at, values.Length).copy_(tensor(values));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        first.Dispose();
        second.Dispose();
    }

    private static Tensor Host(Tensor values)
    {
        using var guard = no_grad();
        return (values.device_type == DeviceType.CPU ? values.clone() : values.cpu()).DetachFromDisposeScope();
    }
}
