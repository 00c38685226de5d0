using LlmRL.Models;
using LlmRL.Models.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>Where the optimizer's state is kept: AdamW's two moments, 8 bytes for each weight that is trained.</summary>
public enum OptimizerOffload
{
    /// <summary>In memory, beside the weights.</summary>
    None,

    /// <summary>In a file of the run's folder, read and written piece by piece at every step (<see cref="MomentFile"/>): 8 bytes a weight less in memory, the same numbers. For the CPU's kernels alone.</summary>
    Disk,
}

/// <summary>What a setting of <see cref="OptimizerOffload"/> asks for.</summary>
public static class OptimizerOffloads
{
    /// <summary>Refuses what the device cannot do.</summary>
    /// <exception cref="BadInputException">The moments are wanted on the disk, but steps are not taken by the CPU's kernels.</exception>
    public static void Check(OptimizerOffload offload, Device device)
    {
        if (offload == OptimizerOffload.None || (device.type == DeviceType.CPU && CpuKernels.AreWanted))
            return;
        throw new BadInputException("optimizer_offload: disk works with the CPU's kernels only; "
            + (device.type == DeviceType.CPU ? $"unset {CpuKernels.Variable}, or leave it out." : $"this run is on {device.type.ToString().ToUpperInvariant()}. Leave it out, or run on the CPU with --device cpu."));
    }
}

/// <summary>A piece of a flat buffer that one task of an optimizer step works on.</summary>
/// <param name="Start">Its first element.</param>
/// <param name="Count">Number of elements.</param>
/// <param name="Decays">Whether weight decay applies.</param>
internal readonly record struct MomentChunk(long Start, int Count, bool Decays)
{
    /// <summary>Elements of a chunk, at most: a fixed number, so that sums do not depend on how many cores there are.</summary>
    public const int Length = 1 << 16;

    /// <summary>All parameters in memory order without gaps, each from a chunk of its own on.</summary>
    public static MomentChunk[] Of(FlatParameters parameters) =>
    [
        .. parameters.Specs.SelectMany((spec, i) => Enumerable.Range(0, (int)((spec.Elements + Length - 1) / Length))
            .Select(c => new MomentChunk(parameters.Offsets[i] + (long)c * Length, (int)Math.Min(Length, spec.Elements - (long)c * Length), spec.Decays))),
    ];
}

/// <summary>Changes a chunk's moments: as many elements of m, and of v.</summary>
internal unsafe delegate void MomentUpdate(float* m, float* v);

/// <summary>AdamW's averages of gradients, m, and of their squares, v, one of each for every weight; 0 at first.</summary>
internal interface IMoments : IDisposable
{
    /// <summary>Names of m and v in a checkpoint, those of PyTorch.</summary>
    const string FirstName = "exp_avg", SecondName = "exp_avg_sq";

    /// <summary>Lets <paramref name="update"/> change a chunk's moments. Called from several threads, each with other chunks.</summary>
    void Update(in MomentChunk chunk, MomentUpdate update);

    /// <summary>The moments as they are now, in the same kind of place; steps do not change the copy.</summary>
    IMoments Copy();

    /// <summary>m and v, shape (Count) each, as a checkpoint holds them.</summary>
    IReadOnlyList<SafetensorsWriter.Item> Items();

    /// <summary>Reads them from a checkpoint, wherever they were kept when it was written.</summary>
    /// <exception cref="BadInputException">They are missing or of another size.</exception>
    void Load(SafetensorsReader reader);

    /// <summary>The entry of m or v in a checkpoint.</summary>
    /// <exception cref="BadInputException">It is missing or of another size.</exception>
    static SafetensorsEntry Entry(SafetensorsReader reader, string name, long count) =>
        reader.Entries.TryGetValue(name, out var entry) && entry.Elements == count
            ? entry
            : throw new BadInputException($"{reader.Path}: {name} is missing or of another size; this checkpoint belongs to another model.");
}
