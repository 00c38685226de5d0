using LlmRL.Models;

namespace LlmRL.Benchmarks;

/// <summary>What <c>llmrl bench</c> can measure.</summary>
public enum BenchPhase
{
    /// <summary>From the start of the process to the first optimizer step of a GRPO recipe.</summary>
    Startup,

    /// <summary>Sampling completions.</summary>
    Generate,

    /// <summary>Log-probabilities of given completions, without gradients: the reference policy's part.</summary>
    LogProbs,

    /// <summary>A step of supervised fine-tuning.</summary>
    Sft,

    /// <summary>A step of the reward model.</summary>
    Reward,

    /// <summary>A step of DPO.</summary>
    Dpo,

    /// <summary>A step of GRPO: sampling, reference, one update.</summary>
    Grpo,

    /// <summary>A step of RLOO.</summary>
    Rloo,

    /// <summary>A step of PPO with its value network, one epoch.</summary>
    Ppo,
}

/// <summary>The batch of one step.</summary>
/// <param name="Batch">Prompts; of a reward model and DPO pairs, of SFT rows.</param>
/// <param name="Group">G: completions a prompt.</param>
/// <param name="PromptLength">P: tokens of each prompt.</param>
/// <param name="CompletionLength">C: tokens of each completion. Nothing stops earlier.</param>
public sealed record BenchShape(int Batch, int Group, int PromptLength, int CompletionLength)
{
    // What separates the two models that the fixed shapes are for.
    private const int SmallModel = 10_000_000;

    /// <summary>P + C.</summary>
    public int Length => PromptLength + CompletionLength;

    /// <summary>Completions of a step, of pairs: pairs.</summary>
    public int Samples => Batch * Group;

    /// <summary>The fixed shape of a phase.</summary>
    /// <param name="phase">The phase.</param>
    /// <param name="parameters">Weights of the model: the smaller one generates with a larger batch.</param>
    public static BenchShape Of(BenchPhase phase, double parameters) => phase switch
    {
        BenchPhase.Generate or BenchPhase.LogProbs => new(parameters < SmallModel ? 32 : 16, 1, 32, 128),
        // As good as nothing is prompt, so that the head runs over all that is read.
        BenchPhase.Sft => new(16, 1, 2, 254),
        BenchPhase.Reward or BenchPhase.Dpo => new(16, 1, 2, 126),
        _ => new(4, 8, 32, 128),
    };

    /// <summary>Refuses what cannot be run.</summary>
    /// <exception cref="BadInputException">A length is too small, or the model has too few positions.</exception>
    public void Check(BenchPhase phase, ModelConfig config)
    {
        Require(Batch >= 1, "--batch", Batch, "1 or more");
        Require(Group >= (phase is BenchPhase.Grpo or BenchPhase.Rloo or BenchPhase.Startup ? 2 : 1), "--group", Group, "2 or more: the completions of a prompt are compared with each other");
        Require(PromptLength >= 2, "--prompt-length", PromptLength, "2 or more: the first token marks the beginning");
        Require(CompletionLength >= 2, "--completion-length", CompletionLength, "2 or more");
        Require(Length <= config.GenerationLength, "--completion-length", CompletionLength, $"at most {config.GenerationLength - PromptLength} behind a prompt of {PromptLength}: the model has {config.GenerationLength} positions");
    }

    private static void Require(bool condition, string option, int value, string range)
    {
        if (!condition)
            throw new BadInputException($"{option} {value}: it must be {range}.");
    }
}
