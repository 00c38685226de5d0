using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Training;

namespace LlmRL.Scaling;

/// <summary>Bytes that a phase must hold at its peak in float32 (keys and values that are sampled from: 24 bits), by formula; the runtime, libraries and libtorch's heap come on top.</summary>
/// <remarks>
/// P weights. sft: weights, gradients and two moments, 16 bytes a weight, 8 of them on the disk where moments are there; logprobs and grpo: the reference's 4 as well; generate: 4.
/// A training pass keeps for each of the m rows of a micro-batch (samples of a prompt share its rows), of every layer, what went into its four products, queries, keys and values, and gate and up, and while it
/// goes back one layer's gradients. The head holds the logits of all rows, or where those are more than 2²⁴ numbers 8 to 16 partial sums of the hidden states' gradient, 2²⁴ numbers if that is in between, and the hidden states once more. Sampling
/// holds keys and values of up to 64 sequences.
/// </remarks>
internal static class MemoryCost
{
    private const int FloatBytes = sizeof(float), Slots = 64;

    /// <summary>Logits that the head computes at once, at most.</summary>
    public const double ChunkElements = 1 << 24;

    /// <summary>All of it.</summary>
    public static double Bytes(BenchPhase phase, ModelConfig config, BenchShape shape, OptimizerOffload offload) =>
        FloatBytes * (Copies(phase, offload) * BenchSettings.Parameters(config) + Activations(phase, config, shape) + Head(phase, config, shape)) + Cache(phase, config, shape);

    /// <summary>Numbers held for each weight.</summary>
    public static double Copies(BenchPhase phase, OptimizerOffload offload) =>
        phase switch { BenchPhase.Generate => 1, BenchPhase.Sft => 4, _ => 5 } - (offload == OptimizerOffload.Disk && phase != BenchPhase.Generate ? 2 : 0);

    /// <summary>What the head holds: logits, or sums in their place.</summary>
    public static double Head(BenchPhase phase, ModelConfig config, BenchShape shape)
    {
        if (phase == BenchPhase.Generate)
            return Math.Min(Slots, shape.Samples) * (double)config.VocabSize;
        var logits = Rows(shape) * config.VocabSize;
        var hidden = Rows(shape) * config.HiddenSize;
        var sums = phase == BenchPhase.LogProbs ? 0 : Math.Clamp(Math.Floor(ChunkElements / hidden), 8, 16) + 1;
        return logits <= ChunkElements ? logits : sums * hidden;
    }

    private static double Rows(BenchShape shape) => Math.Min(MicroBatches.DefaultTokens, (double)shape.Batch * shape.PromptLength + (double)shape.Samples * shape.CompletionLength);

    private static double Activations(BenchPhase phase, ModelConfig config, BenchShape shape)
    {
        if (phase is BenchPhase.Generate or BenchPhase.LogProbs)
            return 0;
        double mixed = config.NumHeads * config.HeadDim, qkv = mixed + 2.0 * config.NumKeyValueHeads * config.HeadDim;
        var (width, inner, up) = (config.HiddenSize, config.IntermediateSize, (config.Mlp == MlpKind.SwiGlu ? 2.0 : 1) * config.IntermediateSize);
        var kept = config.NumLayers * (2 * width + qkv + mixed + up) + 4 * width + mixed + inner + up + 2 * qkv;
        return Rows(shape) * kept;
    }

    private static double Cache(BenchPhase phase, ModelConfig config, BenchShape shape) =>
        phase == BenchPhase.Sft ? 0 : Math.Min(Slots, shape.Samples) * shape.Length * TransformerCost.CacheBytes(config, 0);
}
