using LlmRL.Models;

namespace LlmRL.Rollouts;

/// <summary>What every rollout engine refuses, in the same words.</summary>
internal static class RolloutChecks
{
    /// <summary>Checks a call of <see cref="IRolloutEngine.Generate"/>.</summary>
    /// <exception cref="BadInputException">A prompt or an option is out of range.</exception>
    public static void Check(ModelConfig config, IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingOptions options, IReadOnlyList<ulong>? promptKeys)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samplesPerPrompt, 1);
        CheckOptions(config, options);
        CheckPrompts(config, prompts, options.MaxNewTokens);
        if (promptKeys is not null && promptKeys.Count != prompts.Count)
            throw new ArgumentException($"{promptKeys.Count} prompt keys for {prompts.Count} prompts: give one for each.", nameof(promptKeys));
    }

    /// <summary>Where a logit is not finite.</summary>
    public static string NonFinite(int prompt, int position) => $"the logits are not finite for prompt {prompt}, new token {position}: the weights have diverged";

    private static void CheckPrompts(ModelConfig config, IReadOnlyList<int[]> prompts, int maxNewTokens)
    {
        for (var i = 0; i < prompts.Count; i++)
        {
            var prompt = prompts[i];
            if (prompt.Length == 0)
                throw new BadInputException($"Prompt {i} is empty: give it at least one token, such as the beginning-of-sequence token.");
            if (prompt.Length + (long)maxNewTokens > config.GenerationLength)
                throw new BadInputException(
                    $"Prompt {i} has {prompt.Length} tokens, which with max_new_tokens {maxNewTokens} exceeds the model's "
                    + $"{config.GenerationLength} positions{(config.GenerationLength < config.ContextLength ? " (dynamic rope scaling cannot grow past them token by token)" : "")}: "
                    + "shorten the prompt or lower max_new_tokens.");
            foreach (var token in prompt)
            {
                if ((uint)token >= (uint)config.VocabSize)
                    throw new BadInputException(
                        $"Prompt {i} has token id {token}, outside the model's vocabulary of {config.VocabSize}: use the model's own tokenizer.");
            }
        }
    }

    private static void CheckOptions(ModelConfig config, SamplingOptions options)
    {
        Require(options.Temperature >= 0 && double.IsFinite(options.Temperature), "temperature", options.Temperature, "0 or more");
        Require(options.TopP is > 0 and <= 1, "top_p", options.TopP, "above 0 and at most 1");
        Require(options.TopK >= 0, "top_k", options.TopK, "0 (off) or more");
        Require(options.MinP is >= 0 and <= 1, "min_p", options.MinP, "between 0 and 1");
        Require(
            options.RepetitionPenalty > 0 && double.IsFinite(options.RepetitionPenalty), "repetition_penalty", options.RepetitionPenalty, "above 0");
        Require(options.MaxNewTokens >= 1, "max_new_tokens", options.MaxNewTokens, "1 or more");
        Require(options.MinNewTokens >= 0, "min_new_tokens", options.MinNewTokens, "0 or more");
        foreach (var id in options.StopIds)
            Require((uint)id < (uint)config.VocabSize, "stop_ids", id, $"an id below the model's vocabulary of {config.VocabSize}");
    }

    private static void Require(bool condition, string name, double value, string range)
    {
        if (!condition)
            throw new BadInputException(FormattableString.Invariant($"{name} is {value}: it must be {range}."));
    }
}
