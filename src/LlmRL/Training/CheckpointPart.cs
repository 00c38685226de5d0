using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Runs;

namespace LlmRL.Training;

/// <summary>A network whose weights a checkpoint holds, with its optimizer's state.</summary>
/// <param name="Name">Name of its folder; <see cref="StageCheckpoints.PolicyName"/> for the one at the top.</param>
/// <param name="Optimizer">Its optimizer; null where it is not trained by gradients.</param>
/// <param name="Copy">Copies the weights as they are now; the copy is written by another thread while training goes on.</param>
/// <param name="Load">Reads the weights from a folder.</param>
public sealed record CheckpointPart(string Name, AdamW? Optimizer, Func<FrozenNetwork> Copy, Action<string> Load)
{
    private const string OptimizerName = "optimizer.safetensors";

    /// <summary>A transformer in Hugging Face layout, with the tokenizer where it is the policy; of one with adapters, which alone change, the adapters.</summary>
    public static CheckpointPart Of(string name, Transformer model, AdamW? optimizer, StageContext context) => model.Adapters is { } adapters
        ? new(name, optimizer, () => CopyOf(adapters), folder => AdapterFolder.Load(folder, adapters))
        : Whole(name, model, optimizer, context);

    private static FrozenNetwork CopyOf(LoraAdapters adapters)
    {
        var copy = adapters.Copy();
        return new FrozenNetwork(copy, folder => AdapterFolder.Save(copy, folder));
    }

    private static CheckpointPart Whole(string name, Transformer model, AdamW? optimizer, StageContext context) => new(
        name, optimizer,
        () =>
        {
            var copy = new Transformer(model.Config, model.HasScalarHead, trainable: false);
            copy.Parameters.CopyFrom(model.Parameters);
            copy.ScoreShift = model.ScoreShift;
            return new FrozenNetwork(copy, folder => ModelFolder.Save(copy, folder, name == StageCheckpoints.PolicyName ? context.Tokenizer : null));
        },
        folder =>
        {
            using var saved = ModelFolder.Load(folder, model.HasScalarHead, trainable: false, context.Device);
            model.Parameters.CopyFrom(saved.Parameters);
            model.ScoreShift = saved.ScoreShift;
        });

    /// <summary>Copies everything that is written, so that training can go on.</summary>
    /// <exception cref="IOException">The optimizer's state is on the disk, which has no room for a copy.</exception>
    internal FrozenPart Freeze()
    {
        var moments = Optimizer?.Moments.Copy();
        return new(Name, Copy(), moments);
    }

    /// <summary>Reads weights and optimizer from the part's folder.</summary>
    internal void LoadAll(string folder)
    {
        Load(folder);
        if (Optimizer is null)
            return;
        using var reader = new SafetensorsReader(Path.Combine(folder, OptimizerName));
        Optimizer.Moments.Load(reader);
    }

    /// <summary>A part as it was when the checkpoint was due.</summary>
    internal sealed record FrozenPart(string Name, FrozenNetwork Network, IMoments? Moments) : IDisposable
    {
        /// <summary>Writes weights and optimizer into the part's folder.</summary>
        public void Write(string folder)
        {
            Network.Save(folder);
            if (Moments is not null)
                AtomicFile.Write(Path.Combine(folder, OptimizerName), stream => SafetensorsWriter.Write(stream, Moments.Items()));
        }

        public void Dispose()
        {
            Network.Weights.Dispose();
            Moments?.Dispose();
        }
    }
}

/// <summary>A copy of a network's weights that no training changes.</summary>
/// <param name="Weights">What to dispose of once it is written.</param>
/// <param name="Save">Writes it into a folder.</param>
public sealed record FrozenNetwork(IDisposable Weights, Action<string> Save);
