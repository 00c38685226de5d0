using LlmRL.Models;

namespace LlmRL.Benchmarks;

/// <summary>The least work of one step of a phase: what an implementation without waste would compute. Recomputation and padding do not count as useful.</summary>
/// <remarks>
/// N samples (of preference pairs: both halves) of P prompt and C completion tokens. Read: S = the blocks over each prompt once, however many samples or halves go on from
/// it, then over C − 1 tokens of each (the last token is only a target; a reward model reads it), and the head over C (a reward model has none). Of tokens whose outcome no one
/// reads, a prompt's but for its last and all but a judged sequence's last, the uppermost block gives keys and values alone.
/// generate: as S, but the head once a prompt and for C − 1 tokens a sample. logprobs: S. sft, reward: 3·S. dpo: S for the reference and 3·S.
/// grpo, rloo: generate + S for the reference + 3·S. ppo: the same, and the value network's S' + 3·S' without a head.
/// </remarks>
public static class PhaseCost
{
    /// <summary>FLOPs of one step; 0 for start-up.</summary>
    public static double Flops(BenchPhase phase, ModelConfig config, BenchShape shape)
    {
        double prompt = TransformerCost.Prompt(config, shape.PromptLength), completion = TransformerCost.Blocks(config, shape.PromptLength, shape.Length - 1);
        double head = TransformerCost.Head(config, shape.CompletionLength), unread = TransformerCost.UnreadBlocks(config, 0, shape.PromptLength);
        var judged = TransformerCost.UnreadBlocks(config, shape.PromptLength, shape.Length - 1) + TransformerCost.Blocks(config, shape.Length - 1, shape.Length);
        double values = shape.Batch * prompt + shape.Samples * completion, read = values + shape.Samples * head;
        const double update = TransformerCost.TrainingPasses, both = 1 + update;
        return phase switch
        {
            BenchPhase.Startup => 0,
            BenchPhase.Generate => Generate(config, shape),
            BenchPhase.LogProbs => read,
            BenchPhase.Sft => shape.Samples * update * (prompt + completion + head),
            BenchPhase.Reward => shape.Samples * update * (unread + 2 * judged),
            BenchPhase.Dpo => shape.Samples * both * (prompt + 2 * (completion + head)),
            BenchPhase.Grpo or BenchPhase.Rloo => Generate(config, shape) + both * read,
            BenchPhase.Ppo => Generate(config, shape) + both * (read + values),
            _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, null),
        };
    }

    /// <summary>Tokens that a step's speed is counted in: new ones where there is sampling, completions of <c>logprobs</c>, all that are read of the others.</summary>
    public static long Tokens(BenchPhase phase, BenchShape shape) => phase switch
    {
        BenchPhase.Sft => (long)shape.Samples * shape.Length,
        BenchPhase.Reward or BenchPhase.Dpo => 2L * shape.Samples * shape.Length,
        _ => (long)shape.Samples * shape.CompletionLength,
    };

    /// <summary>
    /// The least seconds of a step on a machine with the given speeds. Of <c>generate</c>: the prompts' FLOPs, then for each of the C − 1 steps, all samples in
    /// one batch, the longer of its FLOPs' time and the time to read the weights once and each sample's keys and values. Of the others: FLOPs ÷ speed.
    /// </summary>
    /// <param name="phase">The phase.</param>
    /// <param name="config">The model.</param>
    /// <param name="shape">The batch.</param>
    /// <param name="flopsPerSecond">Of a large matrix product.</param>
    /// <param name="bytesPerSecond">Of reading the weights.</param>
    /// <param name="weightBytes">Of a weight.</param>
    /// <param name="cacheBytes">Of a number of a key or value.</param>
    public static double LeastSeconds(
        BenchPhase phase, ModelConfig config, BenchShape shape, double flopsPerSecond, double bytesPerSecond, int weightBytes = sizeof(float),
        int cacheBytes = TransformerCost.CachedNumberBytes)
    {
        if (phase != BenchPhase.Generate)
            return Flops(phase, config, shape) / flopsPerSecond;
        var seconds = shape.Batch * (TransformerCost.Prompt(config, shape.PromptLength) + TransformerCost.Head(config, 1)) / flopsPerSecond;
        for (var position = shape.PromptLength; position < shape.Length - 1; position++)
        {
            var flops = shape.Samples * (TransformerCost.Blocks(config, position, position + 1) + TransformerCost.Head(config, 1));
            var bytes = TransformerCost.WeightBytes(config, weightBytes) + shape.Samples * TransformerCost.CacheBytes(config, position, cacheBytes);
            seconds += Math.Max(flops / flopsPerSecond, bytes / bytesPerSecond);
        }

        return seconds;
    }

    private static double Generate(ModelConfig config, BenchShape shape) =>
        shape.Batch * (TransformerCost.Prompt(config, shape.PromptLength) + TransformerCost.Head(config, 1))
        + shape.Samples * (TransformerCost.Blocks(config, shape.PromptLength, shape.Length - 1) + TransformerCost.Head(config, shape.CompletionLength - 1));
}
