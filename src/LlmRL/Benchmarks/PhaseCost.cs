using LlmRL.Models;

namespace LlmRL.Benchmarks;

/// <summary>The least work of one step of a phase: what an implementation without waste would compute. Recomputation and padding do not count as useful.</summary>
/// <remarks>
/// N sequences (of preference pairs: both halves) of P prompt and C completion tokens. Read: S = blocks over P + C − 1 tokens and the head over C (the last token is
/// only a target; a reward model reads P + C and has no head).
/// generate: the blocks over each prompt once, then over C − 1 tokens a sample; the head once a prompt and for C − 1 tokens a sample.
/// logprobs: N·S. sft, reward: 3·N·S. dpo: N·S for the reference and 3·N·S.
/// grpo, rloo: generate + N·S for the reference + 3·N·S. ppo: the same, and the value network's N·S' + 3·N·S' without a head.
/// </remarks>
public static class PhaseCost
{
    /// <summary>FLOPs of one step; 0 for start-up.</summary>
    public static double Flops(BenchPhase phase, ModelConfig config, BenchShape shape)
    {
        var read = TransformerCost.Blocks(config, 0, shape.Length - 1) + TransformerCost.Head(config, shape.CompletionLength);
        var values = TransformerCost.Blocks(config, 0, shape.Length - 1);
        const double update = TransformerCost.TrainingPasses, judged = 1 + update;
        return phase switch
        {
            BenchPhase.Startup => 0,
            BenchPhase.Generate => Generate(config, shape),
            BenchPhase.LogProbs => shape.Samples * read,
            BenchPhase.Sft => shape.Samples * update * read,
            BenchPhase.Reward => 2 * shape.Samples * update * TransformerCost.Blocks(config, 0, shape.Length),
            BenchPhase.Dpo => 2 * shape.Samples * judged * read,
            BenchPhase.Grpo or BenchPhase.Rloo => Generate(config, shape) + shape.Samples * judged * read,
            BenchPhase.Ppo => Generate(config, shape) + shape.Samples * judged * (read + values),
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
    public static double LeastSeconds(BenchPhase phase, ModelConfig config, BenchShape shape, double flopsPerSecond, double bytesPerSecond)
    {
        if (phase != BenchPhase.Generate)
            return Flops(phase, config, shape) / flopsPerSecond;
        var seconds = (shape.Batch * (TransformerCost.Blocks(config, 0, shape.PromptLength) + TransformerCost.Head(config, 1))) / flopsPerSecond;
        for (var position = shape.PromptLength; position < shape.Length - 1; position++)
        {
            var flops = shape.Samples * (TransformerCost.Blocks(config, position, position + 1) + TransformerCost.Head(config, 1));
            var bytes = TransformerCost.WeightBytes(config) + shape.Samples * TransformerCost.CacheBytes(config, position);
            seconds += Math.Max(flops / flopsPerSecond, bytes / bytesPerSecond);
        }

        return seconds;
    }

    private static double Generate(ModelConfig config, BenchShape shape) =>
        shape.Batch * (TransformerCost.Blocks(config, 0, shape.PromptLength) + TransformerCost.Head(config, 1))
        + shape.Samples * (TransformerCost.Blocks(config, shape.PromptLength, shape.Length - 1) + TransformerCost.Head(config, shape.CompletionLength - 1));
}
