using LlmRL.Models;
using LlmRL.Rollouts.Cpu;

namespace LlmRL.Benchmarks;

/// <summary>
/// Floating-point operations and bytes that a transformer needs at least, by formula. A multiply and its add are two operations; norms, activations, softmax,
/// embedding and optimizer are left out (below 2 % of the rest, and bound by memory).
/// </summary>
/// <remarks>
/// D width, L layers, H query heads, K key/value heads, E head width, F MLP width, V vocabulary. Weights of a block that every token passes:
/// W = D·(H + 2K)·E + H·E·D + m·D·F with m = 3 for SwiGLU and 2 else. A token at position p (from 0) costs Σ_layers 2·W + 4·H·E·min(p + 1, window):
/// the products with the weights, and its query with each key and each weight with its value. Logits of a position cost 2·D·V.
/// A backward pass costs twice the forward: one product for the input's gradient and one for the weights' (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
/// </remarks>
public static class TransformerCost
{
    /// <summary>Forward and backward together cost so many forward passes.</summary>
    public const double TrainingPasses = 3;

    /// <summary>Bytes of a number in the CPU's key/value cache, the scales that rows of them share aside.</summary>
    public const int CachedNumberBytes = Fixed24.Bytes;

    private const int FloatBytes = sizeof(float);

    /// <summary>Weights of all blocks' matrices, L·W: what each token is multiplied with before the head.</summary>
    public static double BlockWeights(ModelConfig config)
    {
        double queries = config.NumHeads * config.HeadDim, keys = config.NumKeyValueHeads * config.HeadDim, matrices = config.Mlp == MlpKind.SwiGlu ? 3 : 2;
        return config.NumLayers * (config.HiddenSize * (2 * queries + 2 * keys) + matrices * config.HiddenSize * config.IntermediateSize);
    }

    /// <summary>FLOPs of one sequence's tokens at positions <paramref name="start"/> ≤ p &lt; <paramref name="end"/> through all blocks, forward.</summary>
    public static double Blocks(ModelConfig config, int start, int end)
    {
        var attended = 0.0;
        for (var layer = 0; layer < config.NumLayers; layer++)
            attended += Attended(start, end, config.WindowOf(layer));
        return 2 * BlockWeights(config) * (end - start) + 4.0 * config.NumHeads * config.HeadDim * attended;
    }

    /// <summary>The same where no one reads what comes out: the uppermost block gives keys and values alone, which later tokens attend to.</summary>
    public static double UnreadBlocks(ModelConfig config, int start, int end)
    {
        double keysAndValues = 2.0 * config.HiddenSize * 2 * config.NumKeyValueHeads * config.HeadDim, block = 2 * BlockWeights(config) / config.NumLayers;
        var attention = 4.0 * config.NumHeads * config.HeadDim * Attended(start, end, config.WindowOf(config.NumLayers - 1));
        return Blocks(config, start, end) - (block - keysAndValues) * (end - start) - attention;
    }

    /// <summary>FLOPs of a prompt of P tokens through all blocks, forward; of the last one alone is read what comes out.</summary>
    public static double Prompt(ModelConfig config, int length) => UnreadBlocks(config, 0, length - 1) + Blocks(config, length - 1, length);

    /// <summary>FLOPs of the logits of some positions, forward.</summary>
    public static double Head(ModelConfig config, double positions) => 2.0 * config.HiddenSize * config.VocabSize * positions;

    /// <summary>Bytes of the weights that one decoding step reads: all blocks and the head, of so many bytes each.</summary>
    public static double WeightBytes(ModelConfig config, int elementBytes = FloatBytes) => elementBytes * (BlockWeights(config) + (double)config.HiddenSize * config.VocabSize);

    /// <summary>Bytes of keys and values that a token at a position reads from the cache, of so many bytes each.</summary>
    public static double CacheBytes(ModelConfig config, int position, int elementBytes = CachedNumberBytes)
    {
        var attended = 0.0;
        for (var layer = 0; layer < config.NumLayers; layer++)
            attended += Attended(position, position + 1, config.WindowOf(layer));
        return elementBytes * 2.0 * config.NumKeyValueHeads * config.HeadDim * attended;
    }

    /// <summary>Σ_{start ≤ p &lt; end} min(p + 1, window).</summary>
    private static double Attended(int start, int end, int window)
    {
        var full = Math.Clamp(window, start, end);
        return (full * (full + 1.0) - start * (start + 1.0)) / 2 + (double)(end - full) * window;
    }
}
